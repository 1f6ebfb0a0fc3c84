//! Input that no group can use, at both HTTP Proxies and in files: a clear answer each, and nothing changes.

use std::fs;

use ocs_ha_tests::Cluster;
use serde_json::json;

/// A tenant beside the default one: a request may then name a tenant that is not declared.
const SITE: &str = "[[tenants]]\nname = \"north\"\n\n[[lists]]\nname = \"demo\"\ntime_zone = \"Europe/Berlin\"\n";
const ADD: &str = "/lists/demo?req=AddRecord";
/// Windows of a list, at most, and records of a chain.
const WINDOWS: usize = 1_000;
const CHAIN: usize = 100;
/// Letters of a cell that fits into no batch.
const LONG_CELL: usize = 10_000_000;

/// A group whose list is full: one chain of a hundred records, and all windows but one.
fn started() -> Cluster {
    let cluster = Cluster::start();
    fs::write(cluster.path("site.toml"), SITE).unwrap();
    cluster.ctl(&["apply", "-f", "site.toml"]).fine();
    let chain = (0..CHAIN).map(|at| format!("+9996{at:04},7,\n"));
    let windows = (1..WINDOWS - 1).map(|from| format!("+9997{from:04},,{from}\n"));
    let rows: String = chain.chain(windows).collect();
    fs::write(cluster.path("full.csv"), format!("contact_info,chain_id,daily_from\n{rows}")).unwrap();
    cluster.ctl(&["list", "import", "demo", "full.csv"]).fine();
    cluster
}

fn is_never_open(cluster: &Cluster) -> u64 {
    cluster.ctl(&["list", "show", "demo", "-o", "json"]).json()[0]["windows_never_open"].as_u64().unwrap()
}

#[test]
fn requests_that_no_rule_can_follow_are_refused_at_both_proxies_and_change_nothing() {
    let cluster = started();
    let empty = r#"{"GSW_PHONE":"+99980001","GSW_FROM":36000,"GSW_UNTIL":36000}"#;
    assert_eq!(cluster.http("a").post(ADD, empty).status, 200, "a window that never opens is a window");
    assert_eq!(is_never_open(&cluster), 1);
    let before = cluster.export_text("demo", "a");
    let long = |kind: &str, req: &str| format!("/{kind}/{}?req={req}", "n".repeat(10_000));
    let added = |pairs: &str| format!(r#"{{"GSW_PHONE":"+99980002",{pairs}}}"#);
    let table = [
        ("/campaigngroups/303?req=LoadCampaign".to_owned(), "{}".to_owned(), 404, "GROUP_NOT_FOUND"),
        ("/customer_ids/nobody?req=RequestRecordCancel".to_owned(), "{}".to_owned(), 404, "CUSTOMER_NOT_FOUND"),
        (format!("{ADD}&tenant=south"), added(r#""GSW_ATTEMPTS":0"#), 404, "TENANT_NOT_FOUND"),
        ("/lists/%00?req=AddRecord".to_owned(), added(r#""GSW_ATTEMPTS":0"#), 404, "LIST_NOT_FOUND"),
        ("/phones/%00?req=DoNotCall".to_owned(), "{}".to_owned(), 400, "BAD_VALUE"),
        (long("lists", "AddRecord"), added(r#""GSW_ATTEMPTS":0"#), 400, "LIMIT"),
        (long("phones", "DoNotCall"), "{}".to_owned(), 400, "LIMIT"),
        (ADD.to_owned(), added(r#""GSW_DATE_TIME":"02/30/2030 10:00""#), 400, "BAD_VALUE"),
        (ADD.to_owned(), added(r#""GSW_CHAIN_ID":7"#), 409, "TOO_MANY"),
        (ADD.to_owned(), added(r#""GSW_FROM":2000"#), 409, "TOO_MANY"),
    ];
    for node in ["a", "b"] {
        let mut http = cluster.http(node);
        for (target, body, status, code) in &table {
            let answer = http.post(target, body);
            let shown: String = target.chars().take(80).collect();
            assert_eq!(answer.verdict(), (*status, (*code).to_owned()), "{shown} {body} at {node}: {answer:?}");
            let message = answer.attribute("GSW_ERROR");
            let is_a_line =
                message.as_str().is_some_and(|text| !text.is_empty() && text.len() < 500 && !text.contains('\n'));
            assert!(is_a_line, "{shown}: {message}");
        }
    }
    assert_eq!(cluster.export_text("demo", "a"), before);
    assert_eq!(cluster.ctl(&["dnc", "export"]).fine().lines().count(), 1, "the header alone");
    cluster.assert_equal();
}

/// Reports a file of numbers: the rows that are fit are entered, and the others are told.
fn rejects_two_rows_and_a_swallowed_one(cluster: &Cluster, file: &str, bytes: &[u8], number: &str) {
    fs::write(cluster.path(file), bytes).unwrap();
    let ran = cluster.ctl(&["dnc", "import", file]);
    let line = "4 rows: 1 added, 0 entered before, 3 rejected\n";
    assert_eq!((ran.code, ran.out.as_str()), (1, line), "{file}: {}", ran.err);
    let checked = cluster.ctl(&["dnc", "check", number, "-o", "json"]).json();
    assert_eq!(checked["listed"], json!(true), "{file}: {checked}");
}

#[test]
fn files_with_cells_that_cannot_be_are_told_row_by_row_and_a_file_that_is_too_large_is_refused_whole() {
    let cluster = Cluster::start();
    let rows = |first: &str, long: usize| format!("{first}\n{}\n\"+9995552\n+9995553\n", "9".repeat(long));
    rejects_two_rows_and_a_swallowed_one(&cluster, "long.csv", rows("+9995551", LONG_CELL).as_bytes(), "+9995551");
    let text = format!("\u{feff}{}", rows("+9995554", LONG_CELL / 10));
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    rejects_two_rows_and_a_swallowed_one(&cluster, "utf16.csv", &utf16, "+9995554");
    assert_eq!(cluster.ctl(&["dnc", "export"]).fine().lines().count(), 3, "a header and two entries");

    let declared = cluster.ctl(&["export-config"]).fine();
    for (file, text, told) in [
        (
            "large.toml",
            format!("# {}\n[options]\nreject_pause = 5\n", "x".repeat(2 << 20)),
            "has at most 1048576 bytes",
        ),
        (
            "name.toml",
            "[options]\nreject_pause = 5\n\"a\\nb\" = 1\n".to_owned(),
            "name.toml:3: options.a\\nb: a\\nb is no option of the rules",
        ),
    ] {
        fs::write(cluster.path(file), text).unwrap();
        let ran = cluster.ctl(&["apply", "-f", file]);
        assert!(ran.code == 2 && ran.err.contains(told) && ran.err.lines().count() == 1, "{} {}", ran.code, ran.err);
    }
    assert_eq!(cluster.ctl(&["export-config"]).fine(), declared);
    cluster.assert_equal();
}
