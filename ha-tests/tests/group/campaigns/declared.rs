//! Declarations by `ocsctl apply` and `export-config` (spec 11): applied once, refused whole, and the same in another group.

use std::{fs, thread};

use ocs_ha_tests::{Cluster, Ran};
use serde_json::json;

/// The example of the specification, without subscriptions.
const SITE: &str = r#"
[options]
reject_pause = 30
records_per_request_max = 500

[[tenants]]
name = "north"
country_code = "49"
trunk_prefix = "0"

[[time_zones]]
name = "VIC"
time_zone = "Australia/Melbourne"
dbid = 122

[[calendars]]
name = "weekdays"
hours = { mon = "08:00-20:00", tue = "08:00-20:00", sat = "10:00-16:00" }
closed = ["2026-12-25"]

[[zone_prefixes]]
prefix = "+1212"
time_zone = "America/New_York"

[[treatments]]
name = "busy-again"
call_result = "Busy"
number = 1
action = "RetryIn"
cycle_attempts = 3
interval = 30
increment = 15

[[lists]]
name = "renewals"
tenant = "north"
time_zone = "Europe/Berlin"
customer_id = "CLIENT_ID"
treatments = ["busy-again"]
calendar = "weekdays"
attempts_max = 12
send_attributes = { contact_info = "phone" }

[[lists.fields]]
name = "CLIENT_ID"
type = "varchar(64)"
send_attribute = "client-id"

[[campaigns]]
name = "Renewals"
tenant = "north"
lists = [{ list = "renewals", weight = 10 }]

[[campaign_groups]]
campaign = "Renewals"
group = "Agents"
desktop_chains_limit = 1

[[contact_limits]]
name = "seven-in-seven"
campaign = "Renewals"
max = 7
per = "phone"
within = 604800
"#;

/// Files that are refused, each with the line of its fault and a word of it.
const REFUSED: [(&str, usize, &str); 4] = [
    ("[[lists]]\nname = \"renewals\"\ncalender = \"weekdays\"\n", 3, "calender"),
    ("[[lists]]\nname = \"renewals\"\nattempts_max = 3\ncalendar = \"nowhere\"\n", 4, "nowhere"),
    ("[options]\nreject_pause = 5\n[[time_zones]]\nname = \"MARS\"\ntime_zone = \"Mars/Olympus\"\n", 5, "Mars/Olympus"),
    ("[options]\nreject_pause = 5\n[[lists]\n", 3, "TOML"),
];

fn apply(cluster: &Cluster, words: &[&str]) -> Ran {
    cluster.ctl(&[&["apply"][..], words].concat())
}

fn write(cluster: &Cluster, file: &str, text: &str) {
    fs::write(cluster.path(file), text).unwrap();
}

/// The file that would declare what the group has.
fn exported(cluster: &Cluster) -> String {
    cluster.ctl(&["export-config"]).fine()
}

/// The revision against which a difference would be shown now.
fn revision(cluster: &Cluster) -> u64 {
    apply(cluster, &["-f", "site.toml", "--dry-run", "-o", "json"]).json()["revision"].as_u64().unwrap()
}

/// A dry run shows the difference, the first application makes it, and the second application finds none.
fn is_applied_once(cluster: &Cluster) {
    let before = exported(cluster);
    assert!(apply(cluster, &["-f", "site.toml", "--dry-run"]).fine().contains("renewals"));
    assert_eq!(apply(cluster, &["-f", "site.toml", "--dry-run", "--exit-code"]).code, 1);
    assert_eq!(exported(cluster), before, "a dry run changed something");
    assert!(apply(cluster, &["-f", "site.toml"]).fine().contains("applied: "));
    let (declared, applied) = (exported(cluster), revision(cluster));
    assert!(apply(cluster, &["-f", "site.toml"]).fine().contains("nothing to change"));
    assert_eq!(apply(cluster, &["-f", "site.toml", "--dry-run", "--exit-code"]).code, 0);
    assert_eq!((exported(cluster), revision(cluster)), (declared, applied));
}

/// Each file is refused with exit code 2, by its name and line; nothing is changed.
fn are_refused_whole(cluster: &Cluster) {
    let (declared, applied) = (exported(cluster), revision(cluster));
    for (text, line, word) in REFUSED {
        write(cluster, "bad.toml", text);
        let ran = apply(cluster, &["-f", "bad.toml"]);
        let is_named = ran.err.contains(&format!("bad.toml:{line}: ")) && ran.err.contains(word);
        assert!(ran.code == 2 && is_named, "{text}: {} {}{}", ran.code, ran.out, ran.err);
    }
    assert_eq!((exported(cluster), revision(cluster)), (declared, applied));
}

/// The kind of a field stays while the list has records.
fn a_field_keeps_its_kind(cluster: &Cluster) {
    let body = r#"{"GSW_PHONE":"030 1","client-id":"C7"}"#;
    let added = cluster.http("a").post("/lists/renewals?req=AddRecord", body);
    assert_eq!((added.status, added.attribute("client-id")), (200, json!("C7")), "{added:?}");
    write(cluster, "bad.toml", &SITE.replace("varchar(64)", "int"));
    let ran = apply(cluster, &["-f", "bad.toml"]);
    let line = SITE.lines().position(|line| line.contains("varchar(64)")).unwrap() + 1;
    assert!(ran.code == 2 && ran.err.contains(&format!("bad.toml:{line}: ")), "{} {}{}", ran.code, ran.out, ran.err);
}

/// Of two files at once both are applied in turn, or the later file is refused whole.
fn two_at_once_are_applied_in_turn(cluster: &Cluster) {
    let files = ["one.toml", "two.toml"];
    for (file, attempts) in files.iter().zip([5, 7]) {
        write(cluster, file, &format!("[[lists]]\nname = \"renewals\"\nattempts_max = {attempts}\n"));
    }
    let before = revision(cluster);
    let both = thread::scope(|scope| {
        let both = files.map(|file| scope.spawn(move || apply(cluster, &["-f", file])));
        both.map(|one| one.join().unwrap())
    });
    let is_refused = |ran: &Ran| ran.code == 1 && ran.err.contains("changed meanwhile");
    assert!(both.iter().all(|ran| ran.code == 0 || is_refused(ran)), "{both:?}");
    let applied = both.iter().filter(|ran| ran.code == 0).count() as u64;
    assert!(applied > 0 && revision(cluster) == before + applied, "{both:?}");
    let declared = exported(cluster);
    let stands: Vec<bool> = [5, 7].iter().map(|n| declared.contains(&format!("attempts_max = {n}\n"))).collect();
    let is_of_an_applied = stands.iter().zip(&both).any(|(stands, ran)| *stands && ran.code == 0);
    assert!(stands[0] != stands[1] && is_of_an_applied, "{declared}");
}

#[test]
fn a_file_is_applied_once_or_refused_whole_and_declares_another_group_alike() {
    let cluster = Cluster::start();
    write(&cluster, "site.toml", SITE);
    is_applied_once(&cluster);
    are_refused_whole(&cluster);
    a_field_keeps_its_kind(&cluster);
    two_at_once_are_applied_in_turn(&cluster);
    cluster.assert_equal();
    let declared = exported(&cluster);
    drop(cluster);

    let other = Cluster::start();
    write(&other, "declared.toml", &declared);
    apply(&other, &["-f", "declared.toml"]).fine();
    assert_eq!(exported(&other), declared);
    assert!(apply(&other, &["-f", "declared.toml"]).fine().contains("nothing to change"));
    other.assert_equal();
}
