//! `status`: every node, described by itself. Never changes anything.

use crate::{
    cluster::Cluster,
    failure::Failure,
    group,
    print::{Out, status::GroupView},
};

/// Shows the answers of the nodes. Succeeds when there is a confirmed primary, also where a warning stands; with `check`, only when the group
/// is whole.
pub(crate) async fn run(cluster: &Cluster, out: Out, check: bool) -> Result<(), Failure> {
    let group = group::survey(cluster).await;
    out.show_in_colours(&GroupView::new(&group), GroupView::status_table, GroupView::colours)?;
    if check { group.health() } else { group.known_primary() }
}
