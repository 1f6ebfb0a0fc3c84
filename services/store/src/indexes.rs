//! The form of the index rows, and their rebuild from the rows of the state.
//!
//! Index rows are derived from rows of the state (`records::indexes_of`), and no digest covers them. In a store whose index rows
//! have another form than this build's, the rebuild removes these rows and writes rows of this build's form, [`PIECE_ROWS`] rows
//! a transaction. Where this build's form only adds tables, the rebuild writes the rows of these tables alone. Each transaction holds the key of its last row, so a rebuild that a crash interrupts goes on behind the last
//! transaction. Never changes a row of the state; the index of contents stands in memory alone (`contents`). Called by `store` and
//! `ingest` before the first view of the database.

use std::time::{Duration, Instant};

use fjall::{Guard, OwnedWriteBatch, PersistMode, Slice};
use outbound::{Handle, RULES_FIRST};
use prost::Message;
use records::{Key, PhonesRow, RecordRow, Row, Table, indexed_forms, indexes_of, phones_have_two_forms};

use crate::{
    engine::{Engine, INDEXES_KEY},
    error::StoreError,
    mark::{INDEX_FORM_FIRST, IndexMark, RebuildMark},
    rows::{self, ROWS_FROM, Space},
};

/// The form of the index rows that this build reads and writes. A build with another number rebuilds the indexes of every opened
/// store; so does the release before that build, if an operator puts that release back. Releases before forms had numbers
/// read the first form alone. Form 2 adds the indexes from [`Table::RecordByCustomer`] on to the rows of the first form.
pub(crate) const INDEX_FORM: u32 = 2;
/// The first table that form 2 adds.
const FIRST_TABLE_OF_FORM_2: Table = Table::RecordByCustomer;
/// Rows read in one transaction of a rebuild.
const PIECE_ROWS: usize = 1000;
/// Index rows of a record, as most records have them.
const ROWS_OF_RECORD: usize = 5;
/// Time between two reports of the progress.
const TELL_INTERVAL: Duration = Duration::from_secs(10);

/// The progress of a rebuild of the indexes; the counts begin with the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IndexRebuild {
    /// The form that the rebuild writes.
    pub form: u32,
    /// Index rows of the other form that were removed.
    pub removed: u64,
    /// Rows of the state that were read.
    pub read: u64,
    /// Index rows that were written.
    pub written: u64,
}

/// Rebuilds the index rows unless all of them have this form. `tell` gets the progress at the beginning, every
/// [`TELL_INTERVAL`], and at the end.
pub(crate) fn bring_up(engine: &Engine, form: u32, tell: &mut dyn FnMut(IndexRebuild)) -> Result<(), StoreError> {
    let before = engine.index_mark(None)?;
    if before.is_whole(form) {
        return Ok(());
    }
    tracing::info!(found = before.form, form, "rebuilds the indexes, as this release has another form of their rows");
    let mut rebuild = Rebuild::begin(engine, form, before)?;
    tell(rebuild.progress);
    let mut told = Instant::now();
    while rebuild.step(PIECE_ROWS)? {
        if told.elapsed() >= TELL_INTERVAL {
            let IndexRebuild { removed, read, written, .. } = rebuild.progress;
            tracing::info!(removed, read, written, "still rebuilds the indexes");
            tell(rebuild.progress);
            told = Instant::now();
        }
    }
    let IndexRebuild { removed, read, written, .. } = rebuild.progress;
    tracing::info!(removed, read, written, "the indexes are rebuilt");
    tell(rebuild.progress);
    Ok(())
}

/// Marks an empty database: there are no rows of another form.
pub(crate) fn mark_new(engine: &Engine) -> Result<(), StoreError> {
    let mut batch = engine.batch(1);
    put_mark(engine, &mut batch, &IndexMark { form: INDEX_FORM, rebuild: None });
    batch.commit().map_err(StoreError::engine("marking a new database"))?;
    engine.persist(PersistMode::SyncAll)
}

