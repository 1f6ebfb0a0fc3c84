//! Options of the rules.

use crate::{Double, ocsctl};

#[tokio::test]
async fn settings_are_shown_and_set_and_what_changed_is_said() {
    let double = Double::start().await;
    let shown = ocsctl(&double, &["settings", "show", "-o", "json"]).await.json();
    assert_eq!((&shown["rules_version"], &shown["replicated"]), (&2.into(), &true.into()));
    assert_eq!(shown["settings"][0]["value"], "5000");
    let set = ocsctl(&double, &["settings", "set", "replay_window_ms=0"]).await;
    assert_eq!((set.code, set.out.trim()), (0, "replay_window_ms: 0 (was 5000)"));
    let set = ocsctl(&double, &["settings", "set", "replay_window_ms=7", "-o", "json"]).await.json();
    assert_eq!(set["changed"][0], serde_json::json!({"key": "replay_window_ms", "from": "0", "to": "7"}));
}

#[tokio::test]
async fn what_is_no_option_is_exit_code_1_and_what_is_no_pair_is_wrong_usage() {
    let double = Double::start().await;
    let ran = ocsctl(&double, &["settings", "set", "no_such_option=1"]).await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("no_such_option is no option of the rules"), "{}", ran.err);
    for words in [&["settings", "set", "replay_window_ms"][..], &["settings", "set", "=1"], &["settings", "set"]] {
        assert_eq!(ocsctl(&double, words).await.code, 2, "{words:?}");
    }
    let told = ocsctl(&double, &["settings", "set"]).await.err;
    assert!(told.contains("Usage: ocsctl settings set [OPTIONS] <KEY=VALUE>..."), "{told}");
}
