//! Frames that no release sends, from fixed seeds; `make fuzz` plays many more.

use ocs_tests::fuzz::{Reached, run, run_seed};

/// Seeds that a test of the workspace has time for.
const SEEDS: u64 = 150;

/// Seeds that once ended a node.
const ONCE: [u64; 0] = [];

#[test]
fn no_frame_of_a_peer_ends_a_core_nor_its_next_start() {
    let mut sum = Reached::default();
    for seed in (1..=SEEDS).chain(ONCE) {
        let played = std::panic::catch_unwind(|| run_seed(seed));
        sum += played.unwrap_or_else(|_| panic!("seed {seed} ends a core"));
    }
    // a harness that reaches nothing finds nothing
    assert!(sum.frames > SEEDS * 20 && sum.refused > SEEDS && sum.starts > SEEDS && sum.reigns > SEEDS, "{sum:?}");
}

#[test]
fn an_input_without_a_decision_is_a_group_that_works_and_starts_again() {
    let played = run(&[]);
    assert_eq!((played.refused, played.frames > 0), (0, true), "{played:?}");
}
