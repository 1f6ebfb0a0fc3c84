//! The index from a content to its request (spec 6, Exactly once): held in memory, never written.
//!
//! The remembered requests, at most a minute of them, are its source: the index is a cache of a table that the rules write and
//! remove. Every update changes this index twice: in the engine the index would cost two of five writes, and as many reads of
//! flushed rows. Never part of the digest. Kept by [`crate::Store`],
//! the only writer; a judge builds an index of an older state.

use std::collections::HashMap;

use fjall::Snapshot;
use foldhash::fast::RandomState;
use outbound::RequestId;
use records::{Encoded, Key, RequestIdRow, RequestRow, Row};

use crate::{
    engine::Engine,
    error::StoreError,
    requests::{self, Floors},
    rows,
};

/// Requests by encoded content key.
#[derive(Default)]
pub(crate) struct Contents(HashMap<Encoded, RequestId, RandomState>);

impl Contents {
    /// The index over the requests that a state remembers; `each` gets the engine's key of every such request.
    pub(crate) fn of(
        engine: &Engine,
        at: Option<&Snapshot>,
        floors: &Floors,
        mut each: impl FnMut(&[u8]),
    ) -> Result<Self, StoreError> {
        let mut newest: HashMap<Vec<u8>, (u64, RequestId), RandomState> = HashMap::default();
        for pair in requests::all(engine, at, floors) {
            let (key, value) = pair.map_err(StoreError::engine("reading the requests"))?;
            each(&key);
            let (Key::Request(id), Row::Request(RequestRow { stamp_us, contents, .. })) = rows::pair(&key, &value)?
            else {
                continue;
            };
            for content in contents {
                // A later request replaces an earlier one of the same content; two requests of one content never share a stamp.
                let stands = newest.entry(content).or_insert((stamp_us, id));
                if stands.0 < stamp_us {
                    *stands = (stamp_us, id);
                }
            }
        }
        Ok(Self(newest.into_iter().map(|(content, (_, id))| (Encoded::from_vec(content), id)).collect()))
    }

    pub(crate) fn get(&self, content: &[u8]) -> Option<Row> {
        self.0.get(content).map(|id| Row::Content(RequestIdRow::from(*id)))
    }

    /// Takes a change of the rules over.
    pub(crate) fn set(&mut self, content: Encoded, row: Option<&Row>) {
        match row {
            Some(Row::Content(id)) => self.0.insert(content, id.into()),
            _ => self.0.remove(content.as_slice()),
        };
    }
}
