//! Executes an operator's order that this node lead alone (`ocsctl force-primary`), with everything stopped: the state takes the
//! whole log in, a new log begins above it, and the stamp is written last.
//!
//! Each step looks for its own result on the disk first, so that after a crash the order is executed again and ends the same.
//! Never deletes the old log: a step moves that log aside. Called by `run` before a log is opened.

use std::{fs, path::PathBuf};

use consensus::{
    RaftId,
    force::{Beginning, Force, bring_up, is_of},
    members,
};
use data_dir::{DataDir, Forced};
use node_config::Config;
use raft_log::{FileDisk, Log};

use super::{
    RunError,
    open::{self, OpenLog},
};

/// In this order.
const STEPS: [Step; 4] = [begin_log, old_log_aside, new_log_in_place, stamp];

type Step = fn(&Ordered<'_>) -> Result<(), RunError>;

/// An order, and the node that executes it.
struct Ordered<'a> {
    config: &'a Config,
    directory: &'a DataDir,
    order: Forced,
    number: u16,
}

/// Executes the order in the stamp; without an order nothing happens.
pub(super) fn execute(config: &Config, directory: &DataDir) -> Result<(), RunError> {
    execute_steps(config, directory, STEPS.len())
}

fn execute_steps(config: &Config, directory: &DataDir, steps: usize) -> Result<(), RunError> {
    let Some(order) = directory.ordered() else { return Ok(()) };
    let number = config.number().ok_or_else(|| RunError::Unnamed(config.node.name.clone()))?;
    tracing::warn!(epoch = order.epoch, "an operator ordered that this node lead alone: executing it");
    let ordered = Ordered { config, directory, order, number };
    STEPS.iter().take(steps).try_for_each(|step| step(&ordered))
}

impl Ordered<'_> {
    fn id(&self) -> RaftId {
        members::forced_id(self.number, self.order.epoch)
    }

    fn log_dir(&self) -> PathBuf {
        open::log_dir(self.directory)
    }

    /// The directory of the new log; once the old log has gone, the new log is whole.
    fn new_log_dir(&self) -> PathBuf {
        self.directory.path().join("log.forced")
    }

    /// The old log; none: already moved aside.
    fn old_log(&self) -> Result<Option<OpenLog>, RunError> {
        if !self.log_dir().exists() {
            return Ok(None);
        }
        let found = open::log(self.config, self.directory)?;
        Ok(Some(found).filter(|(_, recovered)| !is_of(&recovered.start, self.order.epoch)))
    }
}

/// The state takes in the log, and a new log is made beside the old one.
fn begin_log(ordered: &Ordered<'_>) -> Result<(), RunError> {
    let Some((log, recovered)) = ordered.old_log()? else { return Ok(()) };
    recovered.notes.iter().for_each(|note| tracing::warn!("the log: {note}"));
    let Beginning { mark, hard_state } = {
        let mut machine = open::machine_as_it_is(ordered.config, ordered.directory)?;
        let force = Force { id: ordered.id(), epoch: ordered.order.epoch };
        bring_up(force, &ordered.config.voters(), (&log.reader(), &recovered), &mut machine)?
    };
    let new = ordered.new_log_dir();
    open::remove(&new)?; // of an execution that was cut short
    let disk = FileDisk::new(&new).map_err(failed("make the log"))?;
    drop(Log::create(disk, open::log_config(ordered.config), mark, hard_state)?);
    sync(ordered)
}

/// From here on the new log counts.
fn old_log_aside(ordered: &Ordered<'_>) -> Result<(), RunError> {
    if let Some(old) = ordered.old_log()? {
        drop(old);
        let aside = open::set_aside(&ordered.log_dir()).map_err(failed("move the old log aside"))?;
        tracing::warn!(aside = %aside.display(), "the log of before was moved aside; safe to delete once you have investigated");
    }
    Ok(())
}

fn new_log_in_place(ordered: &Ordered<'_>) -> Result<(), RunError> {
    if !ordered.log_dir().exists() {
        fs::rename(ordered.new_log_dir(), ordered.log_dir()).map_err(failed("put the new log in place"))?;
        sync(ordered)?;
    }
    Ok(())
}

fn stamp(ordered: &Ordered<'_>) -> Result<(), RunError> {
    let (_, recovered) = open::log(ordered.config, ordered.directory)?;
    Ok(ordered.directory.obeyed(ordered.id(), recovered.start.term)?)
}

fn sync(ordered: &Ordered<'_>) -> Result<(), RunError> {
    let directory = fs::File::open(ordered.directory.path());
    directory.and_then(|directory| directory.sync_all()).map_err(failed("sync the data directory"))
}

fn failed(doing: &'static str) -> impl FnOnce(std::io::Error) -> RunError {
    move |source| RunError::Io { doing, source }
}

#[cfg(test)]
mod tests;
