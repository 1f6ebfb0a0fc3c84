//! The drain of a node whose process stays: balancers leave it, the role moves, requests in flight finish.
//!
//! The order of a stop: not ready and `Connection: close` at once, then the handover, and only then the end of HTTP Proxy. Never
//! drains a primary that cannot hand over. The drain ends with the process, or by the opposite order.

use std::time::Duration;

use consensus::{Kind, PeerStatus};

use crate::{health::Health, role::RoleService, supervisor::ProxyControl};

/// Most time that one candidate for the role gets.
const HANDOVER_TIMEOUT: Duration = Duration::from_secs(3);

/// The parts that a drain is about.
pub(super) struct Drain {
    pub(super) role: RoleService,
    pub(super) health: Health,
    pub(super) proxy: Option<ProxyControl>,
}

impl Drain {
    /// Drains; `limit` bounds the wait for the end of HTTP Proxy. `by`: the caller, for the history.
    pub(super) async fn begin(&self, limit: Duration, by: &str) -> Result<(), String> {
        let proxy = self.proxy()?;
        if *self.health.draining().borrow() {
            return Ok(()); // by an earlier order
        }
        self.mark(true);
        if let Err(why) = self.hand_over(by).await {
            self.mark(false);
            tracing::warn!("this node is not drained: {why}");
            return Err(why);
        }
        proxy.drain(limit).await?;
        tracing::warn!(by, "this node is drained: it takes no clients until `ocsctl drain --undo`, or its next start");
        Ok(())
    }

    /// Takes clients again.
    pub(super) async fn undo(&self, by: &str) -> Result<(), String> {
        self.proxy()?.undo_drain().await;
        self.mark(false);
        tracing::info!(by, "the drain of this node is over: it takes clients");
        Ok(())
    }

    /// Balancers see it by `/readyz`, and the peers by this node's frames: no operator hands the role here meanwhile.
    fn mark(&self, drained: bool) {
        if drained {
            self.health.drain()
        } else {
            self.health.undo_drain()
        }
        self.role.group().set_drained(drained);
    }

    fn proxy(&self) -> Result<&ProxyControl, String> {
        self.proxy.as_ref().ok_or_else(|| "this is a witness: it takes no clients".to_owned())
    }

    /// Tries the other data nodes in turn, those that are drained last.
    async fn hand_over(&self, by: &str) -> Result<(), String> {
        let status = self.role.status();
        if !status.serving {
            return Ok(());
        }
        if status.paused_for != 0 {
            return Err("this node is primary, and automatic failover is paused: `ocsctl switchover` first".to_owned());
        }
        let (mut why, reason) = (Vec::new(), format!("handover before a drain by {by}"));
        for target in successors(&status.peers) {
            let transfer = self.role.group().transfer(target.id, &reason);
            let name = self.role.roster().name_of(target.id);
            match tokio::time::timeout(HANDOVER_TIMEOUT, transfer).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(refusal)) => why.push(format!("{name}: {refusal}")),
                Err(_) => why.push(format!("{name}: not in time")),
            }
        }
        Err(format!("this node is primary, and no other node took over ({})", why.join("; ")))
    }
}

/// The data nodes that may take the role over, those that take clients first.
pub(crate) fn successors(peers: &[PeerStatus]) -> Vec<&PeerStatus> {
    let mut data: Vec<&PeerStatus> = peers.iter().filter(|peer| peer.kind == Kind::Data).collect();
    data.sort_by_key(|peer| peer.drained);
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use pair::fakes::{A, status};

    #[test]
    fn the_role_goes_to_a_node_that_takes_clients_first_and_to_a_witness_never() {
        let mut peers = status(3, A).peers;
        let (mut drained, witness) = (peers[0].clone(), peers[1].id);
        (drained.id, drained.drained) = (7, true);
        peers.insert(0, drained);
        let order: Vec<_> = successors(&peers).iter().map(|peer| peer.id).collect();
        assert_eq!(order, [peers[1].id, 7]);
        assert!(!order.contains(&witness));
    }
}
