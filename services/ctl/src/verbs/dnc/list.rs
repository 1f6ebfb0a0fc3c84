//! `dnc list`: all entries, or the first ones.

use super::entries::{Entries, table};
use crate::{cli::DncListArgs, cluster::Cluster, failure::Failure, print::Out};

pub(super) async fn run(cluster: &Cluster, out: Out, args: &DncListArgs) -> Result<(), Failure> {
    let entries = Entries::begin(cluster, args.limit.unwrap_or_default()).await?.all().await?;
    out.show(&entries, |entries| table(entries))
}
