//! Watches for differing digests: keeps the last state on which the nodes agreed, and when digests differ finds out whether this
//! node's state is wrong (`pair::machine::judge`).
//!
//! Never replaces a state: consensus replaces it, once another node can serve. Called by `run`.

use std::time::Duration;

use chassis::tasks::Tasks;
use consensus::{Comparison, Handle};
use ocs_proto::peer::Entry;
use outbound::{Reply, RequestId};
use pair::machine::{Finding, RecordsReader, judge};
use raft_log::{FileDisk, LogReader};
use records::Rules;
use store::{KEPT_BYTES_MAX, StateSnapshot};
use tokio::sync::mpsc;

use super::spawn_quiet;

/// Limit of waiting comparisons; a comparison beyond is dropped, and the next comparison says the same.
const WAITING_MAX: usize = 16;
/// The last agreed state is dropped at this age, in entries: the snapshot keeps old rows on disk, and newer writes in memory.
const AGREED_AGE_MAX: u64 = 16 * 1024;
/// Interval of the checks of that age.
const LOOK: Duration = Duration::from_secs(10);
/// Bytes of entries that are read for a replay; beyond, only the rows on disk decide.
const REPLAY_BYTES_MAX: usize = 64 << 20;

/// The sender that consensus calls with each comparison, and the inbox of the judge.
pub(super) fn channel() -> (Box<dyn FnMut(Comparison) + Send>, mpsc::Receiver<Comparison>) {
    let (sender, inbox) = mpsc::channel(WAITING_MAX);
    (Box::new(move |comparison| _ = sender.try_send(comparison)), inbox)
}

/// The parts that a judgement uses.
pub(super) struct Judge {
    pub(super) state: RecordsReader,
    pub(super) log: LogReader<FileDisk>,
    pub(super) rules: Rules,
    pub(super) raft: Handle<RequestId, Reply>,
}

/// Judges until the process stops.
pub(super) fn start(judge: Judge, mut inbox: mpsc::Receiver<Comparison>, tasks: &Tasks) {
    let stopping = tasks.stopping();
    spawn_quiet(tasks, "judge", async move {
        let judge = std::sync::Arc::new(judge);
        let mut agreed: Option<StateSnapshot> = None;
        loop {
            let comparison = tokio::select! {
                comparison = inbox.recv() => comparison,
                () = tokio::time::sleep(LOOK) => {
                    agreed = agreed.filter(|agreed| judge.is_young(agreed));
                    continue;
                }
                () = stopping.cancelled() => return,
            };
            let Some(at) = comparison else { return };
            if at.ours == at.theirs {
                agreed = judge.state.at_digest(at.index).or(agreed).filter(|agreed| judge.is_young(agreed));
                continue;
            }
            let (one, from) = (judge.clone(), agreed.clone());
            if tokio::task::spawn_blocking(move || one.look(&at, from.as_ref())).await.is_err() {
                tracing::error!("looking which state is wrong failed");
            }
        }
    });
}

impl Judge {
    fn is_young(&self, agreed: &StateSnapshot) -> bool {
        let now = self.state.snapshot();
        let age = now.applied().index.saturating_sub(agreed.applied().index);
        age <= AGREED_AGE_MAX && now.written_since(agreed) <= KEPT_BYTES_MAX
    }

    fn look(&self, at: &Comparison, agreed: Option<&StateSnapshot>) {
        let from = agreed.and_then(|agreed| Some((agreed, self.entries(agreed.applied().index, at.index)?)));
        let by_log = from.as_ref().map(|(agreed, entries)| (*agreed, entries.as_slice()));
        match judge(&self.state, by_log, &self.rules, at) {
            Finding::Wrong(why) => self.raft.distrust(why),
            Finding::Sound => {
                let replayed_from = by_log.map(|(agreed, _)| agreed.applied().index);
                tracing::warn!(
                    index = at.index,
                    replayed_from,
                    "the state here is what the log makes, as far as can be seen"
                );
                self.raft.vouch(at.index);
            }
        }
    }

    /// The entries behind one index up to another, if the log still has all of them.
    fn entries(&self, behind: u64, to: u64) -> Option<Vec<Entry>> {
        let entries = self.log.entries(behind + 1, to + 1, REPLAY_BYTES_MAX).ok()?;
        (entries.last()?.index == to).then_some(entries)
    }
}
