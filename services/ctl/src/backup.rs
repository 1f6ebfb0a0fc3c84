//! The view of a file that `backup` shows. Never asks a node. Called by the verbs of `backup`, and by `status`.

use std::path::Path;

use serde::Serialize;
use store::{ArchiveHead, ArchiveTail};

use crate::{failure::Failure, print, s3::Place};

/// Standard input or output, where a file is named so.
pub(crate) const STANDARD: &str = "-";

/// Refuses the URL of a storage, where a file is read several times or by another program.
pub(crate) fn refuse_url(file: &Path) -> Result<(), Failure> {
    if Place::of(file)?.is_none() {
        return Ok(());
    }
    let url = file.display();
    Err(Failure::Usage(format!("{url}: copy the backup into a file first: `ocsctl backup fetch {url} FILE`")))
}

/// A backup, for a person or a program.
#[derive(Debug, Serialize)]
pub(crate) struct View {
    file: String,
    cluster: String,
    node: String,
    index: u64,
    epoch: u64,
    records: u64,
    /// RFC 3339.
    created: String,
    release: String,
    digest: String,
    /// Rows of the state; not known before the file's end.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    /// The file's length.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

impl View {
    /// Of a file with this head.
    pub(crate) fn new(file: &Path, head: &ArchiveHead) -> Self {
        Self {
            file: file.display().to_string(),
            cluster: head.cluster_id.clone(),
            node: head.node.clone(),
            index: head.index,
            epoch: head.epoch,
            records: head.records,
            created: print::time(head.created_us),
            release: head.release.clone(),
            digest: format!("{:032x}", head.digest),
            rows: None,
            bytes: None,
        }
    }

    /// Of a file that was read to its end.
    pub(crate) fn whole(file: &Path, head: &ArchiveHead, tail: &ArchiveTail, bytes: u64) -> Self {
        Self { rows: Some(tail.state_rows), bytes: Some(bytes), ..Self::new(file, head) }
    }

    /// For a person.
    pub(crate) fn table(&self) -> String {
        let number = |number: Option<u64>| number.map(|number| number.to_string());
        let lines = [
            ("file", Some(self.file.clone())),
            ("cluster", Some(self.cluster.clone())),
            ("created", Some(format!("{} by {}, release {}", self.created, self.node, self.release))),
            ("index", Some(self.index.to_string())),
            ("epoch", Some(self.epoch.to_string())),
            ("records", Some(self.records.to_string())),
            ("rows", number(self.rows)),
            ("bytes", number(self.bytes)),
            ("digest", Some(self.digest.clone())),
        ];
        let known: Vec<_> = lines.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        print::pairs(&known)
    }
}
