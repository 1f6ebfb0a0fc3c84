//! The stamp's content: its fields, its text form and its checks. Never writes to disk; called by [`super::DataDir`].
//!
//! The last line is a comment with a checksum over all bytes before that line, and the first line announces the checksum. An
//! older version, which reads comments of any kind, still reads the file, and no flipped bit makes a sealed file look unsealed.

use std::{collections::BTreeSet, fs, io, path::Path};

use consensus::{Kind, RaftId, members};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{DataDirError, DataIdentity, files::failed, foreign};

/// The newest format known here; a stamp is written in the format of its group.
const FORMAT: i64 = 2;
/// The format that every version reads, without a checksum if an older version wrote it.
const FORMAT_FIRST: i64 = 1;
/// The epoch of a group that was never forced.
pub(super) const EPOCH_FIRST: u64 = 1;
/// Limit of remembered ids of one node.
const HEARD_OF_MAX: usize = 256;
const PREAMBLE: &str = "# Written by ocsd. Do not edit, copy or restore by hand: it says who this node is, and its last line is a \
                        checksum.\n";
/// The first line of a version without checksum.
const PREAMBLE_UNSEALED: &str = "# Written by ocsd. Do not edit, copy or restore by hand: it says who this node is.\n";
/// The SHA-256 of all bytes before this line follows, in 64 hexadecimal digits.
const SEAL: &str = "# sha256: ";
const SEAL_BYTES: usize = SEAL.len() + 64 + 1;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeFile {
    format: i64,
    cluster_id: String,
    /// 32 hexadecimal digits.
    cluster: String,
    node: String,
    role: String,
    /// How often this node came back under a new Raft id (R11 one-id-one-log).
    pub(super) raft_incarnation: u64,
    /// Starts since the stamp.
    pub(super) boots: u64,
    pub(super) epoch: u64,
    /// The log behind this id cannot be trusted: the node joins under a new id (R11).
    #[serde(default)]
    pub(super) given_up: bool,
    /// Every Raft id from which a message came.
    pub(super) heard_of: BTreeSet<RaftId>,
    /// An operator's order that is to be executed before anything is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) order: Option<Forced>,
    /// The last order that was executed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) forced: Option<Forced>,
}

/// An operator's order that this node lead alone, with the facts that bound the possible loss.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forced {
    /// Time of the order, microseconds since 1970.
    pub at_us: u64,
    /// The epoch that the order begins.
    pub epoch: u64,
    /// Last index of this node's log.
    pub last_index: u64,
    /// Highest index that this node had heard to be committed.
    pub last_commit: u64,
    /// The operator accepted that acknowledged updates may be lost.
    pub accept_loss: bool,
    /// The term in which the new log begins; 0: no new log yet.
    pub term: u64,
}

impl NodeFile {
    pub(super) fn first(identity: &DataIdentity) -> Self {
        Self {
            format: FORMAT_FIRST,
            cluster_id: identity.cluster_id.clone(),
            cluster: hex(&identity.cluster),
            node: identity.node.clone(),
            role: role(identity.kind).to_owned(),
            raft_incarnation: 0,
            boots: 0,
            epoch: EPOCH_FIRST,
            given_up: false,
            heard_of: BTreeSet::new(),
            order: None,
            forced: None,
        }
    }

    /// Reads a stamp and checks its owner; none: there is no stamp.
    pub(super) fn read(file: &Path, identity: &DataIdentity) -> Result<Option<Self>, DataDirError> {
        let bytes = match fs::read(file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", file)(error)),
        };
        let stamp = Self::parse(file, &bytes)?;
        stamp.check(file, identity)?;
        Ok(Some(stamp))
    }

    /// Raises the format to the group's; false: the stamp has that format already.
    pub(super) fn raise(&mut self, formats: i64) -> bool {
        let raised = formats.min(FORMAT) > self.format;
        self.format = self.format.max(formats.min(FORMAT));
        raised
    }

    pub(super) fn incarnation(&self) -> u64 {
        (self.raft_incarnation << 32) | self.boots
    }

