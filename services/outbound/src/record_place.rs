//! Cursors of pages of records: a place in the order of a page, bound to its cluster, its list and its filter.
//!
//! A cursor holds no state of a server, so that a page goes on at another node, after a failover, and after changes. The check tells a
//! cut or a made-up cursor; the check is no signature, since a cursor gives no right. Called by the engine.

use sha2::{Digest, Sha256};

use crate::{Cursor, RecordsBy, RecordsQuery, Refusal, RefusalCode};

/// The form of cursors.
const FORM: u8 = 1;
/// Bytes of the parts: form, list, filter, place, check.
const LIST_AT: usize = 1;
const FILTER_AT: usize = LIST_AT + 4;
const PLACE_AT: usize = FILTER_AT + 8;
const CHECK_AT: usize = PLACE_AT + 8;
const BYTES: usize = CHECK_AT + 4;

impl RecordsQuery {
    /// The place behind which the page begins; none: the page is the first.
    ///
    /// # Errors
    /// BAD_VALUE: the cursor is cut, made up, or of another list, filter or cluster.
    pub fn place(&self, cluster: &[u8; 16], list: u32) -> Result<Option<u64>, Refusal> {
        let Some(Cursor(bytes)) = &self.after else { return Ok(None) };
        let place = bytes.get(PLACE_AT..CHECK_AT).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
        let is_of_this_page = |place: &u64| self.cursor(cluster, list, *place).0 == *bytes;
        let unknown = || {
            let message = "The cursor is none that a page of this list with this filter gave: begin without a cursor";
            Refusal::new(RefusalCode::BadValue, message)
        };
        place.filter(is_of_this_page).map(Some).ok_or_else(unknown)
    }

    /// The cursor of a page that ends at a place.
    pub fn cursor(&self, cluster: &[u8; 16], list: u32, place: u64) -> Cursor {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.push(FORM);
        bytes.extend_from_slice(&list.to_be_bytes());
        bytes.extend_from_slice(&self.filter_hash());
        bytes.extend_from_slice(&place.to_be_bytes());
        let check = Sha256::new().chain_update(cluster).chain_update(&bytes).finalize();
        bytes.extend_from_slice(&check[..BYTES - CHECK_AT]);
        Cursor(bytes)
    }

    /// A hash of every condition; a limit may differ from page to page.
    fn filter_hash(&self) -> [u8; PLACE_AT - FILTER_AT] {
        let (kind, text) = match &self.by {
            RecordsBy::RecordId => (0_u8, String::new()),
            RecordsBy::Phone(phone) => (1, phone.clone()),
            RecordsBy::Customer(customer) => (2, customer.clone()),
            RecordsBy::Chain(chain) => (3, chain.to_string()),
            RecordsBy::DueBefore(at_s) => (4, at_s.to_string()),
        };
        let mut hasher = Sha256::new().chain_update([kind]).chain_update((text.len() as u64).to_be_bytes());
        hasher.update(text);
        for values in [&self.beside.statuses, &self.beside.types, &self.beside.results] {
            let mut values = values.clone();
            values.sort_unstable();
            values.dedup();
            hasher.update((values.len() as u64).to_be_bytes());
            values.iter().for_each(|value| hasher.update(value.to_be_bytes()));
        }
        let mut hash = [0; PLACE_AT - FILTER_AT];
        hash.copy_from_slice(&hasher.finalize()[..PLACE_AT - FILTER_AT]);
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecordFilter;

    const CLUSTER: [u8; 16] = [7; 16];

    fn query() -> RecordsQuery {
        RecordsQuery {
            list: "demo".into(),
            tenant: String::new(),
            by: RecordsBy::Phone("+1".into()),
            beside: RecordFilter { statuses: vec![1, 2], ..RecordFilter::default() },
            limit: 10,
            after: None,
        }
    }

    fn behind(cursor: Cursor) -> RecordsQuery {
        RecordsQuery { after: Some(cursor), ..query() }
    }

    #[test]
    fn a_cursor_comes_back_as_its_place_whatever_the_limit_and_the_order_of_values() {
        for place in [0, 1, 300, u64::MAX] {
            let cursor = query().cursor(&CLUSTER, 101, place);
            assert_eq!(cursor.0.len(), BYTES);
            let beside = RecordFilter { statuses: vec![2, 1, 1], ..RecordFilter::default() };
            let next = RecordsQuery { limit: 1, beside, ..behind(cursor) };
            assert_eq!(next.place(&CLUSTER, 101), Ok(Some(place)));
        }
        assert_eq!(query().place(&CLUSTER, 101), Ok(None));
    }

    #[test]
    fn a_cursor_that_is_cut_changed_or_of_another_page_is_refused() {
        let cursor = query().cursor(&CLUSTER, 101, 300);
        let refused = |query: &RecordsQuery, cluster: &[u8; 16], list| {
            assert_eq!(query.place(cluster, list).unwrap_err().code, RefusalCode::BadValue, "{query:?}");
        };
        for length in 0..BYTES {
            refused(&behind(Cursor(cursor.0[..length].to_vec())), &CLUSTER, 101);
        }
        for at in 0..BYTES {
            let mut changed = cursor.0.clone();
            changed[at] ^= 1;
            refused(&behind(Cursor(changed)), &CLUSTER, 101);
        }
        refused(&behind(Cursor([cursor.0.as_slice(), &[0]].concat())), &CLUSTER, 101);
        let good = behind(cursor);
        refused(&good, &CLUSTER, 102);
        refused(&good, &[8; 16], 101);
        for by in [RecordsBy::RecordId, RecordsBy::Customer("+1".into()), RecordsBy::Phone("+2".into())] {
            refused(&RecordsQuery { by, ..good.clone() }, &CLUSTER, 101);
        }
        let beside = RecordFilter { types: vec![1, 2], ..RecordFilter::default() };
        refused(&RecordsQuery { beside, ..good }, &CLUSTER, 101);
    }
}
