//! `list create`: makes a list, and fills the list from a file. Never creates a list when the file cannot be imported at all.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use ocs_proto::outbound::CreateList;

use crate::{
    call::{self, CallError},
    cli::ListCreateArgs,
    cluster::Cluster,
    failure::Failure,
    import::{preview, source::Source},
    print::Out,
    verbs::list_import::{self, Prepared},
};

/// How long to look for a node that accepts the order, over a failover.
const RETRY_FOR: Duration = Duration::from_secs(15);

/// Reads the file's header first: a file without contact_info leaves nothing behind.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &ListCreateArgs) -> Result<(), Failure> {
    let opened = args.from.as_deref().map(|path| Source::open(path, &args.name, &args.csv));
    let source = opened.transpose()?;
    source.as_ref().map_or(Ok(()), Source::check_new_names)?;
    if args.csv.dry_run {
        let source =
            source.ok_or_else(|| Failure::Usage("--dry-run shows rows of a file: --from names it".to_owned()))?;
        let wanted = preview::Wanted { cluster, list: &args.name, create: true };
        return preview::show(out, source, &wanted).await;
    }
    let id = source.as_ref().map(Source::id).unwrap_or_default();
    let prepared = source.map(|source| Prepared::new(source, &args.csv)).transpose()?;
    create(cluster, &args.name, args.time_zone.as_deref().unwrap_or_default()).await?;
    match prepared {
        Some(prepared) => list_import::import(cluster, out, &args.name, prepared, id).await,
        None => out.show(&serde_json::json!({ "list": args.name, "created": true }), |_| {
            format!("Created list {}", args.name)
        }),
    }
}

/// Creates a list at any node. After an attempt of unknown outcome, "there is one already" means that the attempt had
/// succeeded.
pub(crate) async fn create(cluster: &Cluster, name: &str, time_zone: &str) -> Result<(), Failure> {
    let request = CreateList { name: name.to_owned(), time_zone: time_zone.to_owned(), fields: Vec::new() };
    let maybe_ours = AtomicBool::new(false);
    let attempt = |mut client: crate::cluster::Client| {
        let (request, maybe_ours) = (request.clone(), &maybe_ours);
        async move {
            let result = match client.create_list(request).await {
                Ok(reply) => call::done(reply.into_inner().reply).map(|_| ()),
                Err(status) => Err(CallError::from(status)),
            };
            match result {
                Err(CallError::Refused(no)) if no.code == "CONFLICT" && maybe_ours.load(Relaxed) => Ok(()),
                Err(error) => {
                    maybe_ours.fetch_or(error.maybe_applied(), Relaxed);
                    Err(error)
                }
                Ok(()) => Ok(()),
            }
        }
    };
    cluster.on_any(RETRY_FOR, attempt).await
}
