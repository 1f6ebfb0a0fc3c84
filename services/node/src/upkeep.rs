//! Orders about the running process of this node: read the configuration anew, replace HTTP Proxy, drain.
//!
//! Never changes the group but by a handover, and never ends the process. An order that was begun is carried out, also where its
//! caller has gone. Called by the control API and on SIGHUP.

mod drain;
mod reload;
mod shown;
#[cfg(test)]
mod tests;

use std::{future::Future, sync::Arc, time::Duration};

use chassis::tasks::{AtEnd, Tasks};
use node_config::{Args, Config};
use tokio::sync::{Mutex, oneshot};

use crate::{
    health::Health,
    role::RoleService,
    supervisor::{ProxyControl, ProxyStatus},
};

use self::{drain::Drain, reload::Reload};

pub(crate) use drain::successors;
pub use reload::{Reloaded, Reloader};
pub use shown::{Pending, ShownConfig};

/// The answer where the node stops before an order is carried out.
const STOPS: &str = "the node stops";
/// Beyond the drain timeout: for the node's own kill of an HTTP Proxy that does not end, and for the start of another one.
const GRACE: Duration = Duration::from_secs(15);

/// The parts of the node that orders are about.
pub struct UpkeepParts {
    /// The command line, by which the configuration is found.
    pub args: Args,
    /// The configuration of this process.
    pub config: Config,
    /// The role, for the handover.
    pub role: RoleService,
    /// Readiness.
    pub health: Health,
    /// This node's HTTP Proxy; none on a witness.
    pub proxy: Option<ProxyControl>,
    /// Parts that read files anew: the certificates of every port join here.
    pub reloaders: Vec<Reloader>,
}

/// Takes orders about the process. Cheap to clone.
#[derive(Clone)]
pub struct Upkeep {
    inner: Arc<Inner>,
}

struct Inner {
    reload: Mutex<Reload>,
    /// A drain and a restart of HTTP Proxy come one after the other.
    drain: Mutex<Drain>,
    proxy: Option<ProxyControl>,
    drain_timeout: Duration,
    tasks: Tasks,
}

impl Upkeep {
    /// For a node whose parts run; `tasks` carry the orders out.
    pub fn new(parts: UpkeepParts, tasks: &Tasks) -> Self {
        let UpkeepParts { args, config, role, health, proxy, reloaders } = parts;
        let drain_timeout = Duration::from_millis(config.limits.drain_timeout_ms);
        let reload = Mutex::new(Reload::new(args, config, proxy.clone(), reloaders));
        let drain = Mutex::new(Drain { role, health, proxy: proxy.clone() });
        Self { inner: Arc::new(Inner { reload, drain, proxy, drain_timeout, tasks: tasks.clone() }) }
    }

    /// Reads the configuration anew, and logs every effect; `by` names the order, as in "SIGHUP".
    pub async fn reload(&self, by: &'static str) -> Reloaded {
        let inner = self.inner.clone();
        let reloading = async move {
            let reloaded = inner.reload.lock().await.run().await;
            reloaded.log(by);
            reloaded
        };
        let reloaded = self.carried_out(reloading).await;
        reloaded.unwrap_or_else(|| Reloaded { faults: vec![STOPS.to_owned()], changes: Vec::new() })
    }

    /// The configuration in use, and its difference to file, environment and command line as they are now. Changes nothing.
    pub async fn shown(&self) -> ShownConfig {
        self.inner.reload.lock().await.shown().await
    }

    /// Replaces HTTP Proxy by another HTTP Proxy with the present configuration, and waits until the new HTTP Proxy listens.
    ///
    /// # Errors
    /// The reason why none listens.
    pub async fn restart_proxy(&self) -> Result<ProxyStatus, String> {
        let Some(proxy) = self.inner.proxy.clone() else {
            return Err("this is a witness: it has no HTTP Proxy".to_owned());
        };
        let inner = self.inner.clone();
        let replacing = async move {
            let _alone = inner.drain.lock().await;
            proxy.restart(inner.drain_timeout + GRACE).await
        };
        self.carried_out(replacing).await.unwrap_or_else(|| Err(STOPS.to_owned()))
    }

    /// Takes this node out of service, the process stays: not ready, the role handed over, requests in flight finished. `by`: the
    /// caller, for the history.
    ///
    /// # Errors
    /// The reason why the node takes clients as before, or what of the drain is not done in time.
    pub async fn drain(&self, by: String) -> Result<(), String> {
        let inner = self.inner.clone();
        let draining = async move {
            let drain = inner.drain.lock().await;
            drain.begin(inner.drain_timeout + GRACE, &by).await
        };
        self.carried_out(draining).await.unwrap_or_else(|| Err(STOPS.to_owned()))
    }

    /// Takes [`Upkeep::drain`] back.
    ///
    /// # Errors
    /// A witness takes no clients.
    pub async fn undo_drain(&self, by: String) -> Result<(), String> {
        let inner = self.inner.clone();
        let undoing = async move {
            let drain = inner.drain.lock().await;
            drain.undo(&by).await
        };
        self.carried_out(undoing).await.unwrap_or_else(|| Err(STOPS.to_owned()))
    }

    /// The outcome of an order, which does not end with its caller; none: the node stops.
    async fn carried_out<T: Send + 'static>(&self, order: impl Future<Output = T> + Send + 'static) -> Option<T> {
        let (done, outcome) = oneshot::channel();
        self.inner.tasks.spawn("order", AtEnd::Quiet, async move {
            let _ = done.send(order.await); // the caller has gone
        });
        outcome.await.ok()
    }
}
