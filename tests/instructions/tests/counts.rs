//! Cost of the steps of an update's way, in instructions: a change that makes a step dearer shows, and is deliberate.
//!
//! Counted by callgrind as the difference between two runs, so that starting costs nothing, and compared with the counts kept
//! in `tests/instructions/counts.toml`. The counts belong to one compiler and one profile; with another one, and without
//! valgrind, the test prints why it skips. `OCS_COUNT=write` writes the counts anew.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use ocs_instructions::STEPS;

/// How much dearer, or cheaper, a step may be than its count: percent. Repeated, a count differs by less than one; built in one
/// piece or incrementally, by some.
const TOLERANCE_PERCENT: f64 = 12.0;
/// Repetitions of the two runs.
const RUNS: [u64; 2] = [200, 600];

/// The content of the file.
#[derive(Debug, PartialEq)]
struct Kept {
    compiler: String,
    counts: BTreeMap<String, f64>,
}

fn compiler() -> Option<String> {
    let told = Command::new("rustc").arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&told.stdout).trim().to_owned())
}

/// Instructions of a run.
fn counted(step: &str, repetitions: u64) -> f64 {
    let ran = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args([env!("CARGO_BIN_EXE_instructions"), step, &repetitions.to_string()])
        .output()
        .expect("valgrind starts");
    let told = String::from_utf8_lossy(&ran.stderr);
    let total = told.lines().find_map(|line| line.split_once("Collected : ")).map(|(_, count)| count.trim().to_owned());
    assert!(ran.status.success(), "{step}: {told}");
    total.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("{step}: no count in {told}"))
}

fn each(step: &str) -> f64 {
    let [few, many] = RUNS.map(|repetitions| counted(step, repetitions));
    ((many - few) / (RUNS[1] - RUNS[0]) as f64).round()
}

fn read(path: &Path) -> Option<Kept> {
    let table: toml::Table = fs::read_to_string(path).ok()?.parse().expect("tests/instructions/counts.toml is TOML");
    let counts =
        table.get("counts")?.as_table()?.iter().map(|(step, count)| (step.clone(), count.as_float().expect("a count")));
    Some(Kept { compiler: table.get("compiler")?.as_str()?.to_owned(), counts: counts.collect() })
}

fn write(path: &Path, kept: &Kept) {
    let counts: String = kept.counts.iter().map(|(step, count)| format!("{step} = {count:.1}\n")).collect();
    let head = "# Instructions of one repetition, in the profile of tests; written by `OCS_COUNT=write` (tests/instructions/tests/counts.rs).\n";
    fs::write(path, format!("{head}compiler = \"{}\"\n\n[counts]\n{counts}", kept.compiler))
        .expect("the counts are written");
}

#[test]
fn no_step_of_an_updates_way_costs_more_than_it_did() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("counts.toml");
    let Some(compiler) = compiler() else { return println!("skipped: there is no rustc to ask for its version") };
    if Command::new("valgrind").arg("--version").output().is_err() {
        return println!("skipped: valgrind is not installed");
    }
    let writes = std::env::var("OCS_COUNT").is_ok_and(|what| what == "write");
    let kept = read(&path).filter(|_| !writes);
    if kept.as_ref().is_some_and(|kept| kept.compiler != compiler) {
        return println!("skipped: the counts are of {:?}, this is {compiler:?}", kept.map(|kept| kept.compiler));
    }
    let counts: BTreeMap<String, f64> = STEPS.iter().map(|(step, _)| ((*step).to_owned(), each(step))).collect();
    let Some(kept) = kept else { return write(&path, &Kept { compiler, counts }) };
    let change = |(step, count): (&String, &f64)| (step.clone(), (count / kept.counts[step] - 1.0) * 100.0);
    let changed: Vec<_> = counts.iter().map(change).filter(|(_, percent)| percent.abs() > TOLERANCE_PERCENT).collect();
    assert!(
        changed.is_empty(),
        "changed by percent: {changed:?}; now {counts:?}. If it is meant, write the counts anew"
    );
}
