//! Every kept seed, unchanged and with changes, before its reader; `tests/fuzz` plays many more.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its seeds fails")]

use std::{fs, panic::catch_unwind, path::Path};

use ocs_outside::{INPUT_BYTES_MAX, TARGETS, Target, changed};

/// Changes of each seed that a test of the workspace has time for.
const CHANGES: u64 = 60;

/// The seeds of a target, by their names.
fn seeds(target: Target) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target.name);
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let seed = |path: &Path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap());
    paths.iter().map(|path| seed(path)).collect()
}

fn played(target: Target, bytes: &[u8], what: &str) -> bool {
    catch_unwind(|| target.play(bytes)).unwrap_or_else(|_| panic!("the reader of {} ends at {what}", target.name))
}

/// A reader outlives its seeds and their changes, and takes some seeds and refuses others: else the seeds show nothing.
fn stands(name: &str) {
    let target = Target::named(name);
    let seeds = seeds(target);
    let mut taken = 0;
    for (seed, bytes) in &seeds {
        assert!(bytes.len() <= INPUT_BYTES_MAX, "{seed} is too long");
        taken += usize::from(played(target, bytes, seed));
        for change in 1..=CHANGES {
            played(target, &changed(bytes, change), &format!("{seed}, change {change}"));
        }
    }
    assert!(taken > 0 && taken < seeds.len(), "{taken} of the {} seeds of {name} are taken", seeds.len());
}

#[test]
fn no_request_over_http_ends_its_translation() {
    stands("requests");
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

#[test]
fn every_directory_of_seeds_has_its_target() {
    let kept = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds")).unwrap();
    let mut kept: Vec<_> = kept.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    let mut named: Vec<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    kept.sort();
    named.sort();
    assert_eq!(kept, named);
}
