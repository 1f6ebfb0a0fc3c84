//! Holds the shape of the repository: the edges between crates, the dependencies that a crate must never have, the opening of a
//! file.
//!
//! Reads manifests and sources as text; starts nothing. Run with all other tests.

#![allow(clippy::unwrap_used, reason = "a test that cannot read the repository fails")]

mod tree;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tree::{MADE, children, files, root};

/// Each crate of ours and the crates of ours that it may use (architecture, Code map). The table is complete.
const EDGES: [(&str, &[&str]); 18] = [
    ("ocs-proto", &[]),
    ("outbound", &["ocs-proto"]),
    ("records", &["outbound"]),
    ("store", &["outbound", "records"]),
    ("raft-log", &["ocs-proto"]),
    ("consensus", &["ocs-proto", "raft-log"]),
    ("chassis", &[]),
    ("entrance", &["chassis"]),
    ("data-dir", &["consensus", "chassis"]),
    ("declarations", &["outbound", "chassis"]),
    ("http-proxy", &["ocs-proto", "outbound", "chassis", "declarations"]),
    ("dispatch", &["ocs-proto", "outbound", "chassis"]),
    ("pair", &["ocs-proto", "outbound", "records", "store", "consensus", "dispatch", "chassis"]),
    ("peers", &["ocs-proto", "outbound", "consensus", "pair", "chassis", "entrance", "data-dir"]),
    ("node-config", &["ocs-proto", "outbound", "consensus", "chassis", "data-dir", "peers", "http-proxy"]),
    (
        "node",
        &[
            "ocs-proto",
            "outbound",
            "records",
            "store",
            "raft-log",
            "consensus",
            "dispatch",
            "pair",
            "chassis",
            "entrance",
            "data-dir",
            "peers",
            "node-config",
            "http-proxy",
        ],
    ),
    ("list-files", &["ocs-proto", "chassis"]),
    ("ocsctl", &["ocs-proto", "outbound", "chassis", "store", "declarations", "list-files"]),
];

/// Foreign crates that belong to one room alone.
const ROOMS: [(&str, &str); 8] = [
    ("raft", "consensus"),
    ("slog", "consensus"),
    ("protobuf", "consensus"),
    ("fjall", "store"),
    ("lsm-tree", "store"),
    ("opentelemetry", "node"),
    ("object_store", "ocsctl"),
    ("reqwest", "ocsctl"),
];

/// Foreign crates that a crate must never use, in tests neither.
const NEVER: [(&str, &[&str]); 9] = [
    ("outbound", &["tokio", "futures", "http", "hyper", "axum", "tonic", "fjall", "raft", "rand"]),
    ("records", &["tokio", "futures", "http", "hyper", "axum", "tonic", "fjall", "raft", "rand", "rustix"]),
    ("store", &["tokio", "http", "hyper", "axum", "tonic", "raft", "rustls"]),
    ("raft-log", &["tokio", "futures", "http", "hyper", "axum", "tonic", "fjall", "rand", "rustls"]),
    ("dispatch", &["http", "hyper", "axum", "tonic", "fjall", "raft", "rand", "rustls"]),
    ("pair", &["http", "hyper", "axum", "fjall", "raft", "rustls"]),
    ("consensus", &["http", "hyper", "axum", "tonic", "fjall", "rustls"]),
    ("declarations", &["tokio", "futures", "http", "hyper", "axum", "tonic", "fjall", "raft", "rand", "rustix"]),
    ("list-files", &["tokio", "futures", "http", "hyper", "axum", "tonic", "fjall", "raft", "rustls"]),
];

/// The entries of the top directory, besides those that begin with a dot.
const TOP: [&str; 14] = [
    "Cargo.toml",
    "Cargo.lock",
    "LICENSE",
    "Makefile",
    "README.md",
    "clippy.toml",
    "deny.toml",
    "deploy",
    "docs",
    "ha-tests",
    "proto",
    "rustfmt.toml",
    "services",
    "tests",
];

const CODE_LINES_MAX: usize = 600;

struct Manifest {
    directory: PathBuf,
    document: toml::Table,
}

