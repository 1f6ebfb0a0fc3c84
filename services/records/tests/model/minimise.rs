//! The fewest steps of a sequence after which the rules and the model still differ.

use std::collections::BTreeMap;

use crate::{Sequence, steps::Step};

/// A step, or due work.
#[derive(Debug, Clone)]
pub enum Deed {
    Step(Step),
    Due,
}

/// A deed with the time before its first command.
#[derive(Debug, Clone)]
pub struct Done {
    pub now_us: u64,
    pub deed: Deed,
}

/// A difference after the fewest steps: parts of the sequence are left out, smaller ones each time, as long as a difference stays. A
/// step that is left out moves no time and no random byte of the others; the handles behind an AddRecord change.
pub fn shown(seed: u64, done: Vec<Done>, difference: String, drawn: &BTreeMap<u64, Vec<u8>>) -> String {
    let (mut done, mut difference) = (done, difference);
    let mut size = done.len();
    while size > 0 {
        let mut at = 0;
        let before = done.len();
        while at < done.len() {
            let mut fewer = done.clone();
            fewer.drain(at..done.len().min(at + size));
            match repeat(seed, &fewer, drawn) {
                Some(again) => (done, difference) = (fewer, again),
                None => at += size,
            }
        }
        if size > 1 || done.len() == before {
            size /= 2;
        }
    }
    difference
}

/// The difference after these deeds, if any.
fn repeat(seed: u64, done: &[Done], drawn: &BTreeMap<u64, Vec<u8>>) -> Option<String> {
    let mut sequence = Sequence::begin(seed);
    sequence.drawn = drawn.clone();
    done.iter().find_map(|Done { now_us, deed }| {
        sequence.now_us = *now_us;
        sequence.model.now_us = *now_us;
        sequence.do_next(deed.clone()).err()
    })
}
