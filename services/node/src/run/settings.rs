//! The options of the rules between this node's file and the state: first settings for a group without any, and warnings about
//! options whose values differ.
//!
//! Never decides: an option counts as the state has it, from rules version 2 on. Called by `run`.

use std::sync::Arc;

use chassis::tasks::Tasks;
use outbound::{Body, RaiseRules, Setting};
use records::{Settings, nearest_setting};
use tokio::sync::watch;

use super::spawn_quiet;
use crate::config;

/// The command that raises the group's rules version. The options in this node's file become the first settings.
pub(super) fn raise(file: &config::Rules, to: u32) -> Body {
    let release = env!("CARGO_PKG_VERSION").to_owned();
    Body::RaiseRules(RaiseRules { to, settings: first_settings(file), release })
}

/// An earlier release did not check an option's value: in place of an invalid value the nearest valid value counts.
fn first_settings(file: &config::Rules) -> Vec<Setting> {
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

/// Logs, once settings stand in the state, which of them this node's file contradicts.
pub(super) fn compare(file: &config::Rules, mut settings: watch::Receiver<Option<Arc<Settings>>>, tasks: &Tasks) {
    let (given, stopping) = (file.given(), tasks.stopping());
    spawn_quiet(tasks, "settings", async move {
        let stand = tokio::select! {
            stand = settings.wait_for(Option::is_some) => stand.ok().and_then(|stand| (*stand).clone()),
            () = stopping.cancelled() => None,
        };
        let Some(stand) = stand else { return };
        for (key, file, group) in contradictions(&given, &stand) {
            tracing::warn!(
                "the file says rules.{key} = {file}, the group decides by {group}: the file is ignored; \
                 `ocsctl settings set {key}=…` changes the group's"
            );
        }
    });
}

/// Key, the file's value, the group's value.
fn contradictions<'a>(given: &[(&'static str, u64)], settings: &'a Settings) -> Vec<(&'static str, u64, &'a str)> {
    let differs = |(key, file): &(&'static str, u64)| {
        let group = settings.value(key).filter(|group| **group != *file.to_string())?;
        Some((*key, *file, group))
    };
    given.iter().filter_map(differs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_file_names_becomes_the_first_settings_within_their_ranges() {
        let file =
            config::Rules { replay_window_ms: Some(0), idempotency_hours: Some(u64::MAX), ..config::Rules::default() };
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

    #[test]
    fn a_file_contradicts_the_settings_where_it_names_another_value_alone() {
        let settings = Settings::first(2, "", &[]).unwrap();
        let file = config::Rules { replay_window_ms: Some(0), idempotency_hours: Some(24), ..config::Rules::default() };
        assert_eq!(contradictions(&file.given(), &settings), [("replay_window_ms", 0, "5000")]);
    }
}
