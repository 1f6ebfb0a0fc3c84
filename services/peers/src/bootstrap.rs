//! The gate before a group is formed (R11 one-id-one-log): a node that was a member before must not vote as a new one.

use std::time::Duration;

use consensus::Versions;
use ocs_proto::peer::HelloReply;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{DialError, PeerAddress, PeerSelf, Peers, text::shown};
use crate::versions;

const ASK_INTERVAL: Duration = Duration::from_millis(250);
const PROGRESS_INTERVAL: Duration = Duration::from_secs(5);

/// Why no group is formed with this node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BootstrapError {
    /// This node was a member before.
    #[error(
        "node \"{peer}\" has heard of this node before, but the data directory here is empty: with --bootstrap it could vote \
         twice in one term; start it without --bootstrap, and it joins the group under a new id"
    )]
    WasMember {
        /// The peer that remembers this node.
        peer: String,
    },
    /// The configuration mixes clusters.
    #[error(
        "at {address}, where \"{peer}\" should be, another cluster answers; correct cluster_id or the peer's address"
    )]
    ForeignCluster {
        /// The expected node.
        peer: String,
        /// Its address.
        address: String,
    },
    /// The configuration mixes addresses.
    #[error("at {address}, where \"{peer}\" should be, node \"{found}\" answers; correct the peer's name or address")]
    OtherNode {
        /// The expected node.
        peer: String,
        /// Its address.
        address: String,
        /// The answering node.
        found: String,
    },
    /// The node was told to stop while waiting.
    #[error("stopped before every node had answered; nothing was formed")]
    Stopped,
}

/// The conclusion from the answers of all peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Every node answered, and none has heard of this node: the node is new.
    Go,
    /// Some nodes have not answered.
    Wait(Missing),
}

/// The nodes that have not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Their names, as in "b, w".
    pub names: String,
    /// The same with addresses and reasons.
    pub reasons: String,
}

/// Decides from one round of greetings. A peer that is a member already is no obstacle: this node may be the last to form.
///
/// # Errors
/// [`BootstrapError`]: waiting would not help.
pub fn decide(
    own: &PeerSelf,
    answers: &[(PeerAddress, Result<HelloReply, DialError>)],
) -> Result<Step, BootstrapError> {
    let mut missing = Vec::new();
    for (peer, answer) in answers {
        match answer {
            Ok(reply) => check(own, peer, reply)?,
            Err(reason) => missing.push((peer.name.clone(), format!("{} at {} ({reason})", peer.name, peer.address))),
        }
    }
    if missing.is_empty() {
        return Ok(Step::Go);
    }
    let (names, reasons): (Vec<_>, Vec<_>) = missing.into_iter().unzip();
    Ok(Step::Wait(Missing { names: names.join(", "), reasons: reasons.join(", ") }))
}

fn check(own: &PeerSelf, peer: &PeerAddress, reply: &HelloReply) -> Result<(), BootstrapError> {
    let (name, address) = (peer.name.clone(), peer.address.clone());
    if reply.cluster != own.cluster[..] {
        return Err(BootstrapError::ForeignCluster { peer: name, address });
    }
    if reply.node != peer.name {
        return Err(BootstrapError::OtherNode { peer: name, address, found: shown(&reply.node) });
    }
    if reply.heard_of_you {
        return Err(BootstrapError::WasMember { peer: name });
    }
    Ok(())
}

/// The newest versions that this node and every answering node know: the group begins with them (R13 versions-are-replicated).
fn common_versions(answers: &[(PeerAddress, Result<HelloReply, DialError>)]) -> Versions {
    let told = answers.iter().filter_map(|(_, answer)| answer.as_ref().ok());
    told.fold(versions::NEWEST, |common, reply| Versions {
        formats: common.formats.min(reply.formats_max.max(1)),
        rules: common.rules.min(reply.rules_max.max(1)),
    })
}

/// Waits until every configured node has answered in one round. Meanwhile this node answers greetings itself, as not formed.
/// Afterwards the caller creates the log and then stamps the directory. `waits` hears of each round with missing answers.
///
/// # Errors
/// [`BootstrapError`], one clear line.
pub async fn bootstrap_gate(
    peers: &Peers,
    stopping: &CancellationToken,
    waits: impl Fn(&Missing),
) -> Result<Versions, BootstrapError> {
    let mut told: Option<Instant> = None;
    loop {
        let answers = tokio::select! {
            () = stopping.cancelled() => return Err(BootstrapError::Stopped),
            answers = peers.hello_all() => answers,
        };
        let Step::Wait(missing) = decide(peers.own(), &answers)? else { return Ok(common_versions(&answers)) };
        waits(&missing);
        if told.is_none_or(|told| told.elapsed() >= PROGRESS_INTERVAL) {
            tracing::info!("waiting for {}", missing.reasons);
            told = Some(Instant::now());
        }
        tokio::select! {
            () = stopping.cancelled() => return Err(BootstrapError::Stopped),
            () = tokio::time::sleep(ASK_INTERVAL) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> PeerSelf {
        PeerSelf { name: "a".into(), raft_id: 1, cluster: [7; 16], epoch: 1, start: [1; 16] }
    }

    fn peer(name: &str) -> PeerAddress {
        PeerAddress { name: name.into(), raft_id: 2, address: format!("{name}:7303"), witness: false }
    }

    fn reply(name: &str) -> HelloReply {
        HelloReply { cluster: vec![7; 16].into(), node: name.into(), epoch: 1, ..HelloReply::default() }
    }

    #[test]
    fn a_group_is_formed_when_all_have_answered() {
        let formed = HelloReply { formed: true, ..reply("w") };
        assert_eq!(decide(&own(), &[(peer("b"), Ok(reply("b"))), (peer("w"), Ok(formed))]), Ok(Step::Go));
        let waiting = decide(&own(), &[(peer("b"), Ok(reply("b"))), (peer("w"), Err(DialError::Refused))]);
        let missing = Missing { names: "w".into(), reasons: "w at w:7303 (connection refused)".into() };
        assert_eq!(waiting, Ok(Step::Wait(missing)));
    }

    #[test]
    fn a_former_member_is_turned_away_even_before_all_have_answered() {
        let heard = HelloReply { heard_of_you: true, ..reply("b") };
        let refused = decide(&own(), &[(peer("w"), Err(DialError::Refused)), (peer("b"), Ok(heard))]);
        assert_eq!(refused, Err(BootstrapError::WasMember { peer: "b".into() }));
    }

    #[test]
    fn crossed_addresses_and_clusters_are_named() {
        let foreign = HelloReply { cluster: vec![8; 16].into(), ..reply("b") };
        assert!(matches!(decide(&own(), &[(peer("b"), Ok(foreign))]), Err(BootstrapError::ForeignCluster { .. })));
        let crossed = decide(&own(), &[(peer("b"), Ok(reply("w")))]);
        assert!(matches!(crossed, Err(BootstrapError::OtherNode { found, .. }) if found == "w"));
    }
}
