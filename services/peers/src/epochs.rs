//! Higher epochs that peers claim: each is proved by the claiming node's log before this node gives anything up.
//!
//! A damaged stamp, and any bytes in a greeting, can name a high epoch; the membership in a log cannot, without an operator's
//! order. Gives nothing up: a proved epoch goes to [`Own::believe_epoch`]. Called by `peers`, which runs [`prove`].

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use consensus::proof::{self, Unproven};
use ocs_proto::peer::{EpochProofReply, EpochProofRequest};
use tokio::time::timeout;
use tonic::Code;

use super::{
    dial::{self, DialError, Dialer},
    guard::Own,
};

/// Time limit of the answer of a peer that was reached.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Pause between two rounds: a peer that is not believed is greeted again and again, and claims again.
const PAUSE: Duration = Duration::from_millis(500);

/// Why a claim counts for nothing, at least for now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Doubt {
    #[error("{0}")]
    Unproven(Unproven),
    #[error("it is of an older version, which proves nothing, and this group has none of them any more")]
    Older,
    #[error("node \"{0}\" answers there")]
    OtherNode(String),
    #[error("it cannot be asked: {0}")]
    Unreachable(String),
}

/// Proves claims, one round after the other. Never ends by itself.
pub(super) async fn prove(own: Arc<Own>, dialers: HashMap<u16, Arc<Dialer>>) {
    let mut told: BTreeMap<String, (u64, Doubt)> = BTreeMap::new();
    loop {
        for (from, claimed) in own.claims().next().await {
            let Some(dialer) = dialers.values().find(|dialer| dialer.peer.name == from) else { continue };
            match proved(dialer, &own, claimed).await {
                Ok(epoch) => own.believe_epoch(epoch, &from),
                Err(doubt) => {
                    let news = (claimed, doubt);
                    if told.get(&from) != Some(&news) {
                        let (ours, doubt) = (own.node.epoch, &news.1);
                        if matches!(doubt, Doubt::Unreachable(_)) {
                            tracing::warn!(
                                from,
                                claimed,
                                ours,
                                "a higher epoch is claimed and not proved yet: {doubt}"
                            );
                        } else {
                            tracing::error!(from, claimed, ours, "a higher epoch is claimed and not believed: {doubt}");
                        }
                        told.insert(from, news);
                    }
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The epoch that the claiming node's log proves. An older version cannot prove its epoch: the claim is believed until the
/// group's formats are raised.
async fn proved(dialer: &Dialer, own: &Own, claimed: u64) -> Result<u64, Doubt> {
    match ask(dialer, own).await? {
        Some(shown) => proof::check(&shown, own.node.epoch).map_err(Doubt::Unproven),
        None if own.raised() => Err(Doubt::Older),
        None => Ok(claimed),
    }
}

/// The evidence in a peer's log; none: the peer's version does not know the question.
async fn ask(dialer: &Dialer, own: &Own) -> Result<Option<EpochProofReply>, Doubt> {
    let unreachable = |error: DialError| Doubt::Unreachable(error.to_string());
    let (channel, _) = dialer.dial_any_epoch().await.map_err(unreachable)?;
    let request = EpochProofRequest { head: Some(own.head()), node: own.node.name.clone() };
    match timeout(ANSWER_TIMEOUT, dial::client(channel).epoch_proof(request)).await {
        Ok(Ok(reply)) => {
            let shown = reply.into_inner();
            if shown.node == dialer.peer.name && shown.cluster == own.node.cluster[..] {
                Ok(Some(shown))
            } else {
                Err(Doubt::OtherNode(shown.node))
            }
        }
        Ok(Err(status)) if status.code() == Code::Unimplemented => Ok(None),
        Ok(Err(status)) => Err(Doubt::Unreachable(status.message().to_owned())),
        Err(_) => Err(Doubt::Unreachable(DialError::Slow(ANSWER_TIMEOUT).to_string())),
    }
}
