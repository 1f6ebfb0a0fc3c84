//! The items of a declaration: what merging and comparing need of each kind.
//!
//! One file a kind has the rules of its values. Called by `merge`, `differences` and `dbids`.

use super::Faults;
use crate::{names::hidden_letter, rules::NAME_BYTES_MAX};

/// Keys of an item with their values as text, each key always there and in the same order.
pub(super) type Pairs = Vec<(&'static str, String)>;

/// An item as differences show it.
pub(super) trait Shown {
    /// The word for such an item in a difference.
    const WORD: &'static str;

    /// The name, unique among items of the kind.
    fn name(&self) -> String;

    /// Its keys and values.
    fn pairs(&self) -> Pairs;
}

/// An item that a file names.
pub(super) trait Item: Shown + Clone {
    /// The name of the kind in files and paths.
    const KIND: &'static str;

    /// Writes the name in its canonical form.
    fn tidy(&mut self) {}

    /// Takes over the keys that a file names.
    fn take(&mut self, named: Self);

    /// Gives keys without a value their default, and checks the values alone; references are checked later.
    fn complete(&mut self, faults: &mut Faults);

    /// The DBID; none: not given yet, or the kind has none.
    fn dbid(&self) -> Option<u32> {
        None
    }

    /// Gives a DBID to an item without one.
    fn set_dbid(&mut self, _: u32) {}
}

/// The path of a key of an item.
pub(super) fn path<T: Item>(item: &T, key: &str) -> String {
    format!("{}.{}.{key}", T::KIND, item.name())
}

/// Sets a value that a file names.
pub(super) fn set<T>(place: &mut Option<T>, named: Option<T>) {
    if named.is_some() {
        *place = named;
    }
}

/// The text of a value.
pub(super) fn text<T: ToString>(value: &Option<T>) -> String {
    value.as_ref().map(T::to_string).unwrap_or_default()
}

/// Checks the name of a new item.
pub(super) fn check_name(kind: &str, name: &str, faults: &mut Faults) {
    let path = || format!("{kind}.{name}.name");
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        faults.add(path(), format!("has 1 to {NAME_BYTES_MAX} bytes"));
    } else if matches!(name, "." | "..") {
        faults.add(path(), "is neither . nor .., since a path cannot name it");
    } else if let Some(letter) = hidden_letter(name) {
        let number = u32::from(letter);
        faults.add(path(), format!("has a control, format or line-separator character, U+{number:04X}"));
    }
}

/// Gives a number its default, and checks its range.
pub(super) fn number<T: Item>(
    item: &T,
    key: &str,
    given: Option<u32>,
    default: u32,
    range: (u32, u32),
    faults: &mut Faults,
) -> Option<u32> {
    let value = given.unwrap_or(default);
    if !(range.0..=range.1).contains(&value) {
        faults.add(path(item, key), format!("is {value}, and must be from {} to {}", range.0, range.1));
    }
    Some(value)
}

/// Notes that a new item lacks a key without a default.
pub(super) fn missing<T: Item>(item: &T, key: &str, faults: &mut Faults) {
    faults.add(path(item, key), "is missing");
}

/// The value of a tenant's key: the default tenant has the name "" in rows.
pub(super) fn tenant(given: Option<String>) -> Option<String> {
    let name = given.unwrap_or_default();
    Some(if name == outbound::declaration::DEFAULT_TENANT { String::new() } else { name })
}