/// Adds the mark to a batch. The first form has no mark: releases before forms had numbers open such a store.
pub(crate) fn put_mark(engine: &Engine, batch: &mut OwnedWriteBatch, mark: &IndexMark) {
    let space = engine.keyspace(Space::State);
    match *mark == IndexMark::first() {
        true => batch.remove(space, INDEXES_KEY),
        false => batch.insert(space, INDEXES_KEY, mark.encode_to_vec()),
    }
}

/// A rebuild under way.
struct Rebuild<'a> {
    engine: &'a Engine,
    phones: PhoneIndex<'a>,
    at: RebuildMark,
    progress: IndexRebuild,
}

impl<'a> Rebuild<'a> {
    /// Goes on behind the last transaction of a rebuild for the same form, or begins.
    fn begin(engine: &'a Engine, form: u32, before: IndexMark) -> Result<Self, StoreError> {
        let adds_tables = before.is_whole(INDEX_FORM_FIRST) && form == INDEX_FORM;
        let at = match before.rebuild.filter(|_| before.form == form) {
            Some(at) => at,
            None if adds_tables => {
                RebuildMark { removed: true, tables_from: FIRST_TABLE_OF_FORM_2.tag().into(), ..RebuildMark::default() }
            }
            None => RebuildMark::default(),
        };
        let progress = IndexRebuild { form, ..IndexRebuild::default() };
        Ok(Self { engine, phones: PhoneIndex::of(engine)?, at, progress })
    }

    /// Runs a transaction of at most `rows_max` rows; false: every row is written.
    fn step(&mut self, rows_max: usize) -> Result<bool, StoreError> {
        if self.at.removed { self.write(rows_max) } else { self.remove(rows_max).map(|()| true) }
    }

    /// Removes rows of the other form.
    fn remove(&mut self, rows_max: usize) -> Result<(), StoreError> {
        let rows = self.rows_behind(Space::Index, rows_max)?;
        let mut batch = self.engine.batch(rows.len() + 1);
        for (place, _) in &rows {
            if !self.phones.needs(place)? {
                batch.remove(self.engine.keyspace(Space::Index), &**place);
                self.progress.removed += 1;
            }
        }
        self.at = match rows.last() {
            Some((place, _)) if rows.len() == rows_max => {
                RebuildMark { last: place.to_vec(), ..RebuildMark::default() }
            }
            _ => RebuildMark { removed: true, ..RebuildMark::default() },
        };
        self.commit(batch, Some(self.at.clone()))
    }

    /// Writes the index rows of some rows of the state.
    fn write(&mut self, rows_max: usize) -> Result<bool, StoreError> {
        let rows = self.rows_behind(Space::State, rows_max)?;
        let mut batch = self.engine.batch(ROWS_OF_RECORD * rows.len() + 1);
        for (place, value) in &rows {
            for (key, row) in self.derived(place, value)? {
                let place = rows::tagged(key.table(), &key.encode());
                batch.insert(self.engine.keyspace(Space::Index), &*place, row.encode());
                self.progress.written += 1;
            }
        }
        self.progress.read += rows.len() as u64;
        match rows.last() {
            Some((place, _)) if rows.len() == rows_max => {
                self.at.last = place.to_vec();
                self.commit(batch, Some(self.at.clone()))?;
                Ok(true)
            }
            _ => {
                self.commit(batch, None)?;
                self.engine.persist(PersistMode::SyncAll)?;
                Ok(false)
            }
        }
    }

    fn commit(&self, mut batch: OwnedWriteBatch, rebuild: Option<RebuildMark>) -> Result<(), StoreError> {
        put_mark(self.engine, &mut batch, &IndexMark { form: self.progress.form, rebuild });
        batch.commit().map_err(StoreError::engine("writing index rows"))
    }

    /// The next rows of a keyspace behind the last transaction.
    fn rows_behind(&self, space: Space, rows_max: usize) -> Result<Vec<(Slice, Slice)>, StoreError> {
        let from = if self.at.last.is_empty() { vec![ROWS_FROM] } else { [self.at.last.as_slice(), &[0]].concat() };
        let rows = self.engine.between(None, space, &from, None).take(rows_max).map(Guard::into_inner);
        rows.collect::<fjall::Result<_>>().map_err(StoreError::engine("reading rows for the indexes"))
    }