impl Manifest {
    fn name(&self) -> &str {
        self.document["package"]["name"].as_str().unwrap()
    }

    fn names_in(&self, section: &str) -> BTreeSet<String> {
        let table = self.document.get(section).and_then(toml::Value::as_table);
        table.into_iter().flat_map(|table| table.keys().cloned()).collect()
    }

    /// The dependencies of the crate, with those of its tests where asked.
    fn uses(&self, tests_too: bool) -> BTreeSet<String> {
        let sections: &[&str] = if tests_too {
            &["dependencies", "build-dependencies", "dev-dependencies"]
        } else {
            &["dependencies", "build-dependencies"]
        };
        sections.iter().flat_map(|section| self.names_in(section)).collect()
    }
}

/// Every member of the workspace by name.
fn manifests() -> BTreeMap<String, Manifest> {
    let mut directories = vec![
        root().join("proto"),
        root().join("tests"),
        root().join("tests/history"),
        root().join("tests/instructions"),
        root().join("tests/outside"),
        root().join("ha-tests"),
    ];
    directories.extend(children(&root().join("services")).into_iter().filter(|path| path.is_dir()));
    let read = |directory: PathBuf| {
        let text = fs::read_to_string(directory.join("Cargo.toml")).unwrap();
        let manifest = Manifest { directory, document: toml::from_str(&text).unwrap() };
        (manifest.name().to_owned(), manifest)
    };
    directories.into_iter().map(read).collect()
}

/// Every file below a directory whose name ends so.
fn named(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let ends = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().ends_with(ending);
    files(directory).into_iter().filter(ends).collect()
}

fn all(ending: &str) -> Vec<PathBuf> {
    named(&root(), ending)
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn crates_use_each_other_only_along_the_edges_of_the_design() {
    let manifests = manifests();
    let ours: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    let mut wrong = Vec::new();
    for (name, allowed) in EDGES {
        let used = manifests[name].uses(false);
        let strays = used.iter().filter(|used| ours.contains(used.as_str()) && !allowed.contains(&used.as_str()));
        wrong.extend(strays.map(|used| format!("{name} must not use {used}")));
    }
    let known = manifests.keys().filter(|name| !ours.contains(name.as_str()) && !name.starts_with("ocs-"));
    wrong.extend(known.map(|name| format!("{name} is a crate without a place in the design")));
    none(&wrong);
}

#[test]
fn only_consensus_depends_on_raft_and_slog_and_only_store_on_fjall() {
    let mut wrong = Vec::new();
    for (name, manifest) in manifests() {
        for (foreign, room) in ROOMS {
            if name != room && manifest.uses(true).contains(foreign) {
                wrong.push(format!("{name} must not use {foreign}: it belongs to {room} alone"));
            }
        }
    }
    none(&wrong);
}

#[test]
fn no_crate_uses_what_it_must_never_contain() {
    let manifests = manifests();
    let mut wrong = Vec::new();
    for (name, never) in NEVER {
        let used = manifests[name].uses(false);
        wrong.extend(
            never.iter().filter(|foreign| used.contains(**foreign)).map(|foreign| format!("{name} uses {foreign}")),
        );
    }
    none(&wrong);
}

/// Determinism (architecture, services/records): the deciding code sees no clock, no chance, no file, no task.
#[test]
fn the_rules_of_records_see_no_clock_no_chance_and_no_file() {
    const BANNED: [&str; 9] = [
        "SystemTime",
        "Instant::",
        "Timestamp::now",
        "Zoned::now",
        "std::fs",
        "std::net",
        "std::thread",
        "HashMap",
        "HashSet",
    ];
    let manifests = manifests();
    let sources = named(&manifests["records"].directory.join("src"), ".rs");
    let mut wrong = Vec::new();
    for path in sources {
        let text = fs::read_to_string(&path).unwrap();
        let code: String = without_tests(&text).lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        wrong
            .extend(BANNED.iter().filter(|word| code.contains(**word)).map(|word| format!("{}: {word}", shown(&path))));
    }
    none(&wrong);
}

/// The text before the module of tests; in a file of tests, nothing.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text)
}

