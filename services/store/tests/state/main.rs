//! The state on a disk. One program holds all of these tests: each program builds the engine and the rules for its view anew, which
//! takes longer than most tests run.

#![allow(clippy::unwrap_used)] // a failed `unwrap` fails the test

mod archive;
mod contents;
mod heads;
mod parted;
mod requests;
#[path = "support/spoil.rs"]
mod spoil;
mod store;
mod support;
mod transfer;
mod view_contract;
