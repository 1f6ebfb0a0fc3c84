//! The store of the apply thread: opening, writing, making durable, installing a fetched state.
//!
//! The store has one writer. A batch writes all changes of some entries with the applied mark, atomically. Called by the node's
//! machine.

use std::{
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};

use fjall::{OwnedWriteBatch, PersistMode};
use prost::Message;
use records::{Bound, Change, Changes, Declared, Key, Row, RowBytes, Settings, Table, View};

use crate::{
    AppliedMark, CurrentView, DIGEST_INTERVAL, IndexRebuild, STORE_FORMAT, StateSnapshot, StoreConfig, StoreError,
    StoreReader,
    contents::Contents,
    counted::Counted,
    engine::{DIGESTS_KEY, DOUBTED, Engine, STATE_KEY},
    fault::Fault,
    heads::Heads,
    highest_ids::HighestIds,
    indexes::{self, INDEX_FORM},
    mark::{Digests, StateMark},
    owner,
    recent::Recent,
    requests::{self, Floors, Forgetting},
    rows::{self, Space},
    stamp::{StoreStamp, stamped, sync_directory, sync_parent},
};

/// The state of a node, with the only methods that change it.
pub struct Store {
    dir: PathBuf,
    config: StoreConfig,
    stamp: StoreStamp,
    engine: Arc<Engine>,
    reader: StoreReader,
    state: StateMark,
    digests: Digests,
    seen: HighestIds,
    contents: Contents,
    recent: Recent,
    counted: Counted,
    heads: Heads,
    /// The row of the settings, cached: every batch reads this row.
    settings: Option<Arc<Settings>>,
    /// The row of the declaration, cached as `settings`.
    declared: Option<Arc<Declared>>,
    lists_phones: bool,
    floors: Floors,
    forgetting: Forgetting,
    /// A read below a view failed: the store takes no more batches.
    fault: Fault,
    bytes: RowBytes,
    doubted: bool,
    /// Written since opening, in bytes of the engine's memory.
    written: u64,
}

/// Overhead of a row in the engine's memory, bytes.
const ROW_BYTES: usize = 64;

impl Store {
    /// Opens the store in `dir`, or makes an empty store in an absent or empty directory.
    ///
    /// # Errors
    /// A foreign, newer, damaged or unreadable store. Its durable rows are unchanged then: the caller may move the store aside
    /// ([`set_aside`]) where [`StoreError::may_be_set_aside`] allows this.
    pub fn open(dir: &Path, config: StoreConfig) -> Result<Self, StoreError> {
        Self::open_telling(dir, config, &mut |_| {})
    }

