//! The import of a CSV file of any size, in batches that a node applies once. Never holds more than a few batches in memory.
//! Called by `list import`, `list create --from` and `dnc import`.

pub(crate) mod made;
pub(crate) mod preview;
pub(crate) mod target;
#[cfg(test)]
mod tests;

use std::{
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use indicatif::ProgressBar;
use list_files::{Batch, Piece, Rejects, Source};
use ocs_proto::outbound::Imported;
use serde::Serialize;

use self::target::{Head, Target};
use crate::{
    call::{self, CallError},
    cluster::{Client, Cluster},
    failure::Failure,
};

/// How long one batch is tried again, over failovers.
const RETRY_FOR: Duration = Duration::from_secs(60);

/// The result of an import; rows = added + duplicates + rejected.
#[derive(Debug, Default, Serialize, PartialEq)]
pub(crate) struct Summary {
    /// Rows under the header.
    pub(crate) rows: u64,
    /// Records that are new.
    pub(crate) added: u64,
    /// Rows that were there already.
    pub(crate) duplicates: u64,
    /// Rows rejected by the node or unreadable.
    pub(crate) rejected: u64,
    /// Of those added, rows whose status Retrieved became Ready.
    pub(crate) made_ready: u64,
    /// Of those added, rows whose phone is on Do-Not-Call: taken as NoCall.
    pub(crate) no_call: u64,
    /// Where the rejected rows are, if there are any.
    pub(crate) rejects_file: Option<PathBuf>,
    /// Duration of the import.
    pub(crate) seconds: f64,
}

impl Summary {
    /// The closing line.
    pub(crate) fn line(&self) -> String {
        let Self { rows, added, duplicates, rejected, .. } = self;
        let mut line = format!("Imported {added} of {rows} rows ({duplicates} already there, {rejected} rejected)");
        if self.made_ready > 0 {
            line.push_str(&format!(" ({} of those added were Retrieved and became Ready)", self.made_ready));
        }
        if self.no_call > 0 {
            line.push_str(&format!(" ({} of those added are on Do-Not-Call and were taken as NoCall)", self.no_call));
        }
        line
    }
}

/// An id that no import had before.
pub(crate) fn new_id() -> Vec<u8> {
    rand::random::<[u8; 32]>().to_vec()
}

/// Sends the whole file. After an error the rows imported so far stay; the same import run again goes on from there.
pub(crate) async fn run(
    cluster: &Cluster,
    target: Target,
    source: Source,
    rejects: Rejects,
    id: Vec<u8>,
    bar: &ProgressBar,
) -> Result<Summary, Failure> {
    let began = Instant::now();
    let mut tally = Tally { summary: Summary::default(), rejects, bar: bar.clone(), began };
    let sender = Sender { cluster, head: Head::new(target, id, &source) };
    let mut pieces = source.into_pieces();
    for piece in pieces.by_ref() {
        let first_batch = matches!(piece, Ok(Piece::Batch(_)));
        tally.add(sender.take(piece?).await?)?;
        if first_batch {
            break;
        }
    }
    let in_flight = sender.head.in_flight();
    let mut outcomes = stream::iter(pieces).map(|piece| async { sender.take(piece?).await }).buffered(in_flight);
    while let Some(outcome) = outcomes.next().await {
        tally.add(outcome?)?;
    }
    tally.finish()
}

/// Sends the batches of an import.
struct Sender<'a> {
    cluster: &'a Cluster,
    head: Head,
}

/// A piece of the file and its result; empty for a piece that was not sent.
struct Outcome {
    piece: Piece,
    imported: Imported,
}

