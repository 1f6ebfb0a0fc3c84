//! `list export`: the records of a list as CSV. Never leaves a half-written file under the name that was asked for.

use std::io::{self, BufWriter, Write};

use crate::{
    cli::ListExportArgs,
    cluster::Cluster,
    export,
    failure::Failure,
    output_file::{OutputFile, Readers},
    print,
};

/// Writes to standard output or to a file, which appears when it is whole.
pub(crate) async fn run(cluster: &Cluster, args: &ListExportArgs) -> Result<(), Failure> {
    let begin = export::begin(cluster, &args.name, &args.columns, args.node.as_deref());
    let Some(path) = &args.output else {
        return write(begin.await?, BufWriter::new(io::stdout()), print::cannot_write).await.map(|_| ());
    };
    let file = OutputFile::create(path, args.force, Readers::Umask)?; // first: a place that cannot be written needs no node
    let rows = write(begin.await?, BufWriter::new(file.file()), |error| file.failed(error)).await?;
    file.finish()?;
    eprintln!("{rows} records written to {}", path.display());
    Ok(())
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