    /// As [`Store::open`]; `tell` gets the progress of a rebuild of the indexes, at its beginning, every 10 s and at its end.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_telling(
        dir: &Path,
        config: StoreConfig,
        tell: &mut dyn FnMut(IndexRebuild),
    ) -> Result<Self, StoreError> {
        if !stamped(dir) {
            create(dir, &config)?;
        }
        let mut stamp = StoreStamp::read(dir, &config.cluster)?;
        owner::check(dir, &config)?;
        remove_other_generations(dir, stamp)?;
        let engine = opened(&stamp.database(dir), &config, stamp.format, tell)?;
        if stamp.format < STORE_FORMAT {
            stamp.format = STORE_FORMAT;
            stamp.write(dir)?;
        }
        let (state, digests) = (engine.state(None)?, engine.digests(None)?);
        if state.applied.index < stamp.index {
            return Err(StoreError::Damaged(format!("it began at index {} and lost its mark", stamp.index)));
        }
        let floors = Floors::read(&engine, None)?;
        let heads = Heads::read(&engine)?;
        owner::claim(dir, &config)?;
        let first = StateSnapshot::new(Arc::clone(&engine), state.clone(), floors.clone(), heads.queues(), 0);
        let (settings, declared) = (records::settings(&first), declared(&first));
        let counted = Counted::read(|bound, limit| first.try_next(bound, limit))?;
        let reader = StoreReader::new(first);
        let (seen, contents) = remembered(&engine, &floors)?;
        let doubted = dir.join(DOUBTED).exists();
        let dir = dir.to_owned();
        let (recent, bytes) = (Recent::default(), RowBytes::default());
        let lists_phones = lists_phones(&reader);
        Ok(Self {
            dir,
            config,
            stamp,
            engine,
            reader,
            state,
            digests,
            seen,
            contents,
            recent,
            counted,
            heads,
            settings,
            declared,
            lists_phones,
            floors,
            forgetting: Forgetting::default(),
            fault: Fault::default(),
            bytes,
            doubted,
            written: 0,
        })
    }

    /// Whether the state was found wrong and not replaced since.
    pub fn doubted(&self) -> bool {
        self.doubted
    }

    /// Records durably whether the state is wrong.
    ///
    /// # Errors
    /// A fault of the disk.
    pub fn doubt(&mut self, doubted: bool) -> Result<(), StoreError> {
        let mark = self.dir.join(DOUBTED);
        let done = match doubted {
            true => fs::File::create(&mark).map(drop),
            false => fs::remove_file(&mark).or_else(|error| match error.kind() {
                ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            }),
        };
        done.and_then(|()| sync_directory(&self.dir))
            .map_err(StoreError::io(format!("marking {}", self.dir.display())))?;
        self.doubted = doubted;
        Ok(())
    }

    /// The last applied entry.
    pub fn applied(&self) -> &AppliedMark {
        &self.state.applied
    }

    /// The digest of all state rows now.
    pub fn digest(&self) -> u128 {
        self.state.digest
    }

    /// The digest at an index divisible by [`DIGEST_INTERVAL`]; none: not kept.
    pub fn digest_at(&self, index: u64) -> Option<u128> {
        self.digests.at(index)
    }

    /// The newest digest kept, with its index.
    pub fn newest_digest(&self) -> Option<(u64, u128)> {
        self.digests.newest()
    }

    /// The newest state.
    pub fn view(&self) -> CurrentView<'_> {
        let (remembered, rows) = ((&self.seen, &self.contents), (&self.recent, &self.counted, &self.heads));
        let known = (self.settings.as_ref(), self.declared.as_ref(), self.lists_phones);
        CurrentView::new(&self.engine, remembered, rows, known, (&self.floors, &self.fault))
    }

    /// Rules version and options of the rules; none: rules version 1.
    pub fn settings(&self) -> Option<&Arc<Settings>> {
        self.settings.as_ref()
    }

    /// The reader for all other threads.
    pub fn reader(&self) -> StoreReader {
        self.reader.clone()
    }

    /// Writes the changes of the entries up to `applied` as one batch; not yet durable ([`Store::persist`]). A batch must
    /// end at every index divisible by [`DIGEST_INTERVAL`]: the kept digest is that of the last batch.
    ///
    /// # Errors
    /// A fault of the disk. The effect of the batch is unknown then: the process must end. A read that failed while the changes
    /// were decided: nothing is written.
    pub fn write(&mut self, changes: &Changes, applied: &AppliedMark) -> Result<(), StoreError> {
        self.fault.check()?;
        let before = self.state.applied.index;
        assert!(applied.index > before, "entries are applied in order: {} after {before}", applied.index);
        let mut next = StateMark { applied: applied.clone(), digest: self.state.digest };
        let mut batch = self.engine.batch(changes.0.len() + 2);
        self.raise_floors(changes);
        for change in &changes.0 {
            next.digest = next.digest.wrapping_add(self.put(&mut batch, change));
        }
        let state_space = self.engine.keyspace(Space::State);
        batch.insert(state_space, STATE_KEY, next.to_row().encode_to_vec());
        if applied.index.is_multiple_of(DIGEST_INTERVAL) {
            self.digests.push(applied.index, next.digest);
            batch.insert(state_space, DIGESTS_KEY, self.digests.to_row().encode_to_vec());
        }
        batch.commit().map_err(StoreError::engine("writing a batch"))?;
        self.heads.refresh(&self.engine)?;
        self.state = next;
        self.publish();
        Ok(())
    }

    fn raise_floors(&mut self, changes: &Changes) {
        let counters = changes.0.iter().find(|change| change.key == Key::Meta).and_then(|change| change.new.as_ref());
        if let Some(Row::Meta(meta)) = counters
            && !(meta.floors.is_empty() && meta.floors_with_token.is_empty())
        {
            let floors = Floors::of(meta);
            if floors != self.floors {
                self.floors = floors;
            }
        }
        let from = changes.0.partition_point(|change| change.key.table() < Table::Floor);
        for change in changes.0[from..].iter().take_while(|change| change.key.table() == Table::Floor) {
            if let Some(Row::Floor(row)) = &change.new {
                self.floors.raise(row);
            }
        }
    }

    fn publish(&self) {
        let (engine, floors, queues) = (Arc::clone(&self.engine), self.floors.clone(), self.heads.queues());
        self.reader.publish(StateSnapshot::new(engine, self.state.clone(), floors, queues, self.written));
    }

    /// Adds a change to the batch; answers its change of the digest (wrapping).
    fn put(&mut self, batch: &mut OwnedWriteBatch, change: &Change) -> u128 {
        let (table, key) = (change.key.table(), change.key.encode());
        if table == Table::Content {
            self.contents.set(key, change.new.as_ref());
            return 0;
        }
        let place = rows::tagged(table, &key);
        let keyspace = self.engine.keyspace(rows::space(&place));
        match &change.new {
            Some(Row::Request(_)) => self.seen.add(&place),
            Some(Row::Settings(settings)) => self.settings = Some(settings.clone()),
            Some(Row::Declared(declared)) => self.declared = Some(declared.clone()),
            None if table == Table::Declared => self.declared = None,
            Some(Row::Dnc(_)) => self.lists_phones = true,
            _ => {}
        }
        self.heads.change(table, &place, change.new.is_some());
        self.written += (place.len() + ROW_BYTES) as u64;
        let seed = rows::digest_seed(&self.config.cluster);
        let share = |bytes: &RowBytes| if table.is_state() { bytes.digest(seed) } else { 0 };
        let old = match (&change.old, self.recent.share(&change.key)) {
            (None, _) => 0,
            (Some(_), Some(known)) => known,
            (Some(row), None) => share(self.bytes.write(table, &key, row)),
        };
        let new = match &change.new {
            None if table == Table::Request && self.floors.hides(&place) => 0, // already hidden by its floor
            None => {
                batch.remove(keyspace, &*place);
                0
            }
            Some(row) => {
                let bytes = self.bytes.write(table, &key, row);
                self.written += bytes.row().len() as u64;
                batch.insert(keyspace, &*place, bytes.row());
                share(bytes)
            }
        };
        self.recent.change(change, new);
        self.counted.change(change);
        new.wrapping_sub(old)
    }

    /// Makes all batches so far durable (fdatasync); answers the applied index that a restart finds at least.
    ///
    /// # Errors
    /// A fault of the disk. A retry is forbidden (R6 durable-before-acknowledged): the process must end.
    pub fn persist(&mut self) -> Result<u64, StoreError> {
        self.engine.persist(PersistMode::SyncData)?;
        self.forgetting.begin(&self.engine, &self.floors);
        Ok(self.state.applied.index)
    }

    /// Takes over the state that [`crate::ingest`] made in `source` (on the same file system). Earlier snapshots still show the
    /// old state; the drop of the last such snapshot deletes its files, or moves them aside if the state was found wrong.
    ///
    /// # Errors
    /// A fault of the disk, or a source that is no whole store of this cluster: the old state stays in use.
    pub fn install(&mut self, source: &Path) -> Result<&AppliedMark, StoreError> {
        let fetched = StoreStamp::read(source, &self.config.cluster)?;
        owner::check(source, &self.config)?;
        let stamp = StoreStamp { generation: self.stamp.generation + 1, ..fetched };
        self.forgetting = Forgetting::default();
        let path = stamp.database(&self.dir);
        let what = || format!("taking over {}", source.display());
        fs::rename(fetched.database(source), &path).map_err(StoreError::io(what()))?;
        sync_directory(&self.dir).map_err(StoreError::io(what()))?;
        let engine = opened(&path, &self.config, stamp.format, &mut |_| {})?;
        let (state, digests) = (engine.state(None)?, engine.digests(None)?);
        let floors = Floors::read(&engine, None)?;
        let (seen, contents) = remembered(&engine, &floors)?;
        let heads = Heads::read(&engine)?;
        let queues = heads.queues();
        let whole = StateSnapshot::new(Arc::clone(&engine), state.clone(), floors.clone(), queues, self.written);
        let counted = Counted::read(|bound, limit| whole.try_next(bound, limit))?;
        drop(whole);
        stamp.write(&self.dir)?;
        fs::remove_dir_all(source).map_err(StoreError::io(what()))?;
        if self.doubted {
            self.engine.doom_to(sibling(&self.dir, "aside"));
            self.reader.forget_comparable();
            self.doubt(false)?;
        } else {
            self.engine.doom();
        }
        (self.stamp, self.engine, self.state, self.digests) = (stamp, engine, state, digests);
        (self.seen, self.contents, self.recent, self.floors) = (seen, contents, Recent::default(), floors);
        (self.counted, self.heads) = (counted, heads);
        self.fault = Fault::default();
        self.publish();
        self.settings = records::settings(&self.reader.snapshot());
        self.declared = declared(&self.reader.snapshot());
        self.lists_phones = lists_phones(&self.reader);
        Ok(&self.state.applied)
    }
}