#[test]
fn every_member_obeys_the_lints_of_the_workspace() {
    let obeys = |manifest: &Manifest| {
        manifest.document.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool)
            == Some(true)
    };
    let wrong: Vec<_> =
        manifests().into_iter().filter(|(_, manifest)| !obeys(manifest)).map(|(name, _)| name).collect();
    none(&wrong);
}

#[test]
fn every_source_file_opens_with_what_it_is() {
    let opens = |path: &PathBuf| fs::read_to_string(path).unwrap().starts_with("//! ");
    let wrong: Vec<_> = all(".rs").iter().filter(|path| !opens(path)).map(|path| shown(path)).collect();
    none(&wrong);
}

#[test]
fn a_file_is_one_room() {
    let is_test = |path: &Path| path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs");
    let mut wrong = Vec::new();
    for path in all(".rs") {
        let lines = without_tests(&fs::read_to_string(&path).unwrap()).lines().count();
        if lines > CODE_LINES_MAX && !is_test(path.strip_prefix(root()).unwrap()) {
            wrong.push(format!("{}: {lines} lines, at most {CODE_LINES_MAX} without tests", shown(&path)));
        }
    }
    none(&wrong);
}

#[test]
fn the_top_of_the_repository_holds_what_the_design_lists() {
    let there: BTreeSet<String> =
        children(&root()).iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    let visible = |name: &&String| !name.starts_with('.') && !MADE.contains(&name.as_str());
    let strays = there.iter().filter(visible).filter(|name| !TOP.contains(&name.as_str()));
    let mut wrong: Vec<_> = strays.map(|name| format!("{name} has no place at the top")).collect();
    wrong.extend(TOP.iter().filter(|name| !there.contains(**name)).map(|name| format!("{name} is missing")));
    none(&wrong);
}

/// A relative link of a document leads to a file that exists.
#[test]
fn links_between_documents_lead_somewhere() {
    let mut wrong = Vec::new();
    for path in all(".md") {
        let text = fs::read_to_string(&path).unwrap();
        for rest in text.split("](").skip(1) {
            let target = rest.split([')', '#']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !path.parent().unwrap().join(target).exists() {
                wrong.push(format!("{}: {target}", shown(&path)));
            }
        }
    }
    none(&wrong);
}

/// A drill is one name in three places: its file, its page, and the table that `make drill NAME=` looks into.
#[test]
fn a_drill_is_one_name_in_three_places() {
    let stems = |directory: &str, ending: &str| -> BTreeSet<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().strip_suffix(ending).map(str::to_owned);
        children(&root().join(directory)).iter().filter_map(name).collect()
    };
    let mut sources = stems("ha-tests/drills", ".rs");
    sources.remove("main");
    let files: BTreeSet<String> = sources.iter().map(|stem| stem.replace('_', "-")).collect();
    let mut pages = stems("docs/drills", ".md");
    pages.remove("README");
    assert_eq!(files, pages, "ha-tests/drills and docs/drills");
    let table = fs::read_to_string(root().join("ha-tests/drills/main.rs")).unwrap();
    for stem in sources {
        let source = fs::read_to_string(root().join(format!("ha-tests/drills/{stem}.rs"))).unwrap();
        let name = stem.replace('_', "-");
        assert!(source.contains(&format!("name: \"{name}\"")), "{stem}.rs gives its drill another name");
        assert!(table.contains(&format!("{stem}::DRILL")), "{name} is not in the table of main.rs");
    }
}

#[test]
fn scripts_parse_and_can_be_started() {
    use std::os::unix::fs::PermissionsExt;
    let mut scripts = all(".sh");
    scripts.push(root().join(".ci/run"));
    let mut wrong = Vec::new();
    for path in scripts {
        if fs::metadata(&path).unwrap().permissions().mode() & 0o100 == 0 {
            wrong.push(format!("{}: not executable", shown(&path)));
        }
        let output = Command::new("bash").arg("-n").arg(&path).output().unwrap();
        if !output.status.success() {
            wrong.push(format!("{}: {}", shown(&path), String::from_utf8_lossy(&output.stderr)));
        }
    }
    none(&wrong);
}
