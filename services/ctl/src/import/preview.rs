//! The first rows of a file as they would be stored, and the rows that would be rejected, as judged by a node if any answers.
//! Never changes anything, and never writes a file. Called by `list import --dry-run`, `list create --dry-run` and
//! `dnc import --dry-run`.

use std::time::Duration;

use list_files::{Batch, Piece, Source};
use ocs_proto::outbound::Imported;
use serde::Serialize;
use tonic::Code;

use super::target::{Head, Target};
use crate::{
    call::{self, CallError},
    cluster::{Client, Cluster},
    failure::Failure,
    print::{self, Out},
};

/// How long to look for a node that answers, over a failover.
const RETRY_FOR: Duration = Duration::from_secs(15);
const OLDER: &str = "the nodes run a release that does not say which rows the rules would reject: the form of the rows alone was looked at";
const ALONE: &str =
    "no node answers, so the list and the rules were not asked: the form of the rows alone was looked at";

/// Rows that are shown.
const ROWS_MAX: usize = 5;

/// The import that is not made.
pub(crate) struct Wanted<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) target: Target,
    /// The list is to be created first.
    pub(crate) create: bool,
}

#[derive(Debug, Default, Serialize)]
struct Preview {
    columns: Vec<String>,
    first_rows: Vec<Vec<String>>,
    rows: u64,
    /// Rows that would be rejected.
    rejected: u64,
    /// Rows that would be added as NoCall: their phone is on Do-Not-Call.
    no_call: u64,
    /// Reasons of the first rejections.
    reasons: Vec<String>,
    notes: Vec<String>,
    /// A node was asked.
    asked: bool,
}

/// Reads the whole file; fails if the import would be refused, or one of its rows would be rejected.
pub(crate) async fn show(out: Out, source: Source, wanted: &Wanted<'_>) -> Result<(), Failure> {
    let head = Head::new(wanted.target.clone(), source.id(), &source);
    let (columns, notes) = (source.columns().to_vec(), source.notes());
    let mut preview = Preview { columns, notes, asked: true, ..Preview::default() };
    for piece in source.into_pieces() {
        let piece = piece?;
        if let Piece::Batch(batch) = &piece
            && preview.asked
        {
            let asked = wanted.ask(&head, batch).await?;
            preview.judged(asked);
        }
        preview.add(piece);
    }
    out.show(&preview, Preview::text)?;
    match preview.rejected {
        0 => Ok(()),
        rejected => Err(Failure::Refused(format!("{rejected} rows would be rejected"))),
    }
}

impl Wanted<'_> {
    /// A node's judgement of a batch; else the reason why no node was asked.
    async fn ask(&self, head: &Head, batch: &Batch) -> Result<Result<Imported, &'static str>, Failure> {
        let attempt = |mut client: Client| {
            let (sent, create) = (head.sent(batch), self.create);
            async move {
                match sent.preview(create, &mut client).await {
                    Ok(reply) => call::imported(reply).map(Ok),
                    Err(status) if status.code() == Code::Unimplemented => Ok(Err(OLDER)),
                    Err(status) => Err(CallError::from(status)),
                }
            }
        };
        match self.cluster.on_any(RETRY_FOR, attempt).await {
            Err(Failure::Unreachable(_)) => Ok(Err(ALONE)),
            asked => asked,
        }
    }
}

impl Preview {
    fn judged(&mut self, asked: Result<Imported, &'static str>) {
        match asked {
            Ok(imported) => {
                self.no_call += imported.no_call;
                for rejected in imported.rejected {
                    self.reject(rejected.row, 1, &rejected.reason);
                }
            }
            Err(why) => {
                self.asked = false;
                self.notes.push(why.to_owned());
            }
        }
    }

    fn reject(&mut self, row: u64, rows: u64, reason: &str) {
        self.rejected += rows;
        if self.reasons.len() < ROWS_MAX {
            self.reasons.push(format!("row {row}: {reason}"));
        }
    }

    fn add(&mut self, piece: Piece) {
        match piece {
            Piece::Batch(batch) => {
                self.rows += batch.rows.len() as u64;
                let wanted = ROWS_MAX - self.first_rows.len();
                self.first_rows.extend(batch.rows.into_iter().take(wanted).map(|row| row.values));
            }
            Piece::Bad(bad) => {
                self.rows += bad.rows;
                self.reject(bad.row, bad.rows, &bad.reason);
            }
        }
    }

    fn text(&self) -> String {
        let shown = |text: &String| print::visible(text).into_owned();
        let columns: Vec<String> = self.columns.iter().map(shown).collect();
        let headers: Vec<&str> = columns.iter().map(String::as_str).collect();
        let rows = self.first_rows.iter().map(|row| row.iter().map(shown));
        let mut lines = vec![print::table(&headers, rows)];
        lines.extend(self.reasons.iter().chain(&self.notes).map(shown));
        let stopped = match self.no_call {
            0 => String::new(),
            rows => format!(" and {rows} would be taken as NoCall, by Do-Not-Call"),
        };
        let (rows, rejected) = (self.rows, self.rejected);
        lines.push(format!("rows {rows}, of which {rejected} would be rejected{stopped}; nothing was changed"));
        lines.join("\n")
    }
}
