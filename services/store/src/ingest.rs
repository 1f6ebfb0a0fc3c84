//! Turns a received state into a store of its own, checked against the sender's digest.
//!
//! Never touches the store in use: [`crate::Store::install`] takes over the finished store. Called by `node` on a thread that
//! may block.

use std::{fs, io::ErrorKind, path::Path};

use fjall::{PersistMode, Slice};
use prost::Message;
use records::digest_of;

use crate::{
    AppliedMark, STORE_FORMAT, StoreConfig,
    chunk::{self, Body, HeadRow, Section, TailRow},
    engine::{DIGESTS_KEY, Engine, STATE_KEY},
    error::{IngestError, StoreError, hex},
    indexes::{self, INDEX_FORM},
    mark::{Digests, INDEX_FORM_FIRST, IndexMark, StateMark},
    owner,
    rows::{self, Space},
    stamp::{StoreStamp, sync_parent},
};

/// A received state, ready on this disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingested {
    /// The last applied entry of the state.
    pub applied: AppliedMark,
    /// The digest of its rows: the sender's, equal to the recomputed digest.
    pub digest: u128,
    /// Count of state rows.
    pub rows: u64,
    /// Count of index rows.
    pub index_rows: u64,
}

/// Makes a store in `dir` out of the chunks of a state; earlier content of `dir` is removed. The store is complete and durable
/// when this returns. `chunks` may block; its errors say why the sender failed.
///
/// # Errors
/// See [`IngestError`]; `dir` holds no store then.
pub fn ingest<C: AsRef<[u8]>>(
    dir: &Path,
    config: &StoreConfig,
    chunks: impl Iterator<Item = Result<C, String>>,
) -> Result<Ingested, IngestError> {
    let mut source = Source::new(chunks, rows::digest_seed(&config.cluster));
    let head = source.head()?;
    check_cluster(&head, &config.cluster)?;
    let index_mark = head.index_mark();
    let (state, digests) = (StateMark::from_row(head.state)?, Digests::from_row(head.digests)?);
    empty(dir)?;
    let stamp = StoreStamp { format: STORE_FORMAT, cluster: config.cluster, generation: 1, index: state.applied.index };
    let engine = Engine::create(&stamp.database(dir), config)?;
    load(&engine, Section::State, &mut source)?;
    load(&engine, Section::Index, &mut source)?;
    source.finish(state.digest)?;
    mark(&engine, &state, &digests, &index_mark)?;
    indexes::bring_up(&engine, INDEX_FORM, &mut |_| {})?;
    drop(engine);
    owner::claim(dir, config)?;
    stamp.write(dir)?;
    Ok(source.ingested(state))
}

/// Checks the chunks of a state as [`ingest`] does, without making a store.
///
/// # Errors
/// See [`IngestError`].
pub fn examine<C: AsRef<[u8]>>(
    cluster: &[u8; 16],
    chunks: impl Iterator<Item = Result<C, String>>,
) -> Result<Ingested, IngestError> {
    let mut source = Source::new(chunks, rows::digest_seed(cluster));
    let head = source.head()?;
    check_cluster(&head, cluster)?;
    let (state, _) = (StateMark::from_row(head.state)?, Digests::from_row(head.digests)?);
    for section in [Section::State, Section::Index] {
        while source.row(section)?.is_some() {}
    }
    source.finish(state.digest)?;
    Ok(source.ingested(state))
}

fn check_cluster(head: &HeadRow, ours: &[u8; 16]) -> Result<(), IngestError> {
    if head.cluster == ours {
        return Ok(());
    }
    let found = <[u8; 16]>::try_from(head.cluster.as_slice()).map_or_else(|_| "?".to_owned(), |id| hex(&id));
    Err(IngestError::ForeignCluster { found, ours: hex(ours) })
}

/// Makes an empty directory with a durable name.
fn empty(dir: &Path) -> Result<(), StoreError> {
    let what = || format!("emptying {}", dir.display());
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(StoreError::io(what())(error)),
        _ => {}
    }
    fs::create_dir_all(dir).map_err(StoreError::io(what()))?;
    sync_parent(dir).map_err(StoreError::io(what()))
}

/// Writes the rows of one section as sorted tables, past the journal: one ingestion for each run of rows of one keyspace.
fn load<C: AsRef<[u8]>, I: Iterator<Item = Result<C, String>>>(
    engine: &Engine,
    section: Section,
    source: &mut Source<C, I>,
) -> Result<(), IngestError> {
    let failed = StoreError::engine;
    let mut next = source.row(section)?;
    while let Some(space) = next.as_ref().map(|(key, _)| rows::space(key)) {
        let mut tables = engine.keyspace(space).start_ingestion().map_err(failed("beginning tables"))?;
        while let Some((key, value)) = next.take_if(|(key, _)| rows::space(key) == space) {
            tables.write(key, value).map_err(failed("writing tables"))?;
            next = source.row(section)?;
        }
        tables.finish().map_err(failed("finishing tables"))?;
    }
    Ok(())
}

