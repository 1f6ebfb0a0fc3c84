//! The ways in which a verb can fail, by exit code. Never carries a stack of causes: one line. Called by every verb.

use list_files::FileFault;
use thiserror::Error;

/// Exit code of a wrong command line.
pub(crate) const USAGE: u8 = 2;

/// Why a verb ended without success; the text is the one line on standard error.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Failure {
    /// A node said no, or the work did not succeed. Exit code 1.
    #[error("{0}")]
    Refused(String),
    /// The command line, or a file named there, makes no sense. Exit code 2.
    #[error("{0}")]
    Usage(String),
    /// No node or front end answered. Exit code 3.
    #[error("{0}")]
    Unreachable(String),
    /// Nodes answered, and none of them is primary, or the primary takes no updates. Exit code 4.
    #[error("{0}")]
    NoPrimary(String),
    /// Updates are accepted, and the group is not whole or a node warns. Exit code 5, of `status --check` alone.
    #[error("degraded: {0}")]
    Degraded(String),
    /// The reader of standard output has gone, as `head` does: no message is printed. Exit code 141, that of SIGPIPE.
    #[error("nobody reads standard output any more")]
    ReaderGone,
    /// Ctrl-C ended a watch, which has no other end: no message is printed. Exit code 130, that of SIGINT.
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    /// 1 refused or failed, 2 usage, 3 unreachable, 4 no primary, 5 degraded, 130 interrupted, 141 reader gone.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Usage(_) => USAGE,
            Self::Unreachable(_) => 3,
            Self::NoPrimary(_) => 4,
            Self::Degraded(_) => 5,
            Self::ReaderGone => 141,
            Self::Interrupted => 130,
        }
    }

    /// The word for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Usage(_) => "usage",
            Self::Unreachable(_) => "unreachable",
            Self::NoPrimary(_) => "no_primary",
            Self::Degraded(_) => "degraded",
            Self::ReaderGone => "reader_gone",
            Self::Interrupted => "interrupted",
        }
    }

    /// One line of JSON, the same schema for every verb: `{"error": {"code", "exit_code", "message"}}`.
    pub(crate) fn json(&self) -> String {
        let (code, exit_code, message) = (self.code(), self.exit_code(), self.to_string());
        serde_json::json!({ "error": { "code": code, "exit_code": exit_code, "message": message } }).to_string()
    }

    /// A file on the command line that is absent or malformed: the user must correct it.
    pub(crate) fn input(path: &std::path::Path, error: impl std::fmt::Display) -> Self {
        Self::Usage(format!("{}: {error}", path.display()))
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(path: &std::path::Path, error: impl std::fmt::Display) -> Self {
        Self::Refused(format!("{}: {error}", path.display()))
    }
}

impl From<FileFault> for Failure {
    fn from(fault: FileFault) -> Self {
        match fault {
            FileFault::Unfit(line) => Self::Usage(line),
            FileFault::Failed(line) => Self::Refused(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_has_its_own_exit_code() {
        let line = || "why".to_owned();
        let failures = [
            Failure::Refused(line()),
            Failure::Usage(line()),
            Failure::Unreachable(line()),
            Failure::NoPrimary(line()),
            Failure::Degraded(line()),
            Failure::Interrupted,
            Failure::ReaderGone,
        ];
        assert_eq!(failures.map(|failure| failure.exit_code()), [1, 2, 3, 4, 5, 130, 141]);
    }

    #[test]
    fn every_failure_is_one_line_of_json_of_one_schema() {
        for failure in [Failure::Refused("say \"no\"\nor yes".to_owned()), Failure::Degraded("b is down".to_owned())] {
            let line = failure.json();
            assert!(!line.contains('\n'), "{line}");
            let read: serde_json::Value = serde_json::from_str(&line).unwrap();
            let error = &read["error"];
            assert_eq!(error["message"], failure.to_string());
            assert_eq!(error["code"], failure.code());
            assert_eq!(error["exit_code"], failure.exit_code());
            assert_eq!((read.as_object().unwrap().len(), error.as_object().unwrap().len()), (1, 3));
        }
    }
}
