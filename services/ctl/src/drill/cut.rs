//! A node cut off from the others: packets of its peer connections are dropped, in a table of nftables of our own. Never
//! touches another table, and takes its own away in any case; the ports are forgotten by themselves should we be killed.
//!
//! Connections of the others among themselves stay, but new connections are blocked for all: on one address nothing tells
//! whose a new connection is. Called by `drill`.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::Instant,
};

use super::{
    local::Process,
    sockets::{self, Links},
};
use crate::failure::Failure;

/// The table of this drill alone.
const TABLE: &str = "inet ocs_drill";
/// Longer than a node is ever cut off.
const FORGOTTEN_AFTER: &str = "30s";

/// Whether cutting off is possible here, before anything is changed.
pub(crate) fn possible(one: Process, others: &[Process]) -> Result<(), Failure> {
    if !rustix::process::geteuid().is_root() {
        return Err(Failure::Refused("a partition needs root, for nftables: run the drill as root".to_owned()));
    }
    let space = |who: &str| fs::read_link(format!("/proc/{who}/ns/net")).ok();
    if space(&one.number().to_string()) != space("self") {
        return Err(Failure::Refused("the nodes are in another network namespace: run the drill there".to_owned()));
    }
    nft(&["list", "tables"], "").map_err(|why| Failure::Refused(format!("a partition needs nftables: {why}")))?;
    let links = find(one, others)?;
    if links.own.is_empty() {
        return Err(Failure::Refused(format!("process {} has no connection to the other nodes here", one.number())));
    }
    Ok(())
}

/// A node that is cut off, reconnected on drop.
#[derive(Debug)]
pub(crate) struct Cut;

impl Cut {
    /// Cuts a node off from the others; with the moment before.
    pub(crate) fn off(one: Process, others: &[Process]) -> Result<(Self, Instant), Failure> {
        let rules = rules(&find(one, others)?);
        let (cut, moment) = (Self, Instant::now());
        nft(&["-f", "-"], &rules).map_err(|why| Failure::Refused(format!("nft: {why}")))?;
        Ok((cut, moment))
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        if let Err(why) = nft(&["-f", "-"], &gone()) {
            eprintln!("ocsctl: `nft delete table {TABLE}` failed: {why}");
        }
    }
}

fn find(one: Process, others: &[Process]) -> Result<Links, Failure> {
    let others: Vec<u32> = others.iter().map(|other| other.number()).collect();
    sockets::links(Path::new("/proc"), one.number(), &others).map_err(Failure::Refused)
}

/// Removes the table; the add before the delete makes sure that the table exists.
fn gone() -> String {
    format!("add table {TABLE}\ndelete table {TABLE}\n")
}

/// One transaction: both directions of the node's connections, and the first packet of every new one.
fn rules(links: &Links) -> String {
    let joined = |ports: Vec<String>| {
        let each: Vec<_> = ports.iter().map(|port| format!("{port} timeout {FORGOTTEN_AFTER}")).collect();
        each.join(", ")
    };
    format!(
        "{}table {TABLE} {{\n\
         set own {{ type inet_service . inet_service; flags timeout; elements = {{ {} }}; }}\n\
         set listening {{ type inet_service; flags timeout; elements = {{ {} }}; }}\n\
         chain input {{ type filter hook input priority filter; policy accept;\n\
         iifname \"lo\" tcp sport . tcp dport @own drop\n\
         iifname \"lo\" tcp dport . tcp sport @own drop\n\
         iifname \"lo\" tcp dport @listening tcp flags & (syn | ack) == syn drop\n\
         }}\n}}\n",
        gone(),
        joined(links.own.iter().map(|(own, theirs)| format!("{own} . {theirs}")).collect()),
        joined(links.listening.iter().map(u16::to_string).collect()),
    )
}

fn nft(words: &[&str], input: &str) -> Result<(), String> {
    let run = || {
        let mut command = Command::new("nft");
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()))?;
        child.wait_with_output()
    };
    let output = run().map_err(|error| format!("nft does not run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said.lines().next().unwrap_or("no reason given").to_owned()) }
}
