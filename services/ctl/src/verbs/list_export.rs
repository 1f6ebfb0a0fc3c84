//! `list export`: the records of a list as CSV. Never leaves a half-written file under the name that was asked for.

use std::{
    borrow::Cow,
    io::{self, BufWriter, Write},
    path::Path,
};

use crate::{
    cli::ListExportArgs,
    cluster::Cluster,
    export,
    failure::Failure,
    formulas,
    output_file::{OutputFile, Readers},
    print,
};

/// Writes to standard output or to a file, which appears when it is whole.
pub(crate) async fn run(cluster: &Cluster, args: &ListExportArgs) -> Result<(), Failure> {
    if args.output.as_deref().is_some_and(is_format) {
        let line = "an export is CSV, and -o names its file here: ./json is a file of that name";
        return Err(Failure::Usage(line.to_owned()));
    }
    let guard = args.guard_formulas;
    let begin = export::begin(cluster, &args.name, &args.columns, args.node.as_deref());
    let Some(path) = &args.output else {
        return write(begin.await?, guard, BufWriter::new(io::stdout()), print::cannot_write).await.map(|_| ());
    };
    let file = OutputFile::create(path, args.force, Readers::Umask)?; // first: a place that cannot be written needs no node
    let rows = write(begin.await?, guard, BufWriter::new(file.file()), |error| file.failed(error)).await?;
    file.finish()?;
    eprintln!("{rows} records written to {}", path.display());
    Ok(())
}

/// With other verbs, `-o` says how to show the result.
fn is_format(path: &Path) -> bool {
    ["json", "table"].map(Path::new).contains(&path)
}

/// Returns the number of rows.
async fn write(
    mut export: export::Export,
    guard: bool,
    to: impl Write,
    fault: impl Fn(csv::Error) -> Failure,
) -> Result<u64, Failure> {
    let mut writer = csv::Writer::from_writer(to);
    writer.write_record(&export.columns).map_err(&fault)?;
    let mut count = 0;
    while let Some(rows) = export.rows().await.map_err(|error| error.into_failure("export"))? {
        for row in rows {
            if guard {
                let cells = row.values.iter().map(|cell| formulas::guarded(cell));
                writer.write_record(cells.map(Cow::into_owned)).map_err(&fault)?;
            } else {
                writer.write_record(&row.values).map_err(&fault)?;
            }
            count += 1;
        }
    }
    writer.flush().map_err(|error| fault(error.into()))?;
    Ok(count)
}
