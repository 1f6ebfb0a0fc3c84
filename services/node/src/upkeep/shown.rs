//! The configuration in use, and its difference to the sources as they are now.
//!
//! Never takes a value into use. The answer has no secret: [`node_config`] masks them. Called by the control API.

use std::path::PathBuf;

use chassis::config::Value;
use node_config::{Config, Counts, MemberRole, ShownKey};

use super::reload::{Reload, read};

/// The section that each HTTP Proxy takes at its start.
const PROXY: &str = "http_proxy.";
/// The key that counts with the reload that reads it.
const LOG_LEVELS: &str = "logging.filter";

/// The orders that take a value into use.
const RELOAD: &str = "reload";
const PROXY_RESTART: &str = "proxy restart";
const RESTART: &str = "restart";

/// The configuration of a running node, without secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownConfig {
    /// This node is a witness.
    pub witness: bool,
    /// The file; none: environment and command line have all keys.
    pub file: Option<PathBuf>,
    /// The keys in use, in order.
    pub keys: Vec<ShownKey>,
    /// The keys that another reading would change, in order.
    pub pending: Vec<Pending>,
    /// Faults of another reading, a line each; with one, nothing is pending.
    pub faults: Vec<String>,
}

/// A key whose next value is not in use yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// As in `limits.hold_time_ms`.
    pub key: String,
    /// The value in use; none: the key has none.
    pub in_use: Option<Value>,
    /// The value of another reading; none: the key has none.
    pub next: Option<Value>,
    /// The orders that take the next value into use, in their order.
    pub needs: Vec<&'static str>,
}

impl Reload {
    /// Reads the sources anew, and compares.
    pub(super) async fn shown(&self) -> ShownConfig {
        let in_use = self.in_use();
        let (pending, faults) = match read(self.args.clone(), self.taken.clone()).await {
            Ok(now) => (self.pending(&in_use, &now), Vec::new()),
            Err(faults) => (Vec::new(), faults),
        };
        ShownConfig {
            witness: in_use.member().is_some_and(|member| member.role == MemberRole::Witness),
            file: self.args.config.clone(),
            keys: self.keys(&in_use),
            pending,
            faults,
        }
    }

    /// The configuration of the start, with the sections that later readings have changed.
    fn in_use(&self) -> Config {
        let mut config = self.started.clone();
        config.http_proxy = self.of_proxy().http_proxy.clone();
        config.logging.filter.clone_from(&self.taken.logging.filter);
        config
    }

    /// The keys in use, each with the source that its reading found.
    fn keys(&self, in_use: &Config) -> Vec<ShownKey> {
        let mut keys = in_use.shown();
        for shown in &mut keys {
            let reading = match shown.key.as_str() {
                LOG_LEVELS => &self.taken,
                key if key.starts_with(PROXY) => self.of_proxy(),
                _ => &self.started,
            };
            shown.source = reading.sources.of_key(&shown.key);
        }
        keys
    }

    fn pending(&self, in_use: &Config, now: &Config) -> Vec<Pending> {
        let (mut before, mut after) = (in_use.shown_values(), now.shown_values());
        let read_already = |key: &str| !self.taken.changed(now).iter().any(|changed| changed.key == key);
        let pending = in_use.changed(now).into_iter().map(|changed| Pending {
            needs: match changed.counts {
                Counts::Now => vec![RELOAD],
                Counts::NextProxy if read_already(&changed.key) => vec![PROXY_RESTART],
                Counts::NextProxy => vec![RELOAD, PROXY_RESTART],
                Counts::Restart => vec![RESTART],
            },
            in_use: before.remove(&changed.key).flatten(),
            next: after.remove(&changed.key).flatten(),
            key: changed.key,
        });
        pending.collect()
    }
}
