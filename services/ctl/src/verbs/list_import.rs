//! `list import`: the rows of a CSV file into a list. Never sends anything when the header is wrong.

use crate::{
    cli::ListImportArgs,
    cluster::Cluster,
    failure::Failure,
    import::{self, Summary, source::Source},
    print::{self, Out},
};

/// Imports a file as its own import, or as a new one.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &ListImportArgs) -> Result<(), Failure> {
    let source = Source::open(&args.file)?;
    let id = if args.as_new { import::new_id() } else { import::id_of(&args.name, &args.file)? };
    import(cluster, out, &args.name, source, id).await
}

/// Shows progress and the closing line; fails if a row was rejected.
pub(crate) async fn import(
    cluster: &Cluster,
    out: Out,
    list: &str,
    source: Source,
    id: Vec<u8>,
) -> Result<(), Failure> {
    let bar = print::bar(source.bytes());
    let result = import::run(cluster, list, source, id, &bar).await;
    bar.finish_and_clear();
    let summary = result?;
    out.show(&summary, Summary::line)?;
    match &summary.rejects_file {
        Some(path) => Err(Failure::Refused(format!("{} rows were rejected: see {}", summary.rejected, path.display()))),
        None => Ok(()),
    }
}
