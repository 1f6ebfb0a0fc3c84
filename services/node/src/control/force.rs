//! `ForcePrimary`: an operator orders that this node lead alone, on one disk. The answer names the possible loss before anything
//! changes; where a quorum decides by itself, the node refuses the order.
//!
//! Never executes the order: the data directory keeps it durably, and `run` executes it with everything stopped.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use chassis::tasks::Tasks;
use consensus::{Kind, Status};
use data_dir::{DataDir, DataDirError, Forced};
use ocs_proto::control::{ForcePrimaryReply, ForcePrimaryRequest};
use tokio_util::sync::CancellationToken;

use crate::role::RoleService;

/// The mode in which both nodes hold every acknowledged update.
const PAIR: &str = "pair";

/// Orders of an operator that only a new start can execute. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Orders {
    directory: Arc<DataDir>,
    mode: &'static str,
    given: CancellationToken,
    tasks: Tasks,
}

impl Orders {
    /// `mode`: as configured.
    pub fn new(directory: Arc<DataDir>, mode: &'static str, tasks: &Tasks) -> Self {
        Self { directory, mode, given: CancellationToken::new(), tasks: tasks.clone() }
    }

    /// Cancelled when an order waits in the data directory.
    pub fn given(&self) -> CancellationToken {
        self.given.clone()
    }

    /// The configured mode.
    pub(super) fn mode(&self) -> &'static str {
        self.mode
    }

    /// Makes an order durable. A failing disk ends the process; without the operator's name the order still counts.
    async fn give(&self, order: Forced, by: String) -> Result<(), DataDirError> {
        let directory = Arc::clone(&self.directory);
        let write = move || {
            if let Err(error) = directory.order_is_by(order.epoch, &by) {
                tracing::warn!(%error, by, "the history will not name the operator");
            }
            directory.order(order)
        };
        let written = tokio::task::spawn_blocking(write).await;
        let written = written.unwrap_or(Err(DataDirError::Failed { path: self.directory.path().to_owned() }));
        match &written {
            Ok(()) => self.given.cancel(),
            Err(error) => {
                tracing::error!("an operator's order cannot be kept, so this node stops: {error}");
                self.tasks.stop();
            }
        }
        written
    }
}

/// Gives the order, or says why not; both answers name the end of this node's log. `by`: the caller, for the history.
pub(super) async fn force(
    role: &RoleService,
    orders: &Orders,
    asked: ForcePrimaryRequest,
    by: String,
) -> ForcePrimaryReply {
    let confirmed = role.ask().await.confirmed;
    let (status, own) = (role.status(), role.roster().own());
    let others = role.roster().members().iter().filter(|member| member.name != own.name);
    let mut reply = ForcePrimaryReply {
        node: own.name.clone(),
        last_index: status.last_index,
        last_commit: status.commit,
        epoch: orders.directory.epoch() + 1,
        may_lose: may_lose(orders.mode, &status),
        fence: others.map(|member| member.name.clone()).collect(),
        ..Default::default()
    };
    if let Some(refusal) = refusal(own.kind, confirmed, &status) {
        reply.reason = refusal;
        return reply;
    }
    if reply.may_lose && !asked.accept_loss {
        reply.reason =
            "updates that were acknowledged may be lost, namely those that only the other nodes have: bring one of \
                        them back, or accept the loss with --accept-loss"
                .to_owned();
        return reply;
    }
    if asked.dry_run {
        reply.reason = "dry run: nothing was changed".to_owned();
        return reply;
    }
    let order = Forced {
        at_us: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64),
        epoch: reply.epoch,
        last_index: reply.last_index,
        last_commit: reply.last_commit,
        accept_loss: asked.accept_loss,
        term: 0,
    };
    match orders.give(order, by).await {
        Ok(()) => reply.ordered = true,
        Err(error) => reply.reason = error.to_string(),
    }
    reply
}

/// Why the order makes no sense here, with or without `--accept-loss`.
fn refusal(kind: Kind, confirmed: bool, status: &Status) -> Option<String> {
    if kind == Kind::Witness {
        Some("this is a witness: it holds no records and never serves".to_owned())
    } else if confirmed && status.single_copy && status.serving {
        Some("this node leads alone already".to_owned())
    } else if confirmed {
        Some("a quorum answers this node: use `ocsctl switchover`".to_owned())
    } else if status.quorum_heard {
        Some(
            "this node hears a quorum, which elects a primary by itself: wait, or stop those who are to be fenced"
                .to_owned(),
        )
    } else if status.fetching || status.applied == 0 {
        Some("this node's state is missing or being fetched: it has nothing to serve".to_owned())
    } else {
        None
    }
}

/// In a pair every acknowledged update is on both disks, unless this node was a learner or the other node led alone.
fn may_lose(mode: &str, status: &Status) -> bool {
    mode != PAIR || !status.voter || status.single_copy
}

#[cfg(test)]
mod tests {
    use super::*;
    use pair::fakes::{A, status};

    fn cut_off() -> Status {
        Status { quorum_heard: false, ..status(3, 0) }
    }

    #[test]
    fn where_a_quorum_decides_or_there_is_nothing_to_serve_the_order_is_refused() {
        let alone = Status { single_copy: true, quorum_heard: false, ..status(3, A) };
        for (kind, confirmed, status, part) in [
            (Kind::Witness, false, cut_off(), "never serves"),
            (Kind::Data, true, alone, "leads alone already"),
            (Kind::Data, true, status(3, A), "ocsctl switchover"),
            (Kind::Data, false, status(3, 0), "hears a quorum"),
            (Kind::Data, false, Status { fetching: true, ..cut_off() }, "state is missing"),
            (Kind::Data, false, Status { applied: 0, ..cut_off() }, "state is missing"),
        ] {
            assert!(refusal(kind, confirmed, &status).is_some_and(|reason| reason.contains(part)), "{part}");
        }
        assert_eq!(refusal(Kind::Data, false, &cut_off()), None);
    }

    #[test]
    fn only_a_voter_of_a_pair_has_every_acknowledged_update() {
        assert!(!may_lose("pair", &cut_off()));
        assert!(may_lose("witness", &cut_off()) && may_lose("three", &cut_off()));
        assert!(may_lose("pair", &Status { voter: false, ..cut_off() }));
        assert!(may_lose("pair", &Status { single_copy: true, ..cut_off() }));
    }
}
