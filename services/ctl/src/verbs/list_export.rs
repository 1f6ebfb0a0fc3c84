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
    let shown = Shown { guarded: args.guard_formulas, visible: args.output.is_none() && print::to_terminal() };
    let begin = export::begin(cluster, &args.name, &args.columns, args.node.as_deref());
    let Some(path) = &args.output else {
        return write(begin.await?, shown, BufWriter::new(io::stdout()), print::cannot_write).await.map(|_| ());
    };
    let file = OutputFile::create(path, args.force, Readers::Umask)?; // first: a place that cannot be written needs no node
    let rows = write(begin.await?, shown, BufWriter::new(file.file()), |error| file.failed(error)).await?;
    file.finish()?;
    eprintln!("{rows} records written to {}", path.display());
    Ok(())
}

/// With other verbs, `-o` says how to show the result.
pub(super) fn is_format(path: &Path) -> bool {
    ["json", "table"].map(Path::new).contains(&path)
}

/// What becomes of cells on their way.
#[derive(Debug, Clone, Copy)]
struct Shown {
    /// A cell that a spreadsheet would run begins with an apostrophe.
    guarded: bool,
    /// Letters that would act on a terminal are escapes.
    visible: bool,
}

impl Shown {
    fn cell(self, cell: &str) -> String {
        let cell = if self.guarded { formulas::guarded(cell) } else { Cow::Borrowed(cell) };
        if self.visible { print::visible(&cell).into_owned() } else { cell.into_owned() }
    }
}

/// Returns the number of rows.
async fn write(
    mut export: export::Export,
    shown: Shown,
    to: impl Write,
    fault: impl Fn(csv::Error) -> Failure,
) -> Result<u64, Failure> {
    let mut writer = csv::Writer::from_writer(to);
    let columns = Shown { guarded: false, ..shown };
    writer.write_record(export.columns.iter().map(|column| columns.cell(column))).map_err(&fault)?;
    let mut count = 0;
    while let Some(rows) = export.rows().await.map_err(|error| error.into_failure("export"))? {
        for row in rows {
            if shown.guarded || shown.visible {
                writer.write_record(row.values.iter().map(|cell| shown.cell(cell))).map_err(&fault)?;
            } else {
                writer.write_record(&row.values).map_err(&fault)?;
            }
            count += 1;
        }
    }
    writer.flush().map_err(|error| fault(error.into()))?;
    Ok(count)
}
