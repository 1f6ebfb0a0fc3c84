//! The audit over the control API: the rows of one state, read no faster than the client takes them.
//!
//! Never contains a rule. Called by the control API.

use std::{sync::Arc, time::Duration};

use dispatch::Engine;
use ocs_proto::control::{AuditEntries, AuditRequest};
use outbound::{AuditFilter, Query};
use tokio::time::Instant;
use tonic::Status;

use super::{
    data::{Long, refused},
    to_wire,
};
use crate::bulk::Pieces;

type Door = Arc<pair::Door>;

/// Every acknowledged row; without a quorum within this time, the rows that this node knows.
pub(super) async fn entries(
    door: &Door,
    long: &Long,
    asked: AuditRequest,
    within: Duration,
) -> Result<Pieces<AuditEntries>, Status> {
    let confirmed = door.wait_until_readable(Instant::now() + within).await.is_ok();
    let AuditRequest { since_us, until_us, principal, what, rows_max } = asked;
    let rows_max = if rows_max == 0 { u64::MAX } else { rows_max };
    let filter = AuditFilter { since_us, until_us, principal, what };
    let (door, query) = (door.clone(), Query::Audit { filter, rows_max, after: None });
    let open = move || {
        let pages = door.engine().query(query).map_err(refused);
        let first = move |(at, entries)| Ok(AuditEntries { confirmed: confirmed && at == 0, ..entries });
        pages.map(|pages| pages.filter_map(to_wire::audit).enumerate().map(first))
    };
    long.exports.pieces(open).await
}
