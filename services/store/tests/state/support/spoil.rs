//! Changes a row on disk behind the store's back, like a disk that returns other bytes than were written. Only for tests; the
//! store must be closed.

use std::{fs, path::Path};

use fjall::{Database, KeyspaceCreateOptions, PersistMode};

/// Changes the last letter of `phrase` in the first state row that holds it.
#[allow(unreachable_pub)] // each user is a program of its own
pub fn spoil(dir: &Path, phrase: &str) {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let generation = entries.into_iter().find(|path| path.is_dir()).expect("a store has a generation");
    let database = Database::builder(generation).open().unwrap();
    let state = database.keyspace("state", KeyspaceCreateOptions::default).unwrap();
    let place = |value: &[u8]| value.windows(phrase.len()).position(|window| window == phrase.as_bytes());
    let rows = state.iter().map(|pair| pair.into_inner().unwrap());
    let (key, value, at) = rows
        .into_iter()
        .filter(|(key, _)| key[0] > 0)
        .find_map(|(key, value)| place(&value).map(|at| (key, value, at)))
        .expect("some row holds the phrase");
    let mut bytes = value.to_vec();
    let letter = &mut bytes[at + phrase.len() - 1];
    *letter = if *letter == b'0' { b'1' } else { b'0' };
    state.insert(key, bytes).unwrap();
    database.persist(PersistMode::SyncAll).unwrap();
}
