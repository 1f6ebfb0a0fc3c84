//! `list export`: the records of a list as CSV. Never leaves a half-written file under the name that was asked for, and never
//! changes the mode of an existing file.

use std::{
    borrow::Cow,
    io::{self, BufWriter, Write},
    path::Path,
};

use list_files::guarded;

use crate::{
    backup::STANDARD,
    cli::{Format, FormatArg, ListExportArgs},
    cluster::Cluster,
    export,
    failure::Failure,
    output_file::{OutputFile, Readers},
    print,
};

/// Names of standard output. Opening such a name would start at the beginning of a file to which standard output is
/// redirected.
const STANDARD_NAMES: [&str; 4] = [STANDARD, "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

/// Writes to standard output or to a file, which appears once complete. `format` is the option before the verb.
pub(crate) async fn run(cluster: &Cluster, format: FormatArg, args: &ListExportArgs) -> Result<(), Failure> {
    let word = args.output.as_deref().filter(|path| is_format(path)).map(|path| path.display().to_string());
    if let Some(word) = word.or_else(|| (format.format == Some(Format::Json)).then(|| "json".to_owned())) {
        let line = format!("an export is CSV, and -o names its file here: ./{word} is a file of that name");
        return Err(Failure::Usage(line));
    }
    let shown = Shown {
        guarded: args.guard_formulas,
        visible: args.output.as_deref().is_none_or(is_standard) && print::to_terminal(),
    };
    let begin = export::begin(cluster, &args.name, &args.columns, args.node.as_deref());
    let Some(path) = args.output.as_deref().filter(|path| !is_standard(path)) else {
        return write(begin.await?, shown, BufWriter::new(io::stdout()), print::cannot_write).await.map(|_| ());
    };
    let file = OutputFile::create(path, true, Readers::Umask)?; // first: a place that cannot be written needs no node
    let rows = write(begin.await?, shown, BufWriter::new(file.file()), |error| file.failed(error)).await?;
    file.finish()?;
    eprintln!("{rows} records written to {}", path.display());
    Ok(())
}

/// Whether a path is a format: with other verbs, `-o` names the format of the result.
pub(super) fn is_format(path: &Path) -> bool {
    ["json", "table"].map(Path::new).contains(&path)
}

/// Whether a path is a name of standard output.
pub(super) fn is_standard(path: &Path) -> bool {
    STANDARD_NAMES.map(Path::new).contains(&path)
}

/// Changes of cells on their way.
#[derive(Debug, Clone, Copy)]
struct Shown {
    /// A cell that a spreadsheet would run begins with an apostrophe.
    guarded: bool,
    /// Letters that would act on a terminal are escapes.
    visible: bool,
}

impl Shown {
    fn cell(self, cell: &str) -> String {
        let cell = if self.guarded { guarded(cell) } else { Cow::Borrowed(cell) };
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
    write_row(&mut writer, &export.columns, shown).map_err(&fault)?;
    let mut count = 0;
    while let Some(rows) = export.rows().await.map_err(|error| error.into_failure("export"))? {
        for row in rows {
            write_row(&mut writer, &row.values, shown).map_err(&fault)?;
            count += 1;
        }
    }
    writer.flush().map_err(|error| fault(error.into()))?;
    Ok(count)
}

fn write_row(writer: &mut csv::Writer<impl Write>, cells: &[String], shown: Shown) -> csv::Result<()> {
    if shown.guarded || shown.visible {
        return writer.write_record(cells.iter().map(|cell| shown.cell(cell)));
    }
    writer.write_record(cells)
}
