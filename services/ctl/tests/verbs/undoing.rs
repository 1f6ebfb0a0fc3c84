//! Undoing: lists, Do-Not-Call entries, the lists of drills.

use ocs_proto::control::DoNotCallEntry;

use crate::{Double, ocsctl};

const TOO_EARLY: &str =
    "The group decides by rules version 2, and this needs version 3. `ocsctl upgrade finalize` raises the version";

fn with_list(double: &Double, rows: usize) {
    let row = ["1", "+1", "101"].map(str::to_owned);
    double.state().lists.insert("demo".to_owned(), vec![row; rows]);
}

#[tokio::test]
async fn a_list_is_deleted_only_with_yes_and_in_use_only_where_that_is_said() {
    let double = Double::start().await;
    with_list(&double, 3);
    let asked = ocsctl(&double, &["list", "delete", "demo"]).await;
    assert_eq!((asked.code, asked.out.as_str()), (1, ""));
    assert!(asked.err.contains("list demo has 3 records") && asked.err.contains("--yes"), "{}", asked.err);
    let used = ocsctl(&double, &["list", "delete", "demo", "--yes"]).await;
    assert_eq!((used.code, used.err.as_str()), (1, "ocsctl: The list is in use (CONFLICT)\n"));
    assert!(double.state().lists.contains_key("demo"));
    let deleted = ocsctl(&double, &["list", "delete", "demo", "--yes", "--in-use"]).await;
    assert_eq!((deleted.code, deleted.out.as_str()), (0, "list demo is deleted, with 3 records\n"), "{}", deleted.err);
    assert!(double.state().lists.is_empty());
    let gone = ocsctl(&double, &["list", "delete", "demo", "--yes"]).await;
    assert_eq!((gone.code, gone.err.as_str()), (1, "ocsctl: there is no list named demo\n"));
}

#[tokio::test]
async fn records_that_came_before_the_deletion_began_are_counted_with_the_others() {
    let double = Double::start().await;
    with_list(&double, 3);
    double.state().records_before_deletion = 2;
    let deleted = ocsctl(&double, &["list", "delete", "demo", "--yes", "--in-use"]).await;
    assert_eq!((deleted.code, deleted.out.as_str()), (0, "list demo is deleted, with 5 records\n"), "{}", deleted.err);
}

#[tokio::test]
async fn a_group_before_the_raise_says_what_raises_it() {
    let double = Double::start().await;
    with_list(&double, 0);
    double.state().too_early = Some(TOO_EARLY.to_owned());
    for words in [&["list", "delete", "demo", "--yes"][..], &["dnc", "remove", "+1"]] {
        let ran = ocsctl(&double, words).await;
        assert_eq!(ran.code, 1);
        assert!(ran.err.contains("`ocsctl upgrade finalize` raises the version (CONFLICT)"), "{}", ran.err);
    }
    assert!(double.state().lists.contains_key("demo"));
}

#[tokio::test]
async fn a_drill_deletes_its_list_and_leaves_one_that_shows_a_fault_or_cannot_go() {
    for (forgets, too_early) in [(false, false), (true, false), (false, true)] {
        let double = Double::start().await;
        double.state().forgets = forgets.then(|| "+999000000003".to_owned());
        double.state().too_early = too_early.then(|| TOO_EARLY.to_owned());
        let proxies = double.proxies();
        let words = ["drill", "switchover", "--rounds", "1", "--proxies", &proxies, "-o", "json"];
        let ran = ocsctl(&double, &words).await;
        assert_eq!(ran.code, i32::from(forgets), "{}", ran.err);
        let left = forgets || too_early;
        assert_eq!(double.state().lists.len(), usize::from(left));
        assert_eq!(ran.json()["list_left"].is_string(), left);
        assert!(ran.err.contains(if left { "is left: " } else { "is being deleted" }), "{}", ran.err);
    }
}

fn entry(form: &str, given: &str, list_dbid: u32, list: &str) -> DoNotCallEntry {
    let since_us = 1_704_067_200_000_000;
    let (form, given, list) = (form.into(), given.into(), list.into());
    DoNotCallEntry { form, given, since_us, list_dbid, list, ..DoNotCallEntry::default() }
}

#[tokio::test]
async fn do_not_call_entries_are_shown_checked_and_taken_back_one_by_one() {
    let double = Double::start().await;
    double.state().entries =
        vec![entry("+1", "00 1", 0, ""), entry("+1", "+1", 101, "demo"), entry("+2", "\u{1b}+2", 102, "")];
    let listed = ocsctl(&double, &["dnc", "list", "-o", "json"]).await.json();
    assert_eq!(listed.as_array().unwrap().len(), 3);
    assert_eq!((&listed[1]["list"], &listed[2]["list_dbid"]), (&"demo".into(), &102.into()));
    let table = ocsctl(&double, &["dnc", "list", "--limit", "1"]).await;
    assert_eq!(table.out.lines().count(), 2, "{}", table.out);
    let checked = ocsctl(&double, &["dnc", "check", "+1"]).await;
    assert_eq!(checked.code, 0, "{}", checked.err);
    assert!(checked.out.starts_with("+1 is on the Do-Not-Call list, compared as +1\n"), "{}", checked.out);
    assert!(checked.out.contains("2024-01-01T00:00:00Z") && checked.out.contains("  demo"), "{}", checked.out);
    let foreign = ocsctl(&double, &["dnc", "check", "+2"]).await;
    assert!(foreign.out.contains("\\u{1b}+2") && foreign.out.contains("102, deleted"), "{}", foreign.out);

    let removed = ocsctl(&double, &["dnc", "remove", "+1"]).await;
    assert_eq!(removed.code, 0, "{}", removed.err);
    assert!(removed.out.contains("records stay as they are; an entry stays for list demo"), "{}", removed.out);
    let again = ocsctl(&double, &["dnc", "remove", "+1"]).await;
    assert_eq!(again.code, 1);
    assert!(again.err.contains("+1 has no Do-Not-Call entry for all lists"), "{}", again.err);
    assert_eq!(ocsctl(&double, &["dnc", "remove", "+1", "--list", "demo"]).await.code, 0);
    let checked = ocsctl(&double, &["dnc", "check", "+1", "-o", "json"]).await.json();
    assert_eq!((&checked["listed"], &checked["forms"][0]), (&false.into(), &"+1".into()));
    assert_eq!(ocsctl(&double, &["dnc", "check", " "]).await.code, 2);
}

