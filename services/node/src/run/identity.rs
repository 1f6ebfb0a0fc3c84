//! A stamp that cannot be read: whether log or state names this node as the owner of the directory.
//!
//! Reads headers only and changes nothing. Called by `run` before anything is opened.

use consensus::Kind;
use data_dir::{DataDir, DataDirError, DataIdentity, STAMP_FILE};
use node_config::Config;
use raft_log::{FileDisk, owners};
use store::StoreError;

use super::{RunError, open};

/// Opens the data directory. Where the stamp is damaged, and log or state names this cluster and node, the Raft id is given up:
/// the damaged stamp may have given it up before (R11 one-id-one-log).
pub(super) fn open_directory(config: &Config, bootstrap: bool) -> Result<DataDir, RunError> {
    let identity = identity(config)?;
    let path = &config.node.data_dir;
    match DataDir::open(path, identity.clone(), bootstrap) {
        Err(DataDirError::Damaged { file, reason }) if file == path.join(STAMP_FILE) => {
            names_this_node(config)
                .map_err(|why| DataDirError::Damaged { file, reason: format!("{reason}; {why}") })?;
            Ok(DataDir::open_damaged(path, identity, bootstrap)?)
        }
        opened => Ok(opened?),
    }
}

/// This node's identity for its data directory.
pub(super) fn identity(config: &Config) -> Result<DataIdentity, RunError> {
    let member = config.member().ok_or_else(|| RunError::Unnamed(config.node.name.clone()))?;
    Ok(DataIdentity {
        cluster_id: config.cluster.id.clone(),
        cluster: config.cluster_id(),
        node: member.name.clone(),
        kind: member.role.into(),
    })
}

/// A log or state that names this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Named;

/// Whether log or state names this cluster and node, and neither names another node; else the reason.
fn names_this_node(config: &Config) -> Result<(), String> {
    let log = named_by_log(config)?;
    let state = if config.member().is_some_and(|member| Kind::from(member.role) == Kind::Data) {
        named_by_state(config)?
    } else {
        None
    };
    log.or(state).map(|Named| ()).ok_or_else(|| "neither log nor state names this node".to_owned())
}

/// None: there is no log, or a version without owner names wrote it.
fn named_by_log(config: &Config) -> Result<Option<Named>, String> {
    let dir = open::log_in(&config.node.data_dir);
    if !dir.exists() {
        return Ok(None);
    }
    let disk = FileDisk::new(&dir).map_err(|error| format!("its log cannot be looked at: {error}"))?;
    let owners = owners(&disk).map_err(|error| format!("its log cannot be looked at: {error}"))?;
    if owners.iter().any(|owner| owner.cluster != config.cluster_id()) {
        return Err("its log is of another cluster".to_owned());
    }
    let mut numbers = owners.iter().filter_map(|owner| owner.node);
    match numbers.find(|number| Some(*number) != config.number()) {
        Some(other) => Err(format!("its log is of the node with number {other}")),
        None => Ok(owners.iter().any(|owner| owner.node.is_some()).then_some(Named)),
    }
}

/// None: there is no readable state, or a version without owner names wrote it.
fn named_by_state(config: &Config) -> Result<Option<Named>, String> {
    match store::owner(&open::state_in(&config.node.data_dir)) {
        Ok(owner) if owner.cluster != config.cluster_id() => Err("its state is of another cluster".to_owned()),
        Ok(owner) => match owner.node {
            Some(other) if other != config.node.name => Err(format!("its state is of node \"{other}\"")),
            named => Ok(named.map(|_| Named)),
        },
        Err(StoreError::Io { .. } | StoreError::Damaged(_)) => Ok(None),
        Err(error) => Err(format!("its state cannot be looked at: {error}")),
    }
}
