//! Changes of an input, drawn from a seed: bytes that are other, gone, doubled, moved, taken from another input, or numbers at an edge.

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::INPUT_BYTES_MAX;

/// Changes of one input, at most.
const CHANGES_MAX: usize = 6;
/// Longest run of bytes that one change moves, mostly and once in [`LONG_ONCE_IN`].
const RUN_MAX: usize = 64;
const LONG_RUN_MAX: usize = 4096;
const LONG_ONCE_IN: u32 = 16;
/// Repetitions of a run, at most.
const TIMES_MAX: usize = 40;
/// Bytes over which readers stumble.
const ODD: [u8; 16] = [0, 1, 0x7f, 0x80, 0xff, b'"', b'\'', b'\\', b'\n', b'\r', b',', b'%', b'{', b'[', b'=', b' '];
/// Numbers at the edges of their types, in binary.
const EDGES: [u64; 12] =
    [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 32, i64::MAX as u64, u64::MAX];
/// Numbers at the edges of their types, and words that some parsers take for numbers, in text.
const WORDS: [&[u8]; 12] = [
    b"0",
    b"-1",
    b"2147483648",
    b"4294967296",
    b"9223372036854775807",
    b"-9223372036854775809",
    b"18446744073709551616",
    b"1e400",
    b"-0.0",
    b"NaN",
    b"99999-99-99",
    b"2025-02-30",
];

/// The input with some changes, which take bytes of `others` too; the same seed makes the same changes. Within
/// [`INPUT_BYTES_MAX`].
pub fn changed<B: AsRef<[u8]>>(bytes: &[u8], others: &[B], seed: u64) -> Vec<u8> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut changed = bytes.to_vec();
    for _ in 0..rng.random_range(1..=CHANGES_MAX) {
        change(&mut changed, others, &mut rng);
        changed.truncate(INPUT_BYTES_MAX);
    }
    changed
}

fn change<B: AsRef<[u8]>>(bytes: &mut Vec<u8>, others: &[B], rng: &mut StdRng) {
    let (at, end) = run(bytes.len(), rng);
    match rng.random_range(0..10) {
        0 => bytes.insert(at, ODD[rng.random_range(0..ODD.len())]),
        1 => drop(bytes.drain(at..end)),
        2 => bytes.truncate(at),
        3 => {
            let moved = bytes[at..end].to_vec();
            put_in(bytes, &moved, rng);
        }
        4 => bytes[at..end].iter_mut().take(1).for_each(|byte| *byte ^= 1u8 << rng.random_range(0..8u32)),
        5 => {
            let odd = ODD[rng.random_range(0..ODD.len())];
            bytes[at..end].iter_mut().take(1).for_each(|byte| *byte = odd);
        }
        6 => {
            let repeated = bytes[at..end].repeat(rng.random_range(2..=TIMES_MAX));
            put_in(bytes, &repeated, rng);
        }
        7 => splice(bytes, others, rng),
        8 => number(bytes, at, rng),
        _ => put_in(bytes, WORDS[rng.random_range(0..WORDS.len())], rng),
    }
}

/// A run of bytes: from where, and up to where.
fn run(length: usize, rng: &mut StdRng) -> (usize, usize) {
    let longest = if rng.random_ratio(1, LONG_ONCE_IN) { LONG_RUN_MAX } else { RUN_MAX };
    let at = rng.random_range(0..=length);
    (at, (at + rng.random_range(1..=longest)).min(length))
}

fn put_in(bytes: &mut Vec<u8>, new: &[u8], rng: &mut StdRng) {
    let to = rng.random_range(0..=bytes.len());
    drop(bytes.splice(to..to, new.iter().copied()));
}

/// A run of another input replaces the rest of the input, or stands within the input.
fn splice<B: AsRef<[u8]>>(bytes: &mut Vec<u8>, others: &[B], rng: &mut StdRng) {
    if others.is_empty() {
        return;
    }
    let other = others[rng.random_range(0..others.len())].as_ref();
    let (from, to) = run(other.len(), rng);
    if rng.random_bool(0.5) {
        bytes.truncate(rng.random_range(0..=bytes.len()));
        bytes.extend_from_slice(&other[from..]);
    } else {
        put_in(bytes, &other[from..to], rng);
    }
}

/// A number at an edge over the bytes at a place, in 1, 2, 4 or 8 bytes of either order, or as protobuf writes a length.
fn number(bytes: &mut Vec<u8>, at: usize, rng: &mut StdRng) {
    let number = EDGES[rng.random_range(0..EDGES.len())];
    let width = 1_usize << rng.random_range(0..4u32);
    let new = match rng.random_range(0..3) {
        0 => number.to_le_bytes()[..width].to_vec(),
        1 => number.to_be_bytes()[8 - width..].to_vec(),
        _ => varint(number),
    };
    let end = (at + new.len()).min(bytes.len());
    drop(bytes.splice(at..end, new));
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: &[u8] = b"phone,name\n15551234567,Miller\n15557654321,Smith\n";

    #[test]
    fn a_seed_makes_the_same_changes_each_time_and_other_seeds_make_others() {
        let inputs: Vec<_> = (0..500).map(|seed| changed(INPUT, &[b"other"], seed)).collect();
        let again: Vec<_> = (0..500).map(|seed| changed(INPUT, &[b"other"], seed)).collect();
        assert!(inputs == again);
        let distinct = inputs.iter().collect::<std::collections::BTreeSet<_>>().len();
        assert!(distinct > 400, "{distinct} inputs of 500 seeds");
    }

    #[test]
    fn changes_reach_other_inputs_words_long_blocks_and_the_empty_input() {
        let inputs: Vec<_> = (0..2000).map(|seed| changed(INPUT, &[b"<other>"], seed)).collect();
        let has = |part: &[u8]| inputs.iter().any(|input| input.windows(part.len()).any(|window| window == part));
        assert!(has(b"other>") && has(b"18446744073709551616") && has(&[0xff; 8]));
        assert!(inputs.iter().any(|input| input.len() > 20 * INPUT.len()));
        assert!(inputs.iter().any(Vec::is_empty));
    }

    #[test]
    fn no_change_makes_an_input_too_long_nor_needs_bytes() {
        let long = vec![b'x'; INPUT_BYTES_MAX];
        let none: [&[u8]; 0] = [];
        for seed in 0..300 {
            assert!(changed(&long, &[INPUT], seed).len() <= INPUT_BYTES_MAX);
            changed(b"", &none, seed);
        }
    }

    #[test]
    fn a_number_is_written_as_protobuf_writes_it() {
        assert_eq!([varint(0), varint(0x7f), varint(300)], [vec![0], vec![0x7f], vec![0xac, 2]]);
    }
}