/// Opens a database of a format, and brings it up to the format and the form of the indexes of this release.
fn opened(
    path: &Path,
    config: &StoreConfig,
    format: u32,
    tell: &mut dyn FnMut(IndexRebuild),
) -> Result<Arc<Engine>, StoreError> {
    let engine = Engine::open(path, config, format)?;
    if format < 2 {
        requests::move_out(&engine)?;
    }
    indexes::bring_up(&engine, INDEX_FORM, tell)?;
    Ok(Arc::new(engine))
}

/// The declaration of a state; none: nothing is declared.
fn declared(view: &impl View) -> Option<Arc<Declared>> {
    match view.get(&Key::Declared) {
        Some(Row::Declared(declared)) => Some(declared),
        _ => None,
    }
}

/// Whether the state has a Do-Not-Call entry.
fn lists_phones(reader: &StoreReader) -> bool {
    let any = Bound { table: Table::Dnc, from: Vec::new(), prefix: Vec::new() };
    !reader.snapshot().next(&any, 1).is_empty()
}

/// The in-memory indexes over the remembered requests of a state.
fn remembered(engine: &Engine, floors: &Floors) -> Result<(HighestIds, Contents), StoreError> {
    let mut seen = HighestIds::default();
    let contents = Contents::of(engine, None, floors, |key| seen.add(key))?;
    Ok((seen, contents))
}