    /// Remembers an id; beyond the limit of a node its oldest id is forgotten. False: the id is known already.
    pub(super) fn hear(&mut self, id: RaftId) -> bool {
        let of_node = |other: &&RaftId| members::number(**other) == members::number(id);
        if self.heard_of.iter().filter(of_node).count() >= HEARD_OF_MAX
            && let Some(oldest) = self.heard_of.iter().find(of_node).copied()
        {
            self.heard_of.remove(&oldest);
        }
        self.heard_of.insert(id)
    }

    /// Whether a start would find this stamp in the text: its file format knows numbers up to 2^63 - 1.
    pub(super) fn reads_back_from(&self, text: &str) -> bool {
        Self::parse(Path::new(""), text.as_bytes()).is_ok_and(|read| read == *self)
    }

    pub(super) fn to_text(&self) -> String {
        let body = toml::to_string(self).expect("a table of words, numbers and a list of numbers has a TOML form");
        let text = format!("{PREAMBLE}{body}");
        let seal = seal(text.as_bytes());
        text + &seal
    }

    /// The stamp of a member that never speaks under its old id again, and knows nothing else.
    pub(super) fn given_up(identity: &DataIdentity) -> Self {
        Self { given_up: true, ..Self::first(identity) }
    }

    pub(super) fn is_raised(&self) -> bool {
        self.format > FORMAT_FIRST
    }

    /// Checks the checksum before any field, and the format before the other fields: a newer format may have other fields.
    fn parse(file: &Path, bytes: &[u8]) -> Result<Self, DataDirError> {
        let (text, sealed) = unsealed(bytes).map_err(|reason| damaged(file, &reason))?;
        let table: toml::Table = toml::from_str(text).map_err(|error| damaged(file, error.message()))?;
        match table.get("format").and_then(toml::Value::as_integer) {
            Some(found) if found > FORMAT_FIRST && !sealed => return Err(damaged(file, "it has no checksum")),
            Some(found) if found > FORMAT => {
                return Err(DataDirError::Newer { file: file.to_owned(), found, known: FORMAT });
            }
            Some(_) => {}
            None => return Err(damaged(file, "it names no format")),
        }
        table.try_into().map_err(|error: toml::de::Error| damaged(file, error.message()))
    }

    fn check(&self, file: &Path, identity: &DataIdentity) -> Result<(), DataDirError> {
        let cluster = hex(&identity.cluster);
        if self.cluster_id != identity.cluster_id {
            return Err(foreign(file, "cluster", &self.cluster_id, &identity.cluster_id));
        }
        if self.cluster != cluster {
            return Err(foreign(file, "cluster key", &self.cluster, cluster));
        }
        if self.node != identity.node {
            return Err(foreign(file, "node", &self.node, &identity.node));
        }
        if self.role != role(identity.kind) {
            return Err(foreign(file, "role", &self.role, role(identity.kind)));
        }
        Ok(())
    }
}

/// The text of an intact file, and whether a checksum covers it.
fn unsealed(bytes: &[u8]) -> Result<(&str, bool), String> {
    let sealed = bytes.starts_with(PREAMBLE.as_bytes());
    if !sealed && !bytes.starts_with(PREAMBLE_UNSEALED.as_bytes()) {
        return Err("it does not begin as one of ours".to_owned());
    }
    let (covered, last) = bytes.split_at(if sealed { bytes.len().saturating_sub(SEAL_BYTES) } else { bytes.len() });
    if sealed && last != seal(covered).as_bytes() {
        return Err("its checksum is wrong".to_owned());
    }
    let text = std::str::from_utf8(covered).map_err(|error| error.to_string())?;
    Ok((text, sealed))
}

/// The last line of a file.
pub(super) fn seal(covered: &[u8]) -> String {
    format!("{SEAL}{}\n", hex(&Sha256::digest(covered)))
}

fn role(kind: Kind) -> &'static str {
    match kind {
        Kind::Data => "data",
        Kind::Witness => "witness",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn damaged(file: &Path, reason: &str) -> DataDirError {
    DataDirError::Damaged { file: file.to_owned(), reason: reason.trim().replace('\n', ", ") }
}
