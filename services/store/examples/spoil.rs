//! `spoil DIR PHRASE`: changes a row of a closed store behind its back, for the end-to-end tests.

#![allow(clippy::unwrap_used, missing_docs)] // a tool of tests

#[path = "../tests/state/support/spoil.rs"]
mod spoil;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    spoil::spoil(std::path::Path::new(&words[0]), &words[1]);
}