/// Makes an empty store beside `dir` and renames it into place, so that a crash leaves no store or a complete store.
fn create(dir: &Path, config: &StoreConfig) -> Result<(), StoreError> {
    let what = || format!("making a store in {}", dir.display());
    let failed = || StoreError::io(what());
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(StoreError::NotAStore(dir.to_owned()));
    }
    let beside = sibling(dir, "new");
    match fs::remove_dir_all(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed()(error)),
        _ => {}
    }
    fs::create_dir_all(&beside).map_err(failed())?;
    let stamp = StoreStamp { format: STORE_FORMAT, cluster: config.cluster, generation: 1, index: 0 };
    indexes::mark_new(&Engine::create(&stamp.database(&beside), config)?)?;
    owner::claim(&beside, config)?;
    stamp.write(&beside)?;
    fs::rename(&beside, dir).map_err(failed())?;
    sync_parent(dir).map_err(failed())
}

/// Removes the generations that a crash left behind.
fn remove_other_generations(dir: &Path, stamp: StoreStamp) -> Result<(), StoreError> {
    let what = || format!("tidying {}", dir.display());
    for entry in fs::read_dir(dir).map_err(StoreError::io(what()))? {
        let path = entry.map_err(StoreError::io(what()))?.path();
        if path.is_dir() && path != stamp.database(dir) {
            fs::remove_dir_all(&path).map_err(StoreError::io(what()))?;
        }
    }
    Ok(())
}

/// Moves an unreadable store aside for an operator to inspect; returns its new path. An earlier store set aside is removed.
///
/// # Errors
/// A fault of the disk.
pub fn set_aside(dir: &Path) -> io::Result<PathBuf> {
    let aside = sibling(dir, "aside");
    match fs::remove_dir_all(&aside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::rename(dir, &aside)?;
    sync_parent(dir)?;
    Ok(aside)
}

fn sibling(dir: &Path, suffix: &str) -> PathBuf {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    dir.with_file_name(format!("{name}.{suffix}"))
}
