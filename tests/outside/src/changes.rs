//! Changes of an input, drawn from a seed: bytes that are other, gone, doubled or moved.

use rand::{Rng, SeedableRng, rngs::StdRng};

/// Changes of one input, at most.
const CHANGES_MAX: usize = 6;
/// Longest run of bytes that one change moves.
const RUN_MAX: usize = 64;
/// Bytes over which readers stumble.
const ODD: [u8; 16] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'\'', b'\\', b'\n', b'\r', b',', b'%', b'{', b'[', b'=', b' '];

/// The input with some changes; the same seed makes the same changes.
pub fn changed(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut changed = bytes.to_vec();
    for _ in 0..rng.random_range(1..=CHANGES_MAX) {
        change(&mut changed, &mut rng);
    }
    changed
}

fn change(bytes: &mut Vec<u8>, rng: &mut StdRng) {
    let at = rng.random_range(0..=bytes.len());
    let end = (at + rng.random_range(1..=RUN_MAX)).min(bytes.len());
    let odd = ODD[rng.random_range(0..ODD.len())];
    match rng.random_range(0..6) {
        0 => bytes.insert(at, odd),
        1 => drop(bytes.drain(at..end)),
        2 => bytes.truncate(at),
        3 => {
            let run = bytes[at..end].to_vec();
            let to = rng.random_range(0..=bytes.len());
            drop(bytes.splice(to..to, run));
        }
        4 => bytes[at..end].iter_mut().take(1).for_each(|byte| *byte ^= 1u8 << rng.random_range(0..8u32)),
        _ => bytes[at..end].iter_mut().take(1).for_each(|byte| *byte = odd),
    }
}
