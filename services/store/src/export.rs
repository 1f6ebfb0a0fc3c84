//! The whole state as chunks, from one consistent snapshot, beside further writes.
//!
//! Called by `node` for the catch-up of another node by snapshot; `chunk` defines the bytes.

use std::sync::Arc;

use fjall::Slice;
use outbound::{RULES_FIRST, RULES_WITH_CAMPAIGNS};
use records::{Key, Row, Table};

use crate::{
    AppliedMark, CHUNK_BYTES_TARGET, StateSnapshot,
    chunk::{self, Body, HeadRow, Section, TailRow},
    engine::Engine,
    error::StoreError,
    mark::{IndexMark, StateMark},
    requests,
    rows::{ROWS_FROM, Space},
};

/// The first table of index rows that releases before [`RULES_WITH_CAMPAIGNS`] do not know.
const LATER_INDEXES: Table = Table::RecordByCustomer;

/// The identity of the state that is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportHead {
    /// The last applied entry of the state.
    pub applied: AppliedMark,
    /// The digest of the state's rows.
    pub digest: u128,
}

/// The chunks of a state, in order. Ends after the tail, or after an error.
///
/// Reads the tables of the moment of its creation and holds no snapshot of the engine: the engine keeps all writes since a held
/// snapshot in memory, and an export of a large state takes minutes.
pub struct Export {
    /// The engine's drop may remove the directory of the tables.
    _engine: Arc<Engine>,
    state: StateMark,
    sequence: u64,
    stage: Stage,
    index_rows: Option<Rows>,
    tail: TailRow,
}

/// The rows of a section that remain to be sent.
type Rows = Box<dyn Iterator<Item = fjall::Result<(Slice, Slice)>> + Send>;

/// The next part. A row that exceeded the last chunk waits beside its iterator.
enum Stage {
    Head(Result<HeadRow, StoreError>, Rows),
    Rows(Section, Rows, Option<(Slice, Slice)>),
    Tail,
    Done,
}

impl StateSnapshot {
    /// The whole state as chunks; the first chunk identifies the state.
    pub fn export(&self) -> Export {
        Export::new(self)
    }
}

impl Export {
    fn new(snapshot: &StateSnapshot) -> Self {
        let (engine, at, state) = (snapshot.engine(), snapshot.snapshot(), snapshot.state().clone());
        let of_first_form = is_for_earlier_releases(snapshot);
        let head = head_of(snapshot, of_first_form);
        let state_rows = requests::state_rows_apart(engine, at, snapshot.floors());
        let until = of_first_form.then(|| vec![LATER_INDEXES.tag()]);
        let index_rows = engine.between_apart(at, Space::Index, &[ROWS_FROM], until);
        let stage = Stage::Head(head, Box::new(state_rows));
        let (index_rows, tail) = (Some(Box::new(index_rows) as Rows), TailRow::default());
        Self { _engine: Arc::clone(engine), state, sequence: 0, stage, index_rows, tail }
    }

    /// The identity of this state.
    pub fn head(&self) -> ExportHead {
        ExportHead { applied: self.state.applied.clone(), digest: self.state.digest }
    }

    /// Rows sent so far: of the state, and of the indexes.
    pub(crate) fn rows(&self) -> (u64, u64) {
        (self.tail.state_rows, self.tail.index_rows)
    }

    fn chunk(&mut self, body: &Body<'_>) -> Vec<u8> {
        let bytes = chunk::encode(self.sequence, body);
        self.sequence += 1;
        bytes
    }

    /// The next chunk of a section; none: the section has ended.
    fn rows_chunk(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let Stage::Rows(section, rows, waiting) = &mut self.stage else { return Ok(None) };
        let section = *section;
        let (content, rows) = fill(rows, waiting)?;
        match section {
            Section::State => self.tail.state_rows += rows,
            Section::Index => self.tail.index_rows += rows,
        }
        Ok((rows > 0).then(|| self.chunk(&Body::Rows(section, &content))))
    }

    fn advance(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        loop {
            match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Head(head, rows) => {
                    self.stage = Stage::Rows(Section::State, rows, None);
                    return Ok(Some(self.chunk(&Body::Head(head?))));
                }
                Stage::Rows(section, rows, waiting) => {
                    self.stage = Stage::Rows(section, rows, waiting);
                    if let Some(chunk) = self.rows_chunk()? {
                        return Ok(Some(chunk));
                    }
                    self.stage = match self.index_rows.take() {
                        Some(rows) => Stage::Rows(Section::Index, rows, None),
                        None => Stage::Tail,
                    };
                }
                Stage::Tail => {
                    let tail = self.tail.clone();
                    return Ok(Some(self.chunk(&Body::Tail(tail))));
                }
                Stage::Done => return Ok(None),
            }
        }
    }
}

impl Iterator for Export {
    type Item = Result<Vec<u8>, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            self.stage = Stage::Done;
        }
        next.transpose()
    }
}

/// Whether the index rows of tables that earlier releases do not know are left out: until the group's rules version is raised, such
/// a release may be the receiver. The rest are index rows of the first form, to which a receiver of this release adds the others.
fn is_for_earlier_releases(snapshot: &StateSnapshot) -> bool {
    let rules_version = match snapshot.try_get(&Key::Settings) {
        Ok(Some(Row::Settings(settings))) => settings.rules_version(),
        Ok(_) => RULES_FIRST,
        Err(_) => return false, // the rows to send tell the fault
    };
    let mut later = snapshot.engine().between(snapshot.at(), Space::Index, &[LATER_INDEXES.tag()], None);
    rules_version < RULES_WITH_CAMPAIGNS && later.next().is_some()
}

/// The identity of a state, for the first chunk.
fn head_of(snapshot: &StateSnapshot, of_first_form: bool) -> Result<HeadRow, StoreError> {
    let engine = snapshot.engine();
    let mark = if of_first_form { IndexMark::first() } else { engine.index_mark(snapshot.at())? };
    Ok(HeadRow {
        cluster: engine.cluster().to_vec(),
        state: snapshot.state().to_row(),
        digests: snapshot.digests()?.to_row(),
        index_form: HeadRow::index_form_of(&mark),
    })
}

/// Takes rows until the chunk is full; answers the content and the count of rows.
fn fill(iter: &mut Rows, waiting: &mut Option<(Slice, Slice)>) -> Result<(Vec<u8>, u64), StoreError> {
    let mut content = Vec::new();
    let mut rows = 0;
    loop {
        let pair = match waiting.take() {
            Some(pair) => pair,
            None => match iter.next() {
                Some(pair) => pair.map_err(StoreError::engine("reading rows to send"))?,
                None => return Ok((content, rows)),
            },
        };
        if rows > 0 && content.len() + chunk::row_bytes(&pair.0, &pair.1) > CHUNK_BYTES_TARGET {
            *waiting = Some(pair);
            return Ok((content, rows));
        }
        chunk::push_row(&mut content, &pair.0, &pair.1);
        rows += 1;
    }
}
