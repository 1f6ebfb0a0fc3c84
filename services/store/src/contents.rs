//! Which request stands under a content (spec 6, Exactly once): an index that is held in memory and never written.
//!
//! It follows from the requests that are remembered, at most a minute of them, and every update changes it twice: in the
//! engine it would cost two of five writes, and as many reads of rows that went to disk meanwhile. Never part of the digest.
//! Kept by [`crate::Store`], the only writer; a judge makes one of an older state.

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
    /// Of the requests that a state remembers; `each` gets the engine's key of every one of them.
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
                // A later request takes the place of one with the same content; within one stamp there is no second.
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

    /// A request is forgotten; what leads to a later one stays.
    pub(crate) fn forget(&mut self, id: RequestId, contents: &[Vec<u8>]) {
        for content in contents {
            if self.0.get(content.as_slice()) == Some(&id) {
                self.0.remove(content.as_slice());
            }
        }
    }

    /// The row under a content is now this one.
    pub(crate) fn set(&mut self, content: Encoded, row: Option<&Row>) {
        match row {
            Some(Row::Content(id)) => self.0.insert(content, id.into()),
            _ => self.0.remove(content.as_slice()),
        };
    }
}
