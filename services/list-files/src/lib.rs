//! Files of calling lists and of Do-Not-Call entries: CSV of every usual form, copied once, recognised, and cut into batches; and
//! the file of the rows that were rejected.
//!
//! Never asks a node, and never judges a row by the rules. Called by the imports and exports of `ocsctl`.

mod batches;
mod encoding;
mod entries;
mod fault;
mod formulas;
mod moment;
mod options;
mod records;
mod rejects;
mod source;
mod spool;
mod temporary;

pub use batches::{BadRow, Batch, Piece};
pub use entries::{EntryColumns, EntryScope};
pub use fault::FileFault;
pub use formulas::guarded;
pub use moment::moment;
pub use options::{CsvEncoding, CsvOptions};
pub use records::Span;
pub use rejects::Rejects;
pub use source::Source;
