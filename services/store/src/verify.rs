//! Recomputes the digest from the rows on disk (`ocsctl verify`, the daily scan). Called by `reader`, and by tests.

use crate::{StateSnapshot, error::StoreError, requests, rows};

/// Bytes read between two calls of the pacer.
const STEP_BYTES: u64 = 1 << 20;

/// The digest recomputed from the rows on disk, beside the digest updated with every change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// The applied index of the state that was read.
    pub index: u64,
    /// The digest updated with every change.
    pub recorded: u128,
    /// The digest of the rows found.
    pub recomputed: u128,
    /// How many state rows were found.
    pub rows: u64,
}

impl Verified {
    /// Whether the rows on disk are those written.
    pub fn equal(&self) -> bool {
        self.recorded == self.recomputed
    }
}

/// Reads every state row of one consistent state. An unreadable row is an error here, not the end of the process.
/// None: stopped by the pacer.
pub(crate) fn verify(
    snapshot: &StateSnapshot,
    mut pace: impl FnMut(u64) -> bool,
) -> Result<Option<Verified>, StoreError> {
    let mut recomputed = 0_u128;
    let (mut count, mut bytes) = (0, 0);
    let seed = rows::digest_seed(snapshot.engine().cluster());
    for pair in requests::state_rows(snapshot.engine(), snapshot.at(), snapshot.floors()) {
        let (key, value) = pair.map_err(StoreError::engine("reading the rows"))?;
        recomputed = recomputed.wrapping_add(rows::digest(seed, &key, &value)?);
        count += 1;
        bytes += (key.len() + value.len()) as u64;
        if bytes >= STEP_BYTES && !pace(std::mem::take(&mut bytes)) {
            return Ok(None);
        }
    }
    Ok(Some(Verified { index: snapshot.applied().index, recorded: snapshot.digest(), recomputed, rows: count }))
}
