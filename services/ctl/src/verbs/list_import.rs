//! `list import`: the rows of a CSV file into a list. Never sends anything when the header is wrong, or where rejected rows could
//! not be written.

use list_files::{Rejects, Source};

use crate::{
    cli::{CsvArgs, ListImportArgs},
    cluster::Cluster,
    failure::Failure,
    import::{self, Summary, preview, target::Target},
    print::{self, Out},
};

/// A file that was found fit for an import.
pub(crate) struct Prepared {
    source: Source,
    rejects: Rejects,
}

impl Prepared {
    /// Asks no node.
    pub(crate) fn new(source: Source, args: &CsvArgs) -> Result<Self, Failure> {
        let rejects = Rejects::open(args.rejects.as_deref(), &source)?;
        Ok(Self { source, rejects })
    }
}

/// Imports a file as its own import, or as a new one.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &ListImportArgs) -> Result<(), Failure> {
    let source = Source::open(&args.file, &args.name, &args.csv.options())?;
    if args.csv.dry_run {
        let wanted = preview::Wanted { cluster, target: Target::List(args.name.clone()), create: false };
        return preview::show(out, source, &wanted).await;
    }
    let id = if args.as_new { import::new_id() } else { source.id() };
    import(cluster, out, &args.name, Prepared::new(source, &args.csv)?, id).await
}

/// Shows progress and the closing line; fails if a row was rejected.
pub(crate) async fn import(
    cluster: &Cluster,
    out: Out,
    list: &str,
    prepared: Prepared,
    id: Vec<u8>,
) -> Result<(), Failure> {
    let Prepared { source, rejects } = prepared;
    let bar = print::bar(source.bytes());
    let notes = source.notes();
    let result = import::run(cluster, Target::List(list.to_owned()), source, rejects, id, &bar).await;
    bar.finish_and_clear();
    let summary = result?;
    for note in notes {
        eprintln!("ocsctl: {note}");
    }
    out.show(&summary, Summary::line)?;
    match &summary.rejects_file {
        Some(path) => {
            Err(Failure::Refused(format!("rows that were rejected: {}, see {}", summary.rejected, path.display())))
        }
        None => Ok(()),
    }
}
