//! The table of claims, `tests/claims.tsv`: each kind of fault that a user ran into has a test, whose name is the right behaviour.
//!
//! Reads sources as text; starts nothing. Each claim's own test shows that the claim holds.

#![allow(clippy::unwrap_used, reason = "a test that cannot read the repository fails")]

use std::{collections::BTreeSet, fs, path::Path};

const TABLE: &str = include_str!("../claims.tsv");

struct Claim<'a> {
    input: &'a str,
    file: &'a str,
    test: &'a str,
}

fn claims() -> Vec<Claim<'static>> {
    let lines = TABLE.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let claim = |line: &'static str| match line.split('\t').collect::<Vec<_>>()[..] {
        [input, file, test] => Claim { input, file, test },
        _ => panic!("a claim has three columns: {line:?}"),
    };
    lines.map(claim).collect()
}

/// Whether a source has a test of that name; a golden script is a test, which the test beside its directory runs.
fn is_there(claim: &Claim<'_>) -> bool {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(claim.file);
    let Ok(source) = fs::read_to_string(&path) else { return false };
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("rs") => has_test(&source, claim.test),
        _ => path.file_stem().is_some_and(|stem| stem == claim.test),
    }
}

fn has_test(source: &str, name: &str) -> bool {
    source.contains(&format!("fn {name}(")) && source.contains("test]")
}

#[test]
fn every_claim_has_its_test() {
    let missing: Vec<String> = claims()
        .iter()
        .filter(|claim| !is_there(claim))
        .map(|claim| format!("{}: there is no {} in {}", claim.input, claim.test, claim.file))
        .collect();
    assert!(missing.is_empty(), "\n{}\n", missing.join("\n"));
    assert!(claims().len() > 50, "the table is not what it was");
}

#[test]
fn every_claim_stands_once_and_says_what_comes_in() {
    let mut known = BTreeSet::new();
    for claim in claims() {
        assert!(!claim.input.trim().is_empty(), "{} has no input", claim.test);
        assert!(known.insert((claim.input, claim.test)), "{}: twice", claim.input);
    }
}

#[test]
fn a_name_that_only_begins_as_a_test_does_is_none() {
    assert!(has_test("#[test]\nfn a_claim() {}", "a_claim"));
    assert!(!has_test("#[test]\nfn a_claim_of_more() {}", "a_claim"));
    assert!(!has_test("fn a_claim() {}", "a_claim"), "a function that no test runner finds");
}
