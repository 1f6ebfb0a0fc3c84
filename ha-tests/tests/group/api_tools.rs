//! The REST interface before tools of others: cases that schemathesis makes from its description, and clients that are generated from
//! it. Each is skipped, with the reason, where its tools are not installed (`make api-tools`).

use std::{path::Path, process::Command};

use ocs_ha_tests::{Cluster, Ran, until};

/// The exit code of a script with `--check` whose tools are not installed.
const MISSING: i32 = 3;
/// Cases of schemathesis unless the environment names a number: `make api-proofs` plays 5,000.
const CASES: &str = "500";

/// Runs a script of `ha-tests/api` before a group, with the address of its primary and a token of all scopes.
fn run(script: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("api").join(script);
    let checked = Ran::of(Command::new(&path).arg("--check"));
    if checked.code == MISSING {
        return eprintln!("{script}: {}", checked.out.trim_end());
    }
    let cluster = Cluster::with(&["http_proxy.api=true", "http_proxy.auth=tokens"]);
    let words = ["token", "create", "tools", "--scopes", "read,update,admin", "-o", "json"];
    let token = cluster.ctl(&words).json()["token"].as_str().unwrap().to_owned();
    let primary = cluster.primary();
    let bearer = format!("Bearer {token}");
    until("the primary knows the token", || {
        let asked = cluster.http(primary).must("GET", "/api/v1/cluster", &[("Authorization", &bearer)], "");
        asked.status == 200
    });
    let base = format!("http://{}", cluster.settings().address(primary, "http"));
    let cases = std::env::var("CASES").unwrap_or_else(|_| CASES.to_owned());
    let ran = Ran::of(Command::new(&path).args([&base, &token]).env("CASES", cases));
    eprintln!("{script}: {}", ran.out.lines().rev().take(8).collect::<Vec<_>>().join(" | "));
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    cluster.assert_equal();
}

#[test]
fn every_case_that_is_made_from_the_description_gets_an_answer_that_fits_it() {
    run("schemathesis.sh");
}

#[test]
fn clients_that_are_generated_from_the_description_tour_every_operation() {
    run("clients.sh");
}
