//! `dnc import`: the phones or customers of a file. Never sends anything when the file cannot be read, or where rejected rows could
//! not be written; never changes a record.

use std::path::{Path, PathBuf};

use list_files::{Rejects, Source};
use serde::Serialize;

use super::about::scope;
use crate::{
    cli::DncImportArgs,
    cluster::Cluster,
    failure::Failure,
    import::{self, Summary, preview, target::Target},
    print::{self, Out},
};

/// Letters of a source, at most.
const SOURCE_LETTERS_MAX: usize = 255;

/// The result of an import; rows = added + stood + rejected.
#[derive(Debug, Serialize)]
struct ImportView {
    rows: u64,
    /// Entries that are new.
    added: u64,
    /// Rows whose entry stands and keeps its time, and rows that an earlier run of this import has taken.
    stood: u64,
    /// Rows rejected by the node or unreadable.
    rejected: u64,
    /// Where the rejected rows are, if there are any.
    rejects_file: Option<PathBuf>,
    /// Duration of the import.
    seconds: f64,
}

impl From<Summary> for ImportView {
    fn from(summary: Summary) -> Self {
        let Summary { rows, added, duplicates, rejected, rejects_file, seconds, .. } = summary;
        Self { rows, added, stood: duplicates, rejected, rejects_file, seconds }
    }
}

impl ImportView {
    /// The closing line.
    fn line(&self) -> String {
        let [rows, added, stood, rejected] = [self.rows, self.added, self.stood, self.rejected].map(print::grouped);
        let noun = if self.rows == 1 { "row" } else { "rows" };
        format!("{rows} {noun}: {added} added, {stood} entered before, {rejected} rejected")
    }
}

/// Shows progress and the closing line; fails if a row was rejected.
pub(super) async fn run(cluster: &Cluster, out: Out, args: &DncImportArgs) -> Result<(), Failure> {
    let scope = scope(&args.scope);
    let source = Source::open_entries(&args.file, &scope, &args.options())?;
    let target = Target::DoNotCall { scope, source: name_of(&args.file) };
    if args.dry_run {
        return preview::show(out, source, &preview::Wanted { cluster, target, create: false }).await;
    }
    let id = if args.as_new { import::new_id() } else { source.id() };
    let rejects = Rejects::open(args.rejects.as_deref(), &source)?;
    let (bar, notes) = (print::bar(source.bytes()), source.notes());
    let result = import::run(cluster, target, source, rejects, id, &bar).await;
    bar.finish_and_clear();
    let view = ImportView::from(result?);
    for note in notes {
        eprintln!("ocsctl: {note}");
    }
    out.show(&view, ImportView::line)?;
    match &view.rejects_file {
        Some(path) => {
            Err(Failure::Refused(format!("rows that were rejected: {}, see {}", view.rejected, path.display())))
        }
        None => Ok(()),
    }
}

/// The file's name without its directory, as the source of the entries.
fn name_of(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).filter(|name| name != "-");
    name.unwrap_or_else(|| "stdin".to_owned()).chars().take(SOURCE_LETTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_adds_up_and_groups_its_digits() {
        let summary = Summary { rows: 1_000, added: 990, duplicates: 8, rejected: 2, ..Summary::default() };
        assert_eq!(ImportView::from(summary).line(), "1,000 rows: 990 added, 8 entered before, 2 rejected");
    }

    #[test]
    fn entries_of_a_file_have_its_name_as_their_source() {
        assert_eq!(name_of(Path::new("/day/mon.csv")), "mon.csv");
        assert_eq!([name_of(Path::new("-")), name_of(Path::new("/dev/stdin"))], ["stdin", "stdin"]);
        assert_eq!(name_of(Path::new(&"x".repeat(300))).len(), 255);
    }
}