#[tokio::test]
async fn an_entry_whose_phone_is_no_number_is_taken_back_and_what_has_no_entry_is_refused() {
    let double = Double::start().await;
    let of_list = entry("skype:Jane", "skype:Jane", 101, "demo");
    double.state().entries =
        vec![entry("live:jim", "live:jim", 0, ""), entry("skype:Jane", "skype:Jane", 0, ""), of_list];
    let removed = ocsctl(&double, &["dnc", "remove", "live:jim"]).await;
    assert_eq!((removed.code, removed.err.as_str()), (0, ""), "{}", removed.out);
    assert_eq!(removed.out, "live:jim is taken off the Do-Not-Call list; records stay as they are\n");
    let again = ocsctl(&double, &["dnc", "remove", "live:jim"]).await;
    assert_eq!((again.code, again.out.as_str()), (1, ""));
    assert!(again.err.contains("The phone \"live:jim\" has no digit"), "{}", again.err);

    let first = ocsctl(&double, &["dnc", "remove", "skype:Jane"]).await;
    assert!(first.code == 0 && first.out.contains("an entry stays for list demo"), "{}{}", first.out, first.err);
    let other = ocsctl(&double, &["dnc", "remove", "skype:Jane"]).await;
    let told = "skype:Jane has no Do-Not-Call entry for all lists; an entry stays for list demo";
    assert!(other.code == 1 && other.err.contains(told), "{}", other.err);
    double.state().removals_aborted = 1;
    let last = ocsctl(&double, &["dnc", "remove", "skype:Jane", "--list", "demo", "-o", "json"]).await;
    assert_eq!(
        (last.code, &last.json()["left"]),
        (0, &serde_json::json!([])),
        "after an answer that was lost: {}",
        last.err
    );
    assert!(double.state().entries.is_empty());
}

#[tokio::test]
async fn a_dry_run_counts_the_rows_that_would_be_taken_as_no_call() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    with_list(&double, 0);
    double.state().entries = vec![entry("+2", "+2", 0, ""), entry("+3", "+3", 0, "")];
    let path = dir.path().join("day.csv");
    std::fs::write(&path, "contact_info\n+1\n+2\n+3\n").unwrap();
    let import = ["list", "import", "demo", path.to_str().unwrap(), "--dry-run"];
    let shown = ocsctl(&double, &import).await;
    let told =
        "rows 3, of which 0 would be rejected and 2 would be taken as NoCall, by Do-Not-Call; nothing was changed\n";
    assert!(shown.code == 0 && shown.out.ends_with(told), "{}{}", shown.out, shown.err);
    let shown = ocsctl(&double, &[&import[..], &["-o", "json"]].concat()).await;
    assert_eq!(shown.json()["no_call"], 2);
}

#[tokio::test]
async fn the_message_of_an_entry_is_shown_with_it() {
    let double = Double::start().await;
    let asked = DoNotCallEntry { message: "asked \u{7}twice".into(), ..entry("+3", "+3", 0, "") };
    double.state().entries = vec![entry("+1", "+1", 0, ""), asked];
    let table = ocsctl(&double, &["dnc", "list"]).await.out;
    assert!(table.contains("MESSAGE") && table.contains("asked \\u{7}twice"), "{table}");
    let listed = ocsctl(&double, &["dnc", "list", "-o", "json"]).await.json();
    assert_eq!((&listed[0]["message"], &listed[1]["message"]), (&serde_json::Value::Null, &"asked \u{7}twice".into()));
    let exported = ocsctl(&double, &["dnc", "export"]).await.out;
    assert!(exported.contains("+3,,asked \u{7}twice,,,,,,2024-01-01T00:00:00Z\n"), "{exported}");
}

#[tokio::test]
async fn an_export_of_entries_is_csv_with_every_letter_as_it_is() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    double.state().entries = vec![entry("+1", "00 1", 0, ""), entry("\u{1b}+2", "\u{1b}+2", 101, "demo")];
    let csv = "phone,customer_id,message,expires,tenant,campaign,list,source,since\n\
               +1,,,,,,,,2024-01-01T00:00:00Z\n\u{1b}+2,,,,,,demo,,2024-01-01T00:00:00Z\n";
    assert_eq!(ocsctl(&double, &["dnc", "export"]).await.out, csv);
    let path = dir.path().join("dnc.csv");
    let export = ["dnc", "export", "-o", path.to_str().unwrap()];
    assert_eq!(ocsctl(&double, &export).await.code, 0);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), csv);
    assert_eq!(ocsctl(&double, &export).await.code, 1, "a file that is there stays");
    assert_eq!(ocsctl(&double, &["dnc", "export", "-o", "json"]).await.code, 2);
}
