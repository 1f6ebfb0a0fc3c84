//! The store's own facts about its state: the applied mark, the digests, the form of the index rows.
//!
//! Mark and digests are part of the batch of the changes that they cover. The digest excludes these rows. Called by `store`,
//! `export`, `ingest`, `indexes`.

use std::collections::VecDeque;

use prost::Message;

use crate::error::StoreError;

/// A digest is kept for every index divisible by this (architecture, Storage).
pub const DIGEST_INTERVAL: u64 = 1024;
/// Count of digests kept.
pub const DIGESTS_KEPT: usize = 64;

/// The last applied entry, with the membership at its index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AppliedMark {
    /// Index of the last entry applied; 0: none.
    pub index: u64,
    /// The term of that entry.
    pub term: u64,
    /// The membership at that index, encoded by the caller.
    pub conf_state: Vec<u8>,
}

/// The mark with the digest at its index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct StateMark {
    pub(crate) applied: AppliedMark,
    pub(crate) digest: u128,
}

/// [`StateMark`] on disk.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct StateRow {
    #[prost(uint64, tag = "1")]
    index: u64,
    #[prost(uint64, tag = "2")]
    term: u64,
    #[prost(bytes = "vec", tag = "3")]
    conf_state: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    digest: Vec<u8>,
}

impl StateMark {
    pub(crate) fn to_row(&self) -> StateRow {
        let AppliedMark { index, term, conf_state } = self.applied.clone();
        StateRow { index, term, conf_state, digest: self.digest.to_be_bytes().to_vec() }
    }

    pub(crate) fn from_row(row: StateRow) -> Result<Self, StoreError> {
        let applied = AppliedMark { index: row.index, term: row.term, conf_state: row.conf_state };
        Ok(Self { applied, digest: digest_from(&row.digest)? })
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let row = StateRow::decode(bytes).map_err(|error| damaged("applied mark", &error))?;
        Self::from_row(row)
    }
}

/// The digests kept, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Digests(VecDeque<(u64, u128)>);

/// [`Digests`] on disk.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct DigestsRow {
    #[prost(message, repeated, tag = "1")]
    kept: Vec<DigestRow>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct DigestRow {
    #[prost(uint64, tag = "1")]
    index: u64,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

impl Digests {
    /// Adds the newest digest and drops the oldest beyond the limit.
    pub(crate) fn push(&mut self, index: u64, value: u128) {
        self.0.push_back((index, value));
        if self.0.len() > DIGESTS_KEPT {
            self.0.pop_front();
        }
    }

    pub(crate) fn at(&self, index: u64) -> Option<u128> {
        self.0.iter().rev().find(|(kept, _)| *kept == index).map(|(_, value)| *value)
    }

    pub(crate) fn newest(&self) -> Option<(u64, u128)> {
        self.0.back().copied()
    }

    pub(crate) fn kept(&self) -> Vec<(u64, u128)> {
        self.0.iter().copied().collect()
    }

    pub(crate) fn to_row(&self) -> DigestsRow {
        let row = |(index, value): &(u64, u128)| DigestRow { index: *index, value: value.to_be_bytes().to_vec() };
        DigestsRow { kept: self.0.iter().map(row).collect() }
    }

    pub(crate) fn from_row(row: DigestsRow) -> Result<Self, StoreError> {
        let one = |row: DigestRow| Ok((row.index, digest_from(&row.value)?));
        Ok(Self(row.kept.into_iter().map(one).collect::<Result<_, StoreError>>()?))
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let row = DigestsRow::decode(bytes).map_err(|error| damaged("digests", &error))?;
        Self::from_row(row)
    }
}

/// The first form of the index rows. A store of this form has no mark of the form: releases without forms read the store.
pub(crate) const INDEX_FORM_FIRST: u32 = 1;

/// The form of the index rows on disk.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct IndexMark {
    /// The form of the rows, or the form that a rebuild writes.
    #[prost(uint32, tag = "1")]
    pub(crate) form: u32,
    /// The last transaction of a rebuild; none: every row is written.
    #[prost(message, optional, tag = "2")]
    pub(crate) rebuild: Option<RebuildMark>,
}

/// The last transaction of a rebuild of the index rows.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct RebuildMark {
    /// The rows of the other form are removed, and the rebuild writes rows.
    #[prost(bool, tag = "1")]
    pub(crate) removed: bool,
    /// The engine's key of the last row read: of the indexes during the removal, of the state afterwards. Empty: none yet.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) last: Vec<u8>,
    /// The rebuild writes rows of tables with this tag and higher: lower tables have their rows. 0: of every table. A release that
    /// does not know this field writes every table from `last` on.
    #[prost(uint32, tag = "3")]
    pub(crate) tables_from: u32,
}

impl IndexMark {
    /// The mark of a store without a mark.
    pub(crate) fn first() -> Self {
        Self { form: INDEX_FORM_FIRST, rebuild: None }
    }

    pub(crate) fn of(bytes: &[u8]) -> Result<Self, StoreError> {
        Self::decode(bytes).map_err(|error| damaged("mark of the indexes", &error))
    }

    /// Whether every index row has this form.
    pub(crate) fn is_whole(&self, form: u32) -> bool {
        self.form == form && self.rebuild.is_none()
    }
}

/// Refuses absent bytes: a state always has a digest.
fn digest_from(bytes: &[u8]) -> Result<u128, StoreError> {
    let bytes: [u8; 16] = bytes.try_into().map_err(|_| StoreError::Damaged("a digest is not 16 bytes".to_owned()))?;
    Ok(u128::from_be_bytes(bytes))
}

fn damaged(what: &str, error: &prost::DecodeError) -> StoreError {
    StoreError::Damaged(format!("its {what} cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_64_digests_are_kept_and_survive_encoding() {
        let mut digests = Digests::default();
        (1..=100_u64).for_each(|n| digests.push(n * DIGEST_INTERVAL, u128::from(n) << 70));
        let digests = Digests::decode(&digests.to_row().encode_to_vec()).unwrap();
        assert_eq!(digests.newest(), Some((100 * DIGEST_INTERVAL, 100 << 70)));
        assert_eq!(digests.at(37 * DIGEST_INTERVAL), Some(37 << 70));
        assert_eq!(digests.at(36 * DIGEST_INTERVAL), None);
    }
}
