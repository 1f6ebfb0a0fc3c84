//! `dnc …`: Do-Not-Call entries. One file a verb.
//!
//! Never compares phones: the node decides which spellings are the same phone. Called by `verbs`.

mod about;
mod add;
mod apply;
mod check;
mod entries;
mod export;
mod import;
mod list;
mod remove;

use std::time::Duration;

use crate::{
    cli::{DncVerb, FormatArg},
    cluster::Cluster,
    failure::Failure,
    print::Out,
};

/// How long to look for a node that answers, over a failover.
const RETRY_FOR: Duration = Duration::from_secs(15);

/// Runs one of the verbs. `before`: the format before the verb.
pub(super) async fn run(cluster: &Cluster, before: FormatArg, verb: DncVerb) -> Result<(), Failure> {
    let out = |behind| Out::new(before, behind);
    match verb {
        DncVerb::Add(args) => add::run(cluster, out(args.format), &args).await,
        DncVerb::Remove(args) => remove::run(cluster, out(args.format), &args).await,
        DncVerb::Check(args) => check::run(cluster, out(args.format), &args).await,
        DncVerb::List(args) => list::run(cluster, out(args.format), &args).await,
        DncVerb::Import(args) => import::run(cluster, out(args.format), &args).await,
        DncVerb::Export(args) => export::run(cluster, &args).await,
        DncVerb::Apply(args) => apply::run(cluster, out(args.format), &args).await,
    }
}
