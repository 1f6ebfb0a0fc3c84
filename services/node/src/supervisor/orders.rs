//! Orders of an operator to HTTP Proxy: other settings, another HTTP Proxy, none while the node is drained.
//!
//! Never decides when: [`crate::restart`] does. Called by `upkeep`.

use std::time::Duration;

use node_config::ProxySettings;
use tokio::sync::{mpsc, watch};

use super::{DISABLED, DRAINED, FAILED, LISTENING, ProxyStatus};

/// Orders that wait for the supervisor.
pub(super) const ORDERS_MAX: usize = 8;

/// One order.
#[derive(Debug)]
pub(super) enum Order {
    /// The settings and the log levels of the next HTTP Proxy; the levels count for the running one, too.
    Settings(Box<ProxySettings>, String),
    /// Another HTTP Proxy in place of the running one.
    Restart,
    /// No HTTP Proxy, until the opposite order.
    Drained(bool),
}

/// Gives orders to the supervisor. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ProxyControl {
    orders: mpsc::Sender<Order>,
    status: watch::Receiver<ProxyStatus>,
}

impl ProxyControl {
    pub(super) fn new(orders: mpsc::Sender<Order>, status: watch::Receiver<ProxyStatus>) -> Self {
        Self { orders, status }
    }

    /// The settings of the next HTTP Proxy. A port that is gone ends the running one, a port that was not there before starts one.
    pub async fn set(&self, settings: ProxySettings, log_filter: &str) {
        self.give(Order::Settings(Box::new(settings), log_filter.to_owned())).await;
    }

    /// The number of the start of the HTTP Proxy that runs; none: none runs.
    pub fn running_start(&self) -> Option<u64> {
        let status = self.status.borrow();
        status.pid.map(|_| status.starts)
    }

    /// Has the running HTTP Proxy replaced, and waits until another HTTP Proxy listens; `limit` bounds the wait.
    ///
    /// # Errors
    /// The reason why none listens.
    pub async fn restart(&self, limit: Duration) -> Result<ProxyStatus, String> {
        let before = self.status.borrow().clone();
        match before.state.as_str() {
            DISABLED => return Err("this node has no HTTP Proxy: http_proxy.listen is empty".to_owned()),
            DRAINED => return Err("this node is drained: `ocsctl drain --undo` starts its HTTP Proxy".to_owned()),
            _ => {}
        }
        self.give(Order::Restart).await;
        let settled = |status: &ProxyStatus| {
            let another = status.starts > before.starts;
            (another && (status.state == LISTENING || status.state.starts_with(FAILED))) || is_without(status)
        };
        let now = self.wait(limit, settled).await?;
        if now.state == LISTENING { Ok(now) } else { Err(format!("the HTTP front end is {}", now.state)) }
    }

    /// Ends HTTP Proxy once its requests in flight are finished, and returns at its end; `limit` bounds the wait.
    ///
    /// # Errors
    /// HTTP Proxy has not ended in time, and will.
    pub async fn drain(&self, limit: Duration) -> Result<(), String> {
        self.give(Order::Drained(true)).await;
        self.wait(limit, is_without).await.map(drop)
    }

    /// Takes [`ProxyControl::drain`] back.
    pub async fn undo_drain(&self) {
        self.give(Order::Drained(false)).await;
    }

    async fn give(&self, order: Order) {
        let _ = self.orders.send(order).await; // the node stops, and HTTP Proxy with it
    }

    async fn wait(&self, limit: Duration, settled: impl Fn(&ProxyStatus) -> bool) -> Result<ProxyStatus, String> {
        let mut status = self.status.clone();
        match tokio::time::timeout(limit, status.wait_for(settled)).await {
            Ok(Ok(status)) => Ok(status.clone()),
            Ok(Err(_)) => Err("the node stops".to_owned()),
            Err(_) => {
                let state = self.status.borrow().state.clone();
                Err(format!("the HTTP front end is {state} after {} s", limit.as_secs()))
            }
        }
    }
}

/// Whether there is no HTTP Proxy, and none will come by itself.
fn is_without(status: &ProxyStatus) -> bool {
    matches!(status.state.as_str(), DISABLED | DRAINED | "stopped")
}
