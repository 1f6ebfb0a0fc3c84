//! `list export`: the records of a list as CSV. Never leaves a half-written file under the name that was asked for, and never changes
//! the mode of a file that was there.

use std::{
    borrow::Cow,
    io::{self, BufWriter, Write},
    path::Path,
};

use crate::{
    backup::STANDARD,
    cli::{Format, FormatArg, ListExportArgs},
    cluster::Cluster,
    export,
    failure::Failure,
    formulas,
    output_file::{OutputFile, Readers},
    print,
};

/// Names of standard output. The system would open it anew, and begin at its start where it is a file.
const STANDARD_NAMES: [&str; 4] = [STANDARD, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// Writes to standard output or to a file, which appears when it is whole. `format` is the one before the verb.
pub(crate) async fn run(cluster: &Cluster, format: FormatArg, args: &ListExportArgs) -> Result<(), Failure> {
    if format.format == Some(Format::Json) || args.output.as_deref().is_some_and(is_format) {
        let line = "an export is CSV, and -o names its file here: ./json is a file of that name";
        return Err(Failure::Usage(line.to_owned()));
    }
    let guard = args.guard_formulas;
    let begin = export::begin(cluster, &args.name, &args.columns, args.node.as_deref());
    let Some(path) = args.output.as_deref().filter(|path| !is_standard(path)) else {
        return write(begin.await?, guard, BufWriter::new(io::stdout()), print::cannot_write).await.map(|_| ());
    };
    let file = OutputFile::create(path, true, Readers::Umask)?; // first: a place that cannot be written needs no node
    let rows = write(begin.await?, guard, BufWriter::new(file.file()), |error| file.failed(error)).await?;
    file.finish()?;
    eprintln!("{rows} records written to {}", path.display());
    Ok(())
}

/// With other verbs, `-o` says how to show the result.
fn is_format(path: &Path) -> bool {
    ["json", "table"].map(Path::new).contains(&path)
}

fn is_standard(path: &Path) -> bool {
    STANDARD_NAMES.map(Path::new).contains(&path)
}

/// Returns the number of rows.
async fn write(
    mut export: export::Export,
    guard: bool,
    to: impl Write,
    fault: impl Fn(csv::Error) -> Failure,
) -> Result<u64, Failure> {
    let mut writer = csv::Writer::from_writer(to);
    write_row(&mut writer, &export.columns, guard).map_err(&fault)?;
    let mut count = 0;
    while let Some(rows) = export.rows().await.map_err(|error| error.into_failure("export"))? {
        for row in rows {
            write_row(&mut writer, &row.values, guard).map_err(&fault)?;
            count += 1;
        }
    }
    writer.flush().map_err(|error| fault(error.into()))?;
    Ok(count)
}

fn write_row(writer: &mut csv::Writer<impl Write>, cells: &[String], guard: bool) -> csv::Result<()> {
    if guard {
        return writer.write_record(cells.iter().map(|cell| formulas::guarded(cell)).map(Cow::into_owned));
    }
    writer.write_record(cells)
}
