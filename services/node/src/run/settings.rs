//! The options of the rules in this node's file beside those in the state: warnings about options whose values differ.
//!
//! Never decides: an option counts as the state has it, from rules version 2 on. Called by `run`.

use std::sync::Arc;

use chassis::tasks::Tasks;
use records::Settings;
use tokio::sync::watch;

use super::spawn_quiet;

/// Logs, once settings stand in the state, which of them this node's file contradicts.
pub(super) fn compare(file: &node_config::Rules, mut settings: watch::Receiver<Option<Arc<Settings>>>, tasks: &Tasks) {
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
    fn a_file_contradicts_the_settings_where_it_names_another_value_alone() {
        let settings = Settings::first(2, "", &[]).unwrap();
        let file = node_config::Rules {
            replay_window_ms: Some(0),
            idempotency_hours: Some(24),
            ..node_config::Rules::default()
        };
        assert_eq!(contradictions(&file.given(), &settings), [("replay_window_ms", 0, "5000")]);
    }
}
