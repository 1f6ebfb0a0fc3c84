//! `Reload`, `ProxyRestart` and `Drain`: orders about the process of this node, with its answer in words.
//!
//! Never decides an order: [`crate::upkeep`] does. Called by the control API.

use ocs_proto::control::{DrainReply, DrainRequest, ProxyRestartReply, ReloadReply};

use crate::upkeep::{Reloaded, Upkeep};

/// Reads the configuration anew.
pub(super) async fn reload(upkeep: &Upkeep, node: &str) -> ReloadReply {
    let Reloaded { faults, changes } = upkeep.reload("ocsctl reload").await;
    ReloadReply { node: node.to_owned(), done: faults.is_empty(), faults, changes }
}

/// Replaces HTTP Proxy.
pub(super) async fn restart_proxy(upkeep: &Upkeep, node: &str) -> ProxyRestartReply {
    let node = node.to_owned();
    match upkeep.restart_proxy().await {
        Ok(proxy) => ProxyRestartReply {
            done: true,
            reason: String::new(),
            node,
            http_address: proxy.address,
            http_proxy_pid: proxy.pid.map(|pid| pid.to_string()).unwrap_or_default(),
        },
        Err(reason) => ProxyRestartReply { reason, node, ..ProxyRestartReply::default() },
    }
}

/// Drains, or takes the drain back. `by`: the caller, for the history.
pub(super) async fn drain(upkeep: &Upkeep, node: &str, asked: DrainRequest, by: String) -> DrainReply {
    let outcome = if asked.undo { upkeep.undo_drain(by).await } else { upkeep.drain(by).await };
    DrainReply { done: outcome.is_ok(), reason: outcome.err().unwrap_or_default(), node: node.to_owned() }
}
