//! The faults of a file. Never carries a stack of causes: one line, which names the file. Called by every reader.

use std::{fmt::Display, path::Path};

use thiserror::Error;

/// The reason why a file is not read, or why rows are not written; the text is one line.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FileFault {
    /// The file is absent or malformed, or an option does not fit the file: the user must correct it.
    #[error("{0}")]
    Unfit(String),
    /// The file cannot be read or written.
    #[error("{0}")]
    Failed(String),
}

impl FileFault {
    /// A file that is absent or malformed.
    pub(crate) fn input(path: &Path, error: impl Display) -> Self {
        Self::Unfit(format!("{}: {error}", path.display()))
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(path: &Path, error: impl Display) -> Self {
        Self::Failed(format!("{}: {error}", path.display()))
    }
}
