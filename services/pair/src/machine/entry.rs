//! An entry of the log as commands. An entry that this version cannot decide stops the node, with the remedy
//! (architecture, Storage).
//!
//! Never skips an entry: a node that skipped an entry which other nodes decide would diverge from them. Called by the machine.

use consensus::MachineError;
use ocs_proto::{
    outbound::Command as WireCommand,
    peer::{Commands, Entry},
};
use outbound::{COMMAND_FORMAT, Command, RULES_FIRST, RULES_NEWEST, wire::command_from_wire};
use prost::Message;

/// eraftpb's number of an entry that carries commands.
const NORMAL: u32 = 0;

/// The commands of an entry in order; none for a new leader's and for changes of the membership.
pub(super) fn commands(entry: &Entry) -> Result<Vec<Command>, MachineError> {
    if entry.kind != NORMAL || entry.data.is_empty() {
        return Ok(Vec::new());
    }
    let stop = |reason: String| MachineError::Entry { index: entry.index, reason };
    let all = Commands::decode(entry.data.clone()).map_err(|error| stop(format!("not a list of commands: {error}")))?;
    all.commands.into_iter().map(|bytes| command(&bytes).map_err(stop)).collect()
}

fn command(bytes: &[u8]) -> Result<Command, String> {
    let wire = WireCommand::decode(bytes).map_err(|error| format!("not a command: {error}"))?;
    if wire.format == 0 {
        return Err(format!("command without a format; this node knows {COMMAND_FORMAT}"));
    }
    if wire.format <= COMMAND_FORMAT && !(RULES_FIRST..=RULES_NEWEST).contains(&wire.rules) {
        let rules = wire.rules;
        return Err(format!(
            "decided by rules version {rules}, this release knows {RULES_FIRST} to {RULES_NEWEST}: update this node"
        ));
    }
    command_from_wire(wire).map_err(|error| error.to_string())
}
