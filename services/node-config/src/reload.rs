//! A configuration that is read while the node runs: which of its keys differ, and from when each counts.
//!
//! Never takes a key into use: the node does. Called by the node's reload.

use chassis::config::changed_keys;

use super::{Config, Problem};

/// The section of HTTP Proxy.
const PROXY: &str = "http_proxy.";
/// The key of HTTP Proxy's port.
/// The keys that open and close ports.
const PROXY_PORTS: [&str; 2] = ["http_proxy.listen", "http_proxy.listeners"];
/// The levels of the log.
const LOG_LEVELS: &str = "logging.filter";

/// The moment from which a changed key counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counts {
    /// At once.
    Now,
    /// With the next start of HTTP Proxy.
    NextProxy,
    /// With the next start of the node.
    Restart,
}

impl Counts {
    /// When, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Now => "counts now",
            Self::NextProxy => "counts for the next HTTP Proxy (`ocsctl proxy restart`)",
            Self::Restart => "needs a restart of this node",
        }
    }
}

/// A key whose value has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The key, as in `limits.hold_time_ms`.
    pub key: String,
    /// From when its value counts.
    pub counts: Counts,
}

impl Config {
    /// The keys in which `now` differs from this configuration, in order. A witness has no HTTP Proxy and ignores its section.
    pub fn changed(&self, now: &Self) -> Vec<Changed> {
        let witness = self.member().is_some_and(|member| member.role == super::MemberRole::Witness);
        let keys = changed_keys(self, now).into_iter().filter(|key| !(witness && key.starts_with(PROXY)));
        keys.map(|key| Changed { counts: self.counts(now, &key), key }).collect()
    }

    fn counts(&self, now: &Self, key: &str) -> Counts {
        let appears_or_goes = self.http_proxy.is_off() != now.http_proxy.is_off();
        match key {
            LOG_LEVELS => Counts::Now,
            key if appears_or_goes && PROXY_PORTS.iter().any(|port| key.starts_with(port)) => Counts::Now,
            key if key.starts_with(PROXY) => Counts::NextProxy,
            _ => Counts::Restart,
        }
    }

    /// Whether a running node may take this configuration in place of `before`: the values, and the files that the next HTTP Proxy
    /// reads where its section has changed. The other certificates are reloaded by themselves, and judged there.
    ///
    /// # Errors
    /// Every problem found.
    pub fn check_to_reload(&self, before: &Self) -> Result<(), Vec<Problem>> {
        self.check_values()?;
        if self.http_proxy == before.http_proxy {
            return Ok(());
        }
        let all = self.check().err().unwrap_or_default();
        let mut of_proxy: Vec<Problem> = all.into_iter().filter(|problem| problem.key.starts_with(PROXY)).collect();
        of_proxy.extend(self.default_port_instead(before));
        if of_proxy.is_empty() { Ok(()) } else { Err(of_proxy) }
    }
}

impl Config {
    /// Ports were removed, and the default port would open in their place.
    fn default_port_instead(&self, before: &Self) -> Option<Problem> {
        let had_list = !before.http_proxy.listeners.is_empty();
        let default = super::ProxySettings::default().listen;
        let opens = self.http_proxy.listeners.is_empty() && self.http_proxy.listen == default;
        let message = format!(
            "are removed, and http_proxy.listen, {default}, would open in their place: write listen = \"\" to end HTTP Proxy, or \
             another address"
        );
        (had_list && opens).then(|| Problem { key: "http_proxy.listeners".to_owned(), message, passes: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::good;

    fn changed(change: impl FnOnce(&mut Config)) -> Vec<(String, Counts)> {
        let (before, mut now) = (good(), good());
        change(&mut now);
        before.changed(&now).into_iter().map(|changed| (changed.key, changed.counts)).collect()
    }

    #[test]
    fn listeners_that_are_removed_open_no_default_port_in_their_place() {
        let (mut before, mut now) = (good(), good());
        let port = crate::HttpPort { listen: "127.0.0.1:8443".into(), ..before.http_proxy.ports()[0].1.clone() };
        (before.http_proxy.listen, before.http_proxy.listeners) = (String::new(), vec![port]);
        now.http_proxy.listen = crate::ProxySettings::default().listen;
        let problems = now.check_to_reload(&before).unwrap_err();
        assert!(problems.iter().any(|problem| problem.message.contains("would open in their place")), "{problems:?}");
        now.http_proxy.listen.clear();
        assert_eq!(now.check_to_reload(&before), Ok(()));
    }

    #[test]
    fn each_key_counts_when_its_part_can_take_it() {
        let one = |key: &str, counts| vec![(key.to_owned(), counts)];
        assert_eq!(changed(|_| ()), []);
        assert_eq!(changed(|now| now.logging.filter = "debug".into()), one("logging.filter", Counts::Now));
        assert_eq!(
            changed(|now| now.http_proxy.listen = "127.0.0.1:8090".into()),
            one("http_proxy.listen", Counts::NextProxy)
        );
        assert_eq!(changed(|now| now.http_proxy.listen.clear()), one("http_proxy.listen", Counts::Now));
        assert_eq!(
            changed(|now| now.http_proxy.reconnect_timeout_ms = 500),
            one("http_proxy.reconnect_timeout_ms", Counts::NextProxy)
        );
        assert_eq!(changed(|now| now.limits.hold_time_ms = 1), one("limits.hold_time_ms", Counts::Restart));
        assert_eq!(changed(|now| drop(now.cluster.nodes.pop())), one("cluster.nodes", Counts::Restart));
        let both = changed(|now| {
            now.admin.listen.set_port(9999);
            now.http_proxy.encoding = "windows-1252".into();
        });
        assert_eq!(
            both,
            [("admin.listen".to_owned(), Counts::Restart), ("http_proxy.encoding".to_owned(), Counts::NextProxy)]
        );
    }

    #[test]
    fn a_port_that_appears_counts_now_and_a_witness_ignores_the_section() {
        let (mut before, now) = (good(), good());
        before.http_proxy.listen.clear();
        assert_eq!(before.changed(&now)[0].counts, Counts::Now);
        before.node.name = "w".into();
        let mut now = before.clone();
        now.http_proxy.listen = "127.0.0.1:8099".into();
        assert_eq!(before.changed(&now), []);
    }

    #[test]
    fn a_fault_of_the_values_or_of_a_changed_http_proxy_is_named_and_no_other_file_is_looked_at() {
        let (before, mut now) = (good(), good());
        let none = std::path::PathBuf::from("/nowhere/a.pem");
        now.peer.tls = Some(chassis::tls::TlsFiles { ca: none.clone(), certificate: none.clone(), key: none.clone() });
        assert_eq!(now.check_to_reload(&before), Ok(()));
        now.http_proxy.program = Some(none);
        let said = now.check_to_reload(&before).unwrap_err();
        assert_eq!((said.len(), said[0].key.as_str()), (1, "http_proxy.program"));
        now.limits.deadline_ms = 0;
        assert!(now.check_to_reload(&before).unwrap_err().iter().any(|problem| problem.key == "limits.deadline_ms"));
    }
}
