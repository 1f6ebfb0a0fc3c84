//! `bench`: a small bounded load, and the lists that are left alone.

use std::collections::BTreeSet;

use ocs_proto::{
    control::GroupInfo,
    outbound::{CampaignList, CampaignLists, DeclaredCampaign},
};

use crate::{Double, nobody, ocsctl};

const SMALL: [&str; 5] = ["--clients", "2", "--seconds", "1", "--json"];

/// A list with so many records, under the name of a campaign.
fn campaign(double: &Double, records: u32) {
    let row = |id: u32| [id.to_string(), format!("+{id}"), (id + 100).to_string()];
    let mut state = double.state();
    state.lists.insert("demo".to_owned(), (1..=records).map(row).collect());
    let lists = CampaignLists { lists: vec![CampaignList { list: "demo".to_owned(), weight: None }] };
    let campaign = DeclaredCampaign { name: "sales".to_owned(), lists: Some(lists), ..DeclaredCampaign::default() };
    state.declared.campaigns = vec![campaign];
    state.groups = vec![GroupInfo {
        dbid: 101,
        name: "sales@team".to_owned(),
        campaign: "sales".to_owned(),
        state: "Running".to_owned(),
        ..GroupInfo::default()
    }];
}

#[tokio::test]
async fn a_list_is_made_loaded_and_deleted_and_each_request_has_a_key_of_its_own() {
    let double = Double::start().await;
    let ran = ocsctl(&double, &[&["bench", "--create-list", "--records", "50"][..], &SMALL].concat()).await;
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let json = ran.json();
    assert_eq!((json["what"].as_str(), json["errors"].as_u64()), (Some("update"), Some(0)));
    assert!(json["list"].as_str().unwrap().starts_with("bench-") && json["list_left"].is_null(), "{json}");
    let (requests, applied) = (json["requests"].as_u64().unwrap(), double.state().applied.clone());
    assert!(requests > 0 && requests <= applied.len() as u64, "{requests}");
    assert!(applied.iter().all(|(path, ..)| path.ends_with("?req=UpdateCallCompletionStats")));
    let keys: BTreeSet<&String> = applied.iter().map(|(_, key, _)| key).collect();
    assert_eq!(keys.len(), applied.len());
    assert!(double.state().lists.is_empty(), "the list is gone");
}

#[tokio::test]
async fn a_list_with_records_of_others_is_left_alone_unless_the_user_agrees() {
    let double = Double::start().await;
    campaign(&double, 5);
    let refused = ocsctl(&double, &[&["bench", "--list", "demo"][..], &SMALL].concat()).await;
    let (word, why) = refused.error();
    assert!(word == "refused" && why.contains("5 records of campaign sales") && why.contains("--yes"), "{why}");
    assert!(double.state().applied.is_empty() && double.state().looks == 0);
    let words = ["bench", "--list", "demo", "--what", "get", "--yes"];
    let agreed = ocsctl(&double, &[&words[..], &SMALL].concat()).await;
    assert_eq!(agreed.code, 0, "{}", agreed.err);
    assert!(double.state().looks > 0 && double.state().applied.is_empty());
    assert_eq!(double.state().lists.len(), 1, "a list of others is never deleted");
    for (words, code) in
        [(&["bench"][..], 2), (&["bench", "--list", "none"], 1), (&["bench", "--list", "a", "--create-list"], 2)]
    {
        assert_eq!(ocsctl(&double, words).await.code, code, "{words:?}");
    }
}

#[tokio::test]
async fn previews_give_each_record_back_and_end_where_no_record_is_left() {
    let double = Double::start().await;
    campaign(&double, 5);
    double.state().previews_left = 3;
    let words = ["bench", "--list", "demo", "--what", "preview", "--yes"];
    let ran = ocsctl(&double, &[&words[..], &SMALL].concat()).await;
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let json = ran.json();
    assert_eq!((json["requests"].as_u64(), json["no_record_left"].as_bool()), (Some(3), Some(true)));
    assert_eq!(json["not_given_back"], 0);
    let applied = double.state().applied.clone();
    let back: BTreeSet<&str> = applied.iter().filter_map(|(path, ..)| path.strip_suffix("?req=RecordReject")).collect();
    assert_eq!(back, BTreeSet::from(["/records/101", "/records/102", "/records/103"]));
    let none = ocsctl(&double, &["bench", "--create-list", "--what", "preview"]).await;
    assert_eq!((none.code, none.err.contains("previews need a campaign")), (2, true), "{}", none.err);
}

#[tokio::test]
async fn requests_that_fail_are_errors_of_the_report_and_exit_code_1() {
    let double = Double::start().await;
    double.state().posts_refused = u32::MAX;
    let ran = ocsctl(&double, &[&["bench", "--create-list", "--records", "5"][..], &SMALL].concat()).await;
    assert_eq!(ran.code, 1, "{}", ran.err);
    let json = ran.json();
    assert_eq!((&json["errors"], &json["by_status"]["503 UNAVAILABLE"]), (&json["requests"], &json["requests"]));
    let gone = format!("http://{}", nobody().await);
    let words = ["bench", "--create-list", "--proxies", &gone];
    assert_eq!(ocsctl(&double, &words).await.code, 3, "no front end");
    assert!(double.state().lists.is_empty(), "no list is made for a front end that is not there");
}
