//! Runs the simulator: some hundred seeds, and a seed twice. `SIM_SEEDS` sets their number; `make sim` runs more.

use std::process::Command;

use ocs_tests::sim::{run, run_all};

/// Fewer seeds may have no campaign.
const FEW: u64 = 100;

fn seeds() -> u64 {
    std::env::var("SIM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(500)
}

#[test]
fn nothing_that_the_seeds_do_breaks_a_promise() {
    let results = run_all(1..seeds() + 1);
    let handed_out: u64 = results.iter().flatten().map(|report| report.handed_out).sum();
    let violations: Vec<String> = results.into_iter().filter_map(Result::err).collect();
    assert!(violations.is_empty(), "{} seeds failed:\n{}", violations.len(), violations.join("\n"));
    assert!(handed_out >= seeds() || seeds() < FEW, "{handed_out} records were handed out: the callers did not work");
}

#[test]
fn a_seed_replays_to_the_last_message() {
    for seed in [3, 5, 11] {
        let first = run(seed).expect("this seed runs");
        assert_eq!(first, run(seed).expect("this seed runs"), "seed {seed} did not replay");
        assert!(first.acknowledged > 20, "seed {seed}: the group did not work");
    }
    assert_ne!(run(3).map(|report| report.trace), run(5).map(|report| report.trace));
}

#[test]
fn a_seed_replays_in_another_process() {
    let told = || {
        let ran = Command::new(env!("CARGO_BIN_EXE_sim")).env("SEED", "11").output().expect("the simulator starts");
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
        String::from_utf8_lossy(&ran.stdout).into_owned()
    };
    let (first, here) = (told(), run(11).expect("this seed runs"));
    assert_eq!(first, told());
    assert!(first.contains(&here.trace.to_string()), "{first} is not {here:?}");
}
