//! `role`: the primary, as each node sees it. Never changes anything.

use crate::{
    cluster::Cluster,
    failure::Failure,
    group,
    print::{Out, status::GroupView},
};

/// Shows the roles. Succeeds when there is a confirmed primary.
pub(crate) async fn run(cluster: &Cluster, out: Out) -> Result<(), Failure> {
    let group = group::survey(cluster).await;
    out.show_in_colours(&GroupView::new(&group), GroupView::role_table, GroupView::colours)?;
    group.known_primary()
}
