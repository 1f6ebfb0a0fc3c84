//! Reads the rows of attempts out of a copy of a stopped node's state. Called by `main`.

use std::{
    fmt::Display,
    fs::{self, File},
    io,
    path::Path,
};

use records::{AttemptSubject, Bound, Key, Row, Table, View};
use store::{Store, StoreConfig, owner};

use crate::attempt::{Attempt, number};

/// The node's lock, and its state.
const LOCK: &str = "lock";
const STATE: &str = "state";

/// Every attempt on a phone that the node's state holds, with the phone of its record.
///
/// # Errors
/// The node runs, or its state cannot be read.
pub(crate) fn attempts(data: &Path) -> Result<Vec<(Attempt, String)>, String> {
    let failed = |what: &str, error: &dyn Display| format!("{what} in {}: {error}", data.display());
    let lock = File::open(data.join(LOCK)).map_err(|error| failed("no lock", &error))?;
    lock.try_lock().map_err(|error| failed("the node runs", &error))?; // held until the state is copied
    let copy = tempfile::tempdir().map_err(|error| failed("no copy of the state", &error))?;
    copy_below(&data.join(STATE), copy.path()).map_err(|error| failed("no copy of the state", &error))?;
    drop(lock);
    let owner = owner(copy.path()).map_err(|error| failed("no state", &error))?;
    let store =
        Store::open(copy.path(), StoreConfig::new(owner.cluster)).map_err(|error| failed("no state", &error))?;
    Ok(of_state(&store.reader().snapshot()))
}

fn of_state(state: &impl View) -> Vec<(Attempt, String)> {
    let bound = Bound { table: Table::Attempt, from: Vec::new(), prefix: Vec::new() };
    let rows = state.next(&bound, u32::MAX).into_iter();
    rows.filter_map(|(key, row)| attempt(key, row, state)).collect()
}

/// The attempt of a row; none: the attempt counts for a customer or a chain.
fn attempt(key: Key, row: Row, state: &impl View) -> Option<(Attempt, String)> {
    let Key::Attempt { subject: AttemptSubject::Phone(tenant, phone), stamp_us, handle } = key else { return None };
    let Row::Attempt(row) = row else { return None };
    let attempt = Attempt { tenant, number: number(&phone), stamp_us, handle: handle.0, campaign: row.campaign };
    let phone_now = match state.get(&Key::Record(handle)) {
        Some(Row::Record(record)) => record.contact_info.clone(),
        _ => "gone".to_owned(),
    };
    Some((attempt, phone_now))
}

/// Copies the files and directories below a directory.
fn copy_below(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            fs::create_dir(&to)?;
            copy_below(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), &to)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use outbound::Handle;
    use records::{AttemptRow, Change, Changes, RecordRow};
    use store::AppliedMark;

    use super::*;

    const CLUSTER: [u8; 16] = [7; 16];

    fn set(key: Key, new: Row) -> Change {
        Change { key, old: None, new: Some(new) }
    }

    #[test]
    fn attempts_on_phones_are_read_from_a_copy_and_never_beside_a_running_node() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path();
        let lock = File::create(data.join(LOCK)).unwrap();
        let mut store = Store::open(&data.join(STATE), StoreConfig::new(CLUSTER)).unwrap();
        let handle = Handle(15);
        let record = RecordRow { contact_info: "00999 30 1".to_owned(), ..RecordRow::default() };
        let row = || Row::Attempt(AttemptRow { campaign: 102, list: 101, result: None });
        let phone = AttemptSubject::Phone(0, "+999301".to_owned());
        let changes = vec![
            set(Key::Record(handle), Row::Record(record.into())),
            set(Key::Attempt { subject: phone, stamp_us: 5, handle }, row()),
            set(Key::Attempt { subject: AttemptSubject::Chain(101, 1), stamp_us: 5, handle }, row()),
        ];
        store.write(&Changes(changes), &AppliedMark { index: 1, ..AppliedMark::default() }).unwrap();
        drop(store);
        lock.lock().unwrap();
        assert!(attempts(data).unwrap_err().contains("the node runs"));
        drop(lock);
        let found = Attempt { tenant: 0, number: "999301".to_owned(), stamp_us: 5, handle: 15, campaign: 102 };
        assert_eq!(attempts(data), Ok(vec![(found, "00999 30 1".to_owned())]));
    }
}
