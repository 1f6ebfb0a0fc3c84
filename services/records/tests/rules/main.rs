//! The rules, played on states in memory. One program holds all of these tests: each program builds the rules for its view anew,
//! which takes longer than most tests run.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)] // a topic uses a part of its stage; a test may unwrap

mod attributes;
mod audit;
mod bring_up;
mod campaigns;
mod common;
mod declare;
mod declaring;
mod deletion;
mod do_not_call;
mod due;
mod golden;
mod life;
mod limits;
mod outbox;
mod parted;
mod patch;
mod preview;
mod properties;
mod scheduled_switchover;
mod stage;
mod states;
mod tables;
mod tokens;
mod treatments;
mod unknown_keys;
