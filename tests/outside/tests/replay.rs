//! Every kept seed before its reader, and a fixed number of inputs made of the seeds; `make fuzz` and `tests/fuzz` play many more.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its seeds fails")]

use std::{fs, panic::catch_unwind, path::Path};

use ocs_outside::{INPUT_BYTES_MAX, Seeds, TARGETS, Target};

/// Inputs of each reader that a test of the workspace has time for.
const INPUTS: u64 = 1200;

/// Inputs that once ended a reader.
const ONCE: [(&str, u64); 0] = [];

/// A reader outlives its seeds and their changes, and takes some seeds and refuses others: else the seeds show nothing.
fn stands(name: &str) {
    let target = Target::named(name);
    let seeds = Seeds::of(target).unwrap();
    let mut taken = 0;
    for (seed, bytes) in seeds.kept() {
        assert!(bytes.len() <= INPUT_BYTES_MAX, "{seed} is too long");
        let played = catch_unwind(|| target.play(bytes));
        taken += usize::from(played.unwrap_or_else(|_| panic!("the reader of {name} panics at {seed}")));
    }
    let kept = seeds.kept().len();
    assert!(taken > 0 && taken < kept, "{taken} of the {kept} seeds of {name} are taken");
    let once = ONCE.iter().filter(|(of, _)| *of == name).map(|(_, number)| *number);
    let (mut changed_taken, mut played) = (0, 0);
    for number in (1..=INPUTS).chain(once) {
        changed_taken += u64::from(seeds.play(number).unwrap_or_else(|fault| panic!("{fault}")));
        played += 1;
    }
    // changes that spoil everything, or nothing, reach no depth
    assert!(changed_taken > 0 && changed_taken < played, "{changed_taken} of {played} inputs of {name} are taken");
}

#[test]
fn no_request_over_http_ends_its_translation() {
    stands("requests");
}

#[test]
fn no_bytes_of_a_client_end_the_front_or_get_an_answer_behind_the_last() {
    stands("front");
}

#[test]
fn no_message_of_a_peer_ends_its_reader() {
    stands("peers");
}

#[test]
fn no_frame_on_the_link_ends_its_reader() {
    stands("link");
}

#[test]
fn no_damage_to_a_log_ends_its_opening() {
    stands("log");
}

#[test]
fn no_file_of_records_ends_its_import() {
    stands("records");
}

#[test]
fn no_file_of_do_not_call_entries_ends_its_import() {
    stands("entries");
}

#[test]
fn no_file_of_declarations_ends_its_application_and_a_written_one_is_read_alike() {
    stands("declarations");
}

/// The seed with this name is refused by its reader.
fn refused(target: &str, name: &str) -> bool {
    let target = Target::named(target);
    let seeds = Seeds::of(target).unwrap();
    let (_, bytes) = seeds.kept().iter().find(|(kept, _)| kept == name).unwrap();
    !target.play(bytes)
}

#[test]
fn records_of_a_log_with_right_checksums_and_impossible_numbers_are_refused() {
    for name in [
        "a_forged_head_of_no_length",
        "a_forged_entry_of_index_0",
        "a_forged_entry_of_a_falling_term",
        "a_forged_start_above_the_last_entry",
        "a_forged_base_in_the_middle",
    ] {
        assert!(refused("log", name), "{name}");
    }
    assert!(!refused("log", "a_forged_entry_that_follows"), "a forged entry with right numbers is an entry");
}

#[test]
fn an_input_is_the_same_at_every_run_and_a_fault_tells_how_to_play_it_again() {
    let seeds = Seeds::of(Target::named("requests")).unwrap();
    assert_eq!(seeds.input(77), Seeds::of(Target::named("requests")).unwrap().input(77));
    assert_eq!(seeds.again(77), "make fuzz TARGET=requests SEED=77");
}

#[test]
fn every_directory_of_seeds_has_its_target() {
    let kept = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds")).unwrap();
    let mut kept: Vec<_> = kept.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    let mut named: Vec<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    kept.sort();
    named.sort();
    assert_eq!(kept, named);
}

#[test]
fn every_reader_has_its_target_of_cargo_fuzz() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let manifest = fs::read_to_string(directory.join("Cargo.toml")).unwrap();
    for Target { name, .. } in TARGETS {
        assert!(manifest.contains(&format!("[[bin]]\nname = \"{name}\"\npath = \"{name}.rs\"\n")), "{name}");
        let target = fs::read_to_string(directory.join(format!("{name}.rs"))).unwrap();
        assert!(target.contains(&format!("Target::named(\"{name}\").play(bytes)")), "{name}");
    }
}
