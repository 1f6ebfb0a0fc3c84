//! `list create`: makes a list, and fills the list from a file. Never creates a list when the file cannot be imported at all.

use list_files::Source;

use crate::{
    cli::ListCreateArgs,
    cluster::Cluster,
    failure::Failure,
    import::{preview, target::Target},
    orders,
    print::Out,
    verbs::list_import::{self, Prepared},
};

/// Reads the file's header first: a file without contact_info leaves nothing behind.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &ListCreateArgs) -> Result<(), Failure> {
    let opened = args.from.as_deref().map(|path| Source::open(path, &args.name, &args.csv.options()));
    let source = opened.transpose()?;
    source.as_ref().map_or(Ok(()), Source::check_new_names)?;
    if args.csv.dry_run {
        let source =
            source.ok_or_else(|| Failure::Usage("--dry-run shows rows of a file: --from names it".to_owned()))?;
        let wanted = preview::Wanted { cluster, target: Target::List(args.name.clone()), create: true };
        return preview::show(out, source, &wanted).await;
    }
    let id = source.as_ref().map(Source::id).unwrap_or_default();
    let prepared = source.map(|source| Prepared::new(source, &args.csv)).transpose()?;
    orders::create_list(cluster, &args.name, args.time_zone.as_deref().unwrap_or_default()).await?;
    match prepared {
        Some(prepared) => list_import::import(cluster, out, &args.name, prepared, id).await,
        None => out.show(&serde_json::json!({ "list": args.name, "created": true }), |_| {
            format!("Created list {}", args.name)
        }),
    }
}
