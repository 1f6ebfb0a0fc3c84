//! `list export`: the records of a list as CSV. Never leaves a half-written file under the name that was asked for.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use crate::{cli::ListExportArgs, cluster::Cluster, export, failure::Failure, print};

/// Writes to standard output or to a file, which appears when it is whole.
pub(crate) async fn run(cluster: &Cluster, args: &ListExportArgs) -> Result<(), Failure> {
    let export = export::begin(cluster, &args.name, &args.columns, args.node.as_deref()).await?;
    let Some(path) = &args.output else {
        return write(export, BufWriter::new(io::stdout()), print::cannot_write).await.map(|_| ());
    };
    let part = part_of(path);
    let file = File::create(&part).map_err(|error| Failure::file(&part, error))?;
    let rows = write(export, BufWriter::new(file), |error| Failure::file(&part, error)).await?;
    fs::rename(&part, path).map_err(|error| Failure::file(path, error))?;
    eprintln!("{rows} records written to {}", path.display());
    Ok(())
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Returns the number of rows.
async fn write(
    mut export: export::Export,
    to: impl Write,
    fault: impl Fn(csv::Error) -> Failure,
) -> Result<u64, Failure> {
    let mut writer = csv::Writer::from_writer(to);
    writer.write_record(&export.columns).map_err(&fault)?;
    let mut count = 0;
    while let Some(rows) = export.rows().await.map_err(|error| error.into_failure("export"))? {
        for row in rows {
            writer.write_record(&row.values).map_err(&fault)?;
            count += 1;
        }
    }
    writer.flush().map_err(|error| fault(error.into()))?;
    Ok(count)
}