fn mark(engine: &Engine, state: &StateMark, digests: &Digests, index_mark: &IndexMark) -> Result<(), StoreError> {
    let mut batch = engine.batch(3);
    if !index_mark.is_whole(INDEX_FORM_FIRST) {
        indexes::put_mark(engine, &mut batch, index_mark);
    }
    batch.insert(engine.keyspace(Space::State), STATE_KEY, state.to_row().encode_to_vec());
    batch.insert(engine.keyspace(Space::State), DIGESTS_KEY, digests.to_row().encode_to_vec());
    batch.commit().map_err(StoreError::engine("writing the applied mark"))?;
    engine.persist(PersistMode::SyncAll)
}

/// The chunks as checked rows.
struct Source<C, I> {
    chunks: I,
    /// The chunk being read, with the bytes left of its content.
    open: Option<(C, Section, usize)>,
    sequence: u64,
    last_key: Slice,
    seed: u64,
    digest: u128,
    rows: TailRow,
    tail: Option<TailRow>,
}

impl<C: AsRef<[u8]>, I: Iterator<Item = Result<C, String>>> Source<C, I> {
    fn new(chunks: I, seed: u64) -> Self {
        let (last_key, rows) = (Slice::from(&[][..]), TailRow::default());
        Self { chunks, open: None, sequence: 0, last_key, seed, digest: 0, rows, tail: None }
    }

    fn bytes(&mut self) -> Result<C, IngestError> {
        self.chunks.next().ok_or(IngestError::Incomplete)?.map_err(IngestError::Sender)
    }

    fn damaged<T>(&self, reason: &'static str) -> Result<T, IngestError> {
        Err(IngestError::Damaged { sequence: self.sequence, reason })
    }

    fn head(&mut self) -> Result<HeadRow, IngestError> {
        let bytes = self.bytes()?;
        let Body::Head(head) = chunk::decode(0, bytes.as_ref())? else {
            return self.damaged("it is not the head");
        };
        self.sequence = 1;
        Ok(head)
    }

    /// The next row of a section; none: the section has ended.
    fn row(&mut self, section: Section) -> Result<Option<(Slice, Slice)>, IngestError> {
        while self.open.is_none() && self.tail.is_none() {
            self.open_chunk()?;
        }
        let Some((bytes, here, left)) = &mut self.open else { return Ok(None) };
        if *here != section {
            return if *here > section { Ok(None) } else { self.damaged("its rows come too late") };
        }
        let Some((key, value, rest)) = chunk::split_row(chunk::tail_of(bytes.as_ref(), *left)) else {
            return self.damaged("a row is cut");
        };
        let pair = (Slice::from(key), Slice::from(value));
        *left = rest.len();
        if *left == 0 {
            self.open = None;
            self.sequence += 1;
        }
        self.take(section, &pair)?;
        Ok(Some(pair))
    }

    /// Counts a row after a check of its order, table and section.
    fn take(&mut self, section: Section, (key, value): &(Slice, Slice)) -> Result<(), IngestError> {
        if self.rows_of(section) > 0 && *key <= self.last_key {
            return self.damaged("its rows are not in order");
        }
        let Ok((table, rest)) = rows::split(key) else { return self.damaged("a row is of no known table") };
        if Section::of(table) != section {
            return self.damaged("a row is of another section");
        }
        match section {
            Section::State => {
                self.digest = self.digest.wrapping_add(digest_of(self.seed, table, rest, value));
                self.rows.state_rows += 1;
            }
            Section::Index => self.rows.index_rows += 1,
        }
        self.last_key = key.clone();
        Ok(())
    }

    fn rows_of(&self, section: Section) -> u64 {
        match section {
            Section::State => self.rows.state_rows,
            Section::Index => self.rows.index_rows,
        }
    }

    fn open_chunk(&mut self) -> Result<(), IngestError> {
        let bytes = self.bytes()?;
        let (section, left) = match chunk::decode(self.sequence, bytes.as_ref())? {
            Body::Rows(section, content) if !content.is_empty() => (section, content.len()),
            Body::Tail(tail) => {
                self.tail = Some(tail);
                return Ok(());
            }
            Body::Head(_) | Body::Rows(..) => return self.damaged("it is not in its place"),
        };
        self.open = Some((bytes, section, left));
        Ok(())
    }

    fn ingested(&self, state: StateMark) -> Ingested {
        let TailRow { state_rows: rows, index_rows } = self.rows;
        Ingested { applied: state.applied, digest: state.digest, rows, index_rows }
    }

    /// Checks that counts and digest match the sender's.
    fn finish(&mut self, expected: u128) -> Result<(), IngestError> {
        match &self.tail {
            Some(tail) if *tail == self.rows => {}
            Some(_) => return self.damaged("the number of rows is not the sender's"),
            None => return self.damaged("rows stand behind their place"),
        }
        if self.digest != expected {
            return Err(IngestError::Digest { expected, found: self.digest });
        }
        Ok(())
    }
}
