//! The whole state as chunks, from one consistent snapshot, while the store goes on being written.
//!
//! Called by `node` to send the state to a node that is behind; the bytes are `chunk`'s.

use fjall::{Guard, Slice};

use crate::{
    AppliedMark, CHUNK_BYTES_TARGET, StateSnapshot,
    chunk::{self, Body, HeadRow, Section, TailRow},
    engine::{ROWS_FROM, Space},
    error::StoreError,
    requests,
};

/// Which state is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportHead {
    /// Up to where the log had been applied.
    pub applied: AppliedMark,
    /// The digest of its rows.
    pub digest: u128,
}

/// The chunks of a state, in order. Ends after the tail, or after an error.
pub struct Export {
    snapshot: StateSnapshot,
    sequence: u64,
    stage: Stage,
    tail: TailRow,
}

/// Rows of a section that were not sent yet.
type Rows = Box<dyn Iterator<Item = fjall::Result<(Slice, Slice)>> + Send>;

/// What comes next. A row that no longer fitted into its chunk waits with its iterator.
enum Stage {
    Head,
    Rows(Section, Rows, Option<(Slice, Slice)>),
    Tail,
    Done,
}

impl Export {
    pub(crate) fn new(snapshot: StateSnapshot) -> Self {
        Self { snapshot, sequence: 0, stage: Stage::Head, tail: TailRow::default() }
    }

    /// Which state this is.
    pub fn head(&self) -> ExportHead {
        ExportHead { applied: self.snapshot.applied().clone(), digest: self.snapshot.digest() }
    }

    fn chunk(&mut self, body: &Body<'_>) -> Vec<u8> {
        let bytes = chunk::encode(self.sequence, body);
        self.sequence += 1;
        bytes
    }

    fn head_chunk(&mut self) -> Result<Vec<u8>, StoreError> {
        let digests = self.snapshot.digests()?.to_row();
        let state = self.snapshot.state().to_row();
        self.stage = self.rows_of(Section::State);
        let cluster = self.snapshot.engine().cluster().to_vec();
        Ok(self.chunk(&Body::Head(HeadRow { cluster, state, digests })))
    }

    fn rows_of(&self, section: Section) -> Stage {
        let (engine, at) = (self.snapshot.engine(), self.snapshot.at());
        let rows: Rows = match section {
            Section::State => Box::new(requests::state_rows(engine, at, self.snapshot.floors())),
            Section::Index => Box::new(engine.between(at, Space::Index, &[ROWS_FROM], None).map(Guard::into_inner)),
        };
        Stage::Rows(section, rows, None)
    }

    /// The next chunk of a section; none: it has no more rows.
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
            match self.stage {
                Stage::Head => return self.head_chunk().map(Some),
                Stage::Rows(section, ..) => {
                    if let Some(chunk) = self.rows_chunk()? {
                        return Ok(Some(chunk));
                    }
                    self.stage = if section == Section::State { self.rows_of(Section::Index) } else { Stage::Tail };
                }
                Stage::Tail => {
                    self.stage = Stage::Done;
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

/// Takes rows until the chunk is full: its content, and how many rows.
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
