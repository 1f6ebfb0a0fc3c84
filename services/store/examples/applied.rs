//! `applied DIR`: prints the index up to which a closed store has applied the log, for the end-to-end tests.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)] // a tool of tests

use std::{env, fs, path::PathBuf};

use store::{Store, StoreConfig};

/// The bytes of the cluster id in the stamp of a store.
const CLUSTER: std::ops::Range<usize> = 12..28;

fn main() {
    let dir = PathBuf::from(env::args().nth(1).unwrap());
    let cluster = fs::read(dir.join("STAMP")).unwrap()[CLUSTER].try_into().unwrap();
    let store = Store::open(&dir, StoreConfig::new(cluster)).unwrap();
    println!("{}", store.applied().index);
}
