//! Raises the group's versions once every node runs a release that knows them (R13 versions-are-replicated): by itself after ten
//! minutes, or, where `cluster.upgrade` is "manual", on an operator's order. Until then the older release can be put back.

use std::{sync::Arc, time::Duration};

use outbound::{Body, RaiseRules, Setting};
use pair::Door;
use records::nearest_setting;
use tokio::time::Instant;

use super::{Duty, decide};
use crate::{role::RoleService, versions};

/// After all nodes have run the new release for so long, the older release is not expected back.
const SETTLED: Duration = Duration::from_secs(600);
/// Interval of the check of the releases, and pause between two attempts to raise the rules.
const LOOK: Duration = Duration::from_secs(1);
/// Interval of the check whether the rules are to be raised.
const LOOK_AT_RULES: Duration = Duration::from_millis(200);
/// Formats below which no rules version is raised.
const FORMATS_OF_RULES: u32 = 2;

/// Raises the versions once every node has run this release for ten minutes. Assigned where `cluster.upgrade` is "auto".
pub(crate) struct Formats {
    role: RoleService,
    /// The term in which this node saw every node on this release, and since when. A role that is unconfirmed for a moment, as
    /// under load, costs none of the ten minutes.
    since: Option<(u64, Instant)>,
}

impl Formats {
    pub(crate) fn new(role: RoleService) -> Self {
        Self { role, since: None }
    }
}

impl Duty for Formats {
    const NAME: &'static str = "upgrade";

    async fn perform(&mut self) {
        loop {
            tokio::time::sleep(LOOK).await;
            let status = self.role.status();
            if versions::is_newest(&status) || !versions::holding_up(&status, self.role.roster()).is_empty() {
                self.since = None;
                continue;
            }
            let settled = is_settled(&mut self.since, status.term, Instant::now());
            if settled && self.role.group().raise(versions::NEWEST).await.is_ok() {
                let (formats, rules) = (versions::NEWEST.formats, versions::NEWEST.rules);
                tracing::info!(
                    formats,
                    rules,
                    "every node has run this release for ten minutes: the group's versions are raised"
                );
            }
        }
    }
}

/// Whether ten minutes of this term have passed since the first look at which every node ran this release.
fn is_settled(since: &mut Option<(u64, Instant)>, term: u64, now: Instant) -> bool {
    let of_term = since.filter(|(begun_in, _)| *begun_in == term);
    let (_, begun) = *since.insert(of_term.unwrap_or((term, now)));
    now - begun >= SETTLED
}

/// Proposes the raise of the rules, once the membership says that every data node knows them and the formats that they need are
/// raised.
pub(crate) struct Rules {
    /// The role, and the group behind it.
    pub(crate) role: RoleService,
    /// Where the raise is decided.
    pub(crate) api: Arc<Door>,
    /// The options in this node's file.
    pub(crate) file: node_config::Rules,
}

impl Duty for Rules {
    const NAME: &'static str = "rules version";

    /// Ends when the state has the newest version that this release decides.
    async fn perform(&mut self) {
        while self.api.engine().state().rules_version() < versions::NEWEST.rules {
            let status = self.role.status();
            let (decides, wanted) =
                (self.api.engine().state().rules_version(), status.rules_wanted.min(versions::NEWEST.rules));
            if status.formats < FORMATS_OF_RULES || wanted <= decides {
                tokio::time::sleep(LOOK_AT_RULES).await;
                continue;
            }
            if let Err(refusal) = decide(&self.api, raise(&self.file, wanted)).await {
                tracing::warn!("the rules version is not raised to {wanted} yet: {}", refusal.message);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// The command that raises the group's rules version. The options in this node's file become the first settings.
fn raise(file: &node_config::Rules, to: u32) -> Body {
    let release = env!("CARGO_PKG_VERSION").to_owned();
    Body::RaiseRules(RaiseRules { to, settings: first_settings(file), release })
}

/// An earlier release did not check an option's value: in place of an invalid value the nearest valid value counts.
fn first_settings(file: &node_config::Rules) -> Vec<Setting> {
    let setting = |(key, given): (&'static str, u64)| {
        let value = nearest_setting(key, given);
        if value != given {
            tracing::warn!(
                key,
                file = given,
                group = value,
                "the file's value is out of range: the nearest one counts"
            );
        }
        Setting { key: key.to_owned(), value: value.to_string() }
    };
    file.given().into_iter().map(setting).collect()
}

#[cfg(test)]
mod tests {
    use records::Settings;

    use super::*;

    #[test]
    fn ten_minutes_of_one_term_settle_a_release_however_often_the_duty_began() {
        let (begun, mut since) = (Instant::now(), None);
        let at = |seconds| begun + Duration::from_secs(seconds);
        for (term, seconds, settled) in
            [(3, 0, false), (3, 599, false), (3, 600, true), (4, 601, false), (4, 1201, true)]
        {
            assert_eq!(is_settled(&mut since, term, at(seconds)), settled, "term {term}, second {seconds}");
        }
    }

    #[test]
    fn what_the_file_names_becomes_the_first_settings_within_their_ranges() {
        let file = node_config::Rules {
            replay_window_ms: Some(0),
            idempotency_hours: Some(u64::MAX),
            ..node_config::Rules::default()
        };
        let Body::RaiseRules(raised) = raise(&file, 2) else { panic!("a raise") };
        let settings = Settings::first(2, &raised.release, &raised.settings).unwrap();
        assert_eq!(raised.settings.len(), 2);
        assert_eq!(settings.value("replay_window_ms"), Some("0"));
        assert_eq!(settings.value("idempotency_hours"), Some("1000000000"));
        assert_eq!(
            settings.value("records_per_request_max"),
            Some("1000"),
            "the default of the settings, not the file's"
        );
    }
}
