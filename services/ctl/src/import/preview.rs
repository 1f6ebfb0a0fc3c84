//! The first rows of a file as they would be stored. Never asks a node, and never writes a file. Called by `list import --dry-run`
//! and `list create --dry-run`.

use serde::Serialize;

use super::{batches::Piece, source::Source};
use crate::{
    failure::Failure,
    print::{self, Out},
};

/// Rows that are shown.
const ROWS_MAX: usize = 5;

#[derive(Debug, Default, Serialize)]
struct Preview {
    columns: Vec<String>,
    first_rows: Vec<Vec<String>>,
    rows: u64,
    /// Rows that would be rejected without asking a node.
    rejected: u64,
    /// Why, of the first ones.
    reasons: Vec<String>,
    notes: Vec<String>,
}

/// Reads the whole file; fails if one of its rows cannot be read.
pub(crate) fn show(out: Out, source: Source) -> Result<(), Failure> {
    let mut preview = Preview { columns: source.columns().to_vec(), notes: source.notes(), ..Preview::default() };
    for piece in source.into_pieces() {
        preview.add(piece?);
    }
    out.show(&preview, Preview::text)?;
    match preview.rejected {
        0 => Ok(()),
        rejected => Err(Failure::Refused(format!("{rejected} rows would be rejected"))),
    }
}

impl Preview {
    fn add(&mut self, piece: Piece) {
        match piece {
            Piece::Batch(batch) => {
                self.rows += batch.rows.len() as u64;
                let wanted = ROWS_MAX - self.first_rows.len();
                self.first_rows.extend(batch.rows.into_iter().take(wanted).map(|row| row.values));
            }
            Piece::Bad(bad) => {
                self.rows += bad.rows;
                self.rejected += bad.rows;
                if self.reasons.len() < ROWS_MAX {
                    self.reasons.push(format!("row {}: {}", bad.row, bad.reason));
                }
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
        lines.push(format!("rows {}, of which {} cannot be read; nothing was sent", self.rows, self.rejected));
        lines.join("\n")
    }
}