    fn is_written(&self, table: Table) -> bool {
        u32::from(table.tag()) >= self.at.tables_from
    }

    /// The index rows to write for a row of the state. The form of a phone is looked up only for the index of phones.
    fn derived(&self, place: &[u8], value: &[u8]) -> Result<Vec<(Key, Row)>, StoreError> {
        let (key, row) = rows::pair(place, value)?;
        let phone = match (&key, &row) {
            (Key::Record(handle), Row::Record(record)) if self.is_written(Table::RecordByPhone) => {
                self.phones.form_of(*handle, record)?
            }
            _ => String::new(),
        };
        let mut derived = indexes_of(&key, &row, |_| phone.clone());
        derived.retain(|(key, _)| self.is_written(key.table()));
        Ok(derived)
    }
}

/// The forms of phones in the index of phones.
///
/// While the group rewrites phones to a new form, only the index itself tells the form of the indexed phone of a record
/// that the rewrite has not reached. The rebuild keeps these rows.
struct PhoneIndex<'a> {
    engine: &'a Engine,
    rules_version: u32,
    phones: Option<PhonesRow>,
    /// Whether the group rewrites phones now.
    tells_forms: bool,
}

impl<'a> PhoneIndex<'a> {
    fn of(engine: &'a Engine) -> Result<Self, StoreError> {
        let rules_version = match row_of(engine, &Key::Settings)? {
            Some(Row::Settings(settings)) => settings.rules_version(),
            _ => RULES_FIRST,
        };
        let phones = match (row_of(engine, &Key::Phones)?, row_of(engine, &Key::Meta)?) {
            (Some(Row::Phones(phones)), _) => Some(phones),
            (_, Some(Row::Meta(counters))) => counters.phones.map(|phones| *phones),
            _ => None,
        };
        let tells_forms = phones_have_two_forms(rules_version, phones.as_ref());
        Ok(Self { engine, rules_version, phones, tells_forms })
    }

    fn forms(&self, handle: Handle, record: &RecordRow) -> Vec<String> {
        indexed_forms(self.rules_version, self.phones.as_ref(), handle, &record.contact_info)
    }

    /// Whether only this index row tells the form of its record's phone.
    fn needs(&self, place: &[u8]) -> Result<bool, StoreError> {
        let key = place.strip_prefix(&[Table::RecordByPhone.tag()]).filter(|_| self.tells_forms);
        let key = key.and_then(|key| Key::decode(Table::RecordByPhone, key));
        let Some(Key::RecordByPhone { phone, handle }) = key else { return Ok(false) };
        let Some(Row::Record(record)) = row_of(self.engine, &Key::Record(handle))? else { return Ok(false) };
        let forms = self.forms(handle, &record);
        Ok(forms.len() > 1 && forms.contains(&phone))
    }

    /// The form under which the index has the phone of a record.
    fn form_of(&self, handle: Handle, record: &RecordRow) -> Result<String, StoreError> {
        let mut forms = self.forms(handle, record);
        if forms.len() > 1 {
            let mut standing = Vec::new();
            for phone in forms {
                if row_of(self.engine, &Key::RecordByPhone { phone: phone.clone(), handle })?.is_some() {
                    standing.push(phone);
                }
            }
            forms = standing;
        }
        let unknown = || {
            let handle = handle.0;
            StoreError::Damaged(format!("the index of phones does not tell the form of the phone of record {handle}"))
        };
        forms.pop().filter(|_| forms.is_empty()).ok_or_else(unknown)
    }
}

/// A row of the newest state.
fn row_of(engine: &Engine, key: &Key) -> Result<Option<Row>, StoreError> {
    let place = rows::tagged(key.table(), &key.encode());
    let bytes = engine.get(None, rows::space(&place), &place).map_err(StoreError::engine("reading a row"))?;
    bytes.map(|bytes| rows::row(key.table(), &bytes)).transpose()
}

#[cfg(test)]
mod tests;
