//! A node that has lost its log asks the group for a new Raft id (R11 one-id-one-log). Asks only, and answers no caller: a node
//! without an id does not listen.
//!
//! Called by `run` before anything is bound.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use consensus::{RaftId, bounds};
use data_dir::DataDir;
use ocs_proto::peer::{JoinReply, JoinRequest};

use super::{
    PeerSelf, PeersConfig,
    dial::{self, Dialer},
    guard::{Own, number},
    repeats::Repeats,
    text::shown,
};

const ASK_INTERVAL: Duration = Duration::from_millis(250);
/// A group takes a node in within this time; a longer wait is a warning.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time limit for the commit of the membership's change; then the node asks again.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The group's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// The id under which the node speaks.
    pub raft_id: RaftId,
    /// The group's epoch.
    pub epoch: u64,
    /// A release with credentials formed the group.
    pub guarded: bool,
}

/// Asks every peer, again and again, until the primary has taken this node in.
pub async fn ask_to_join(config: &PeersConfig, directory: Arc<DataDir>) -> Admission {
    let own = Arc::new(Own::new(config.own.clone(), directory));
    let dialers: Vec<Dialer> = config.peers.iter().map(|peer| Dialer::of(config, peer, &own)).collect();
    let token = rand::random_range(1..=u64::MAX);
    let mut waiting = Waiting::since(Instant::now());
    loop {
        let answers = dialers.iter().map(|dialer| ask(dialer, &config.own.name, token));
        let answers = futures::future::join_all(answers).await;
        let given = answers.iter().flatten().filter(|reply| is_admission(reply, &config.own));
        if let Some(reply) = given.max_by_key(|reply| reply.epoch) {
            return Admission { raft_id: reply.id, epoch: reply.epoch, guarded: reply.guarded };
        }
        let why = reasons(&dialers, &answers);
        match waiting.line(&why, Instant::now()) {
            Some(false) => tracing::info!(
                answers = why,
                "this node has no log (an empty directory without --bootstrap, or a log that was given up): it waits for the group to \
                 take this node in"
            ),
            Some(true) => tracing::warn!(
                answers = why,
                "the group has not taken this node in yet; to form a new group, start all its nodes with --bootstrap"
            ),
            None => {}
        }
        tokio::time::sleep(ASK_INTERVAL).await;
    }
}

/// The log lines about the wait.
#[derive(Debug)]
struct Waiting {
    began: Instant,
    begun: bool,
    repeats: Repeats,
}

impl Waiting {
    fn since(began: Instant) -> Self {
        Self { began, begun: false, repeats: Repeats::default() }
    }

    /// The log line for these answers, and whether as a warning: one at the beginning, then one for each reason that lasts.
    fn line(&mut self, why: &str, now: Instant) -> Option<bool> {
        if !std::mem::replace(&mut self.begun, true) {
            return Some(false);
        }
        let lasts = now.saturating_duration_since(self.began) >= PATIENCE;
        (lasts && self.repeats.is_news(why, now)).then_some(true)
    }
}

/// An id of this node, in an epoch that this node may join.
fn is_admission(reply: &JoinReply, own: &PeerSelf) -> bool {
    let of_this_node = bounds::is_id(reply.id) && number(reply.id) == number(own.raft_id);
    of_this_node && (own.epoch..=bounds::EPOCH_MAX).contains(&reply.epoch)
}

async fn ask(dialer: &Dialer, node: &str, token: u64) -> Result<JoinReply, String> {
    let (channel, _) = dialer.dial_any_epoch().await.map_err(|error| error.to_string())?;
    let request = JoinRequest { head: Some(dialer.head()), node: node.to_owned(), token };
    let mut client = dial::client(channel);
    match tokio::time::timeout(ANSWER_TIMEOUT, client.join(request)).await {
        Ok(Ok(reply)) => Ok(reply.into_inner()),
        Ok(Err(status)) => Err(shown(status.message())),
        Err(_) => Err("no answer in time".to_owned()),
    }
}

fn reasons(dialers: &[Dialer], answers: &[Result<JoinReply, String>]) -> String {
    let why = |answer: &Result<JoinReply, String>| match answer {
        Ok(reply) => shown(&reply.reason),
        Err(reason) => reason.clone(),
    };
    let lines = dialers.iter().zip(answers).map(|(dialer, answer)| format!("{} ({})", dialer.peer.name, why(answer)));
    lines.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_to_join_is_a_warning_once_for_each_reason_and_again_after_a_minute() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut waiting = Waiting::since(start);
        assert_eq!(waiting.line("no primary", at(0)), Some(false));
        let lines: Vec<u64> = (1..60).filter(|second| waiting.line("no primary", at(*second)).is_some()).collect();
        assert_eq!(lines, [5]);
        assert_eq!(waiting.line("b is down", at(61)), Some(true));
        assert_eq!(waiting.line("b is down", at(120)), None);
        assert_eq!(waiting.line("b is down", at(121)), Some(true));
    }
}