impl Sender<'_> {
    async fn take(&self, piece: Piece) -> Result<Outcome, Failure> {
        let imported = match &piece {
            Piece::Batch(batch) => self.send(batch).await?,
            Piece::Bad(_) => Imported::default(),
        };
        Ok(Outcome { piece, imported })
    }

    /// Sends a batch to any node, with retries: the nodes apply a batch once, whatever the number of attempts.
    async fn send(&self, batch: &Batch) -> Result<Imported, Failure> {
        let attempts = AtomicU32::new(0);
        let attempt = |mut client: Client| {
            let sent = self.head.sent(batch);
            let first = attempts.fetch_add(1, Relaxed) == 0;
            async move {
                let reply = sent.import(&mut client).await.map_err(CallError::from)?;
                let earlier_run = first && reply.as_ref().is_some_and(|reply| reply.replayed);
                let imported = call::imported(reply)?;
                Ok(if earlier_run { taken_before(imported) } else { imported })
            }
        };
        let sent = self.cluster.on_any(RETRY_FOR, attempt).await;
        let imported = sent.map_err(|failure| in_context(failure, batch.first_row))?;
        let accounted = imported.added + imported.duplicates + imported.rejected.len() as u64;
        if accounted != batch.rows.len() as u64 {
            let rows = batch.rows.len();
            let line = format!("row {}: the node accounts for {accounted} of {rows} rows", batch.first_row);
            return Err(Failure::Refused(line));
        }
        Ok(imported)
    }
}

/// Rows that an earlier run of the same file has added count as duplicates of this run. (A repeat within this run does not:
/// its first answer was lost.)
fn taken_before(imported: Imported) -> Imported {
    Imported { added: 0, made_ready: 0, no_call: 0, duplicates: imported.duplicates + imported.added, ..imported }
}

/// The same failure, with the place and the way on.
fn in_context(failure: Failure, first_row: u64) -> Failure {
    if first_row == 1 {
        return failure;
    }
    let line = |why: String| format!("stopped at row {first_row}: {why}; run it again to go on from there");
    match failure {
        Failure::Refused(why) => Failure::Refused(line(why)),
        Failure::Unreachable(why) => Failure::Unreachable(line(why)),
        Failure::NoPrimary(why) => Failure::NoPrimary(line(why)),
        failure @ (Failure::Usage(_) | Failure::Degraded(_) | Failure::ReaderGone | Failure::Interrupted) => failure,
    }
}

/// The counts so far.
struct Tally {
    summary: Summary,
    rejects: Rejects,
    bar: ProgressBar,
    began: Instant,
}

impl Tally {
    fn add(&mut self, outcome: Outcome) -> Result<(), Failure> {
        let end_byte = match &outcome.piece {
            Piece::Batch(batch) => {
                self.count(batch, &outcome.imported)?;
                batch.end_byte
            }
            Piece::Bad(bad) => {
                self.summary.rows += bad.rows;
                self.summary.rejected += bad.rows;
                self.rejects.add_rows(bad.row, bad.rows, &bad.reason, bad.span)?;
                bad.span.end
            }
        };
        let rate = self.summary.rows as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        self.bar.set_position(end_byte);
        self.bar.set_message(format!("{} rows, {rate:.0} rows/s", self.summary.rows));
        Ok(())
    }

    fn count(&mut self, batch: &Batch, imported: &Imported) -> Result<(), Failure> {
        self.summary.rows += batch.rows.len() as u64;
        self.summary.added += imported.added;
        self.summary.duplicates += imported.duplicates;
        self.summary.rejected += imported.rejected.len() as u64;
        self.summary.made_ready += imported.made_ready;
        self.summary.no_call += imported.no_call;
        for rejected in &imported.rejected {
            let index = rejected.row.checked_sub(batch.first_row).and_then(|index| usize::try_from(index).ok());
            let Some(span) = index.and_then(|index| batch.spans.get(index)) else {
                let line = format!("row {}: the node rejects row {} of another batch", batch.first_row, rejected.row);
                return Err(Failure::Refused(line));
            };
            self.rejects.add(rejected.row, &rejected.reason, *span)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Summary, Failure> {
        let Summary { rows, added, duplicates, rejected, .. } = self.summary;
        if rows != added + duplicates + rejected {
            return Err(Failure::Refused(format!("the counts do not add up: {}", self.summary.line())));
        }
        self.summary.rejects_file = self.rejects.finish()?;
        self.summary.seconds = self.began.elapsed().as_secs_f64();
        Ok(self.summary)
    }
}
