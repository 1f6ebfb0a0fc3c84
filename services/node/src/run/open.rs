//! Opens the files of a node: forms a group once, opens log and state, moves a state that does not open aside.
//!
//! Never repairs a log: a corrupt log is given up together with its Raft id (R10 torn-is-cut-corrupt-is-kept,
//! R11 one-id-one-log).

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use chassis::tasks::Tasks;
use consensus::{
    Kind,
    core::{genesis_at, nothing},
    proof,
};
use data_dir::{DataDir, Formation};
use node_config::Config;
use ocs_proto::peer::ConfState;
use pair::machine::RecordsMachine;
use peers::{Admission, Missing, Peers, bootstrap_gate};
use raft_log::{FileDisk, Log, LogConfig, LogError, Recovered};
use records::Rules;
use store::{IndexRebuild, StoreConfig};

use super::{RunError, ports::OPENING};
use crate::{startup::Startup, versions};

/// A log, and the findings of its recovery.
pub(super) type OpenLog = (Log<FileDisk>, Recovered);

/// Forms the group if this node is no member yet: waits for all nodes, writes the log's beginning, and stamps the directory last.
pub(super) async fn form_if_new(
    config: &Config,
    directory: &DataDir,
    peers: &Peers,
    startup: &Startup,
    tasks: &Tasks,
) -> Result<(), RunError> {
    if directory.formation() == Formation::Formed {
        return Ok(());
    }
    let waits = |missing: &Missing| startup.say(format!("waiting for {}", missing.names));
    let versions = bootstrap_gate(peers, &tasks.stopping(), waits).await?;
    startup.say(OPENING);
    for left_over in [log_dir(directory), state_dir(directory)] {
        remove(&left_over)?; // left by a forming that was cut short: no peer has heard of it
    }
    let voters: Vec<u64> = config.voters().into_iter().map(|(id, _)| id).collect();
    let (mark, hard_state) = genesis_at(&voters, versions);
    let disk = FileDisk::new(&log_dir(directory)).map_err(|source| RunError::Io { doing: "make the log", source })?;
    drop(Log::create(disk, log_config(config), mark, hard_state)?);
    directory.guard()?;
    directory.stamp()?;
    tracing::info!(cluster = config.cluster.id, "the group is formed");
    Ok(())
}

/// Opens the log of a member; none where this node is no member yet. A log that cannot be trusted, or whose epoch differs from
/// the stamp's, is given up with its id, and this node is to join under a new id (R11).
pub(super) fn trusted_log(config: &Config, directory: &DataDir) -> Result<Option<OpenLog>, RunError> {
    if directory.formation() != Formation::Formed {
        return Ok(None);
    }
    match log(config, directory) {
        Err(RunError::Log(error @ (LogError::Corrupt { .. } | LogError::Missing))) => {
            tracing::error!("{error}");
            tracing::error!("this node gives its Raft id up and joins the group again under a new one");
            directory.give_up()?;
            Ok(None)
        }
        Ok((log, recovered)) => match disputed(directory.epoch(), &recovered) {
            None => Ok(Some((log, recovered))),
            Some(of_log) => {
                let stamped = directory.epoch();
                tracing::error!(
                    stamped,
                    of_log,
                    "the stamp and the log name different epochs, so this node does not start under its Raft id: it gives the id up \
                     and joins the group again under a new one"
                );
                directory.give_up_disputed(stamped.min(of_log))?;
                Ok(None)
            }
        },
        Err(error) => Err(error),
    }
}

/// Whether this release knows the versions by which the group writes and decides: an older release must not go on. A witness decides
/// nothing, and needs the formats alone.
pub(super) fn knows_versions(recovered: &Recovered, kind: Kind) -> Result<(), RunError> {
    let conf_states = recovered.conf_states.iter().map(|(_, conf)| conf).chain(recovered.start.conf_state.as_ref());
    let newest = |of: fn(&ConfState) -> u32| conf_states.clone().map(of).max().unwrap_or_default();
    let (formats, rules) = (newest(|conf| conf.formats), newest(|conf| conf.rules_wanted));
    let knows_rules = kind == Kind::Witness || rules <= versions::NEWEST.rules;
    if formats > versions::NEWEST.formats || !knows_rules {
        let release = recovered.conf_states.last().map(|(_, conf)| conf).or(recovered.start.conf_state.as_ref());
        let release = release.map(|conf| conf.release.clone()).unwrap_or_default();
        return Err(RunError::Versions { formats, rules, release });
    }
    Ok(())
}

/// The epoch of the log, if it differs from the stamp's. One of the two is wrong: an order is executed, and its epoch stamped,
/// before this check. A log without a membership names no epoch.
fn disputed(stamped: u64, recovered: &Recovered) -> Option<u64> {
    proof::epoch_of(recovered.conf_states.last().map(|(_, conf)| conf).or(recovered.start.conf_state.as_ref())?)
        .filter(|of_log| *of_log != stamped)
}

/// Begins as a member without entries, under the id that the group gave. The caller has moved the former log and state aside.
pub(super) fn begin_as(config: &Config, directory: &DataDir, admission: Admission) -> Result<(), RunError> {
    let (mark, hard_state) = nothing();
    let disk = FileDisk::new(&log_dir(directory)).map_err(|source| RunError::Io { doing: "make the log", source })?;
    drop(Log::create(disk, log_config(config), mark, hard_state)?);
    if admission.guarded {
        directory.guard()?;
    }
    directory.join(admission.raft_id, admission.epoch)?;
    tracing::info!(raft_id = admission.raft_id, "the group has taken this node in under a new id");
    Ok(())
}

/// Keeps log and state of a former life of this node for inspection, never for use.
pub(super) fn clear_aside(directory: &DataDir) -> Result<(), RunError> {
    for left in [log_dir(directory), state_dir(directory)] {
        if left.exists() {
            let aside =
                set_aside(&left).map_err(|source| RunError::Io { doing: "move aside what was left", source })?;
            tracing::info!(aside = %aside.display(), "moved aside; safe to delete once you have investigated");
        }
    }
    Ok(())
}

pub(super) fn set_aside(path: &Path) -> std::io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names = (1..).map(|count| path.with_file_name(format!("{name}.aside-{count}")));
    let aside = names.into_iter().find(|aside| !aside.exists()).expect("numbers do not end");
    fs::rename(path, &aside)?;
    if let Some(parent) = path.parent() {
        fs::File::open(parent)?.sync_all()?;
    }
    Ok(aside)
}

/// Opens the log.
pub(super) fn log(config: &Config, directory: &DataDir) -> Result<(Log<FileDisk>, Recovered), RunError> {
    let disk = FileDisk::new(&log_dir(directory)).map_err(|source| RunError::Io { doing: "open the log", source })?;
    Ok(Log::open(disk, log_config(config))?)
}

/// Opens the state; none on a witness. A state that does not open is moved aside, and an empty state takes its place: the missing
/// entries come from the log, or a whole state from the other data node (R11).
pub(super) fn machine(
    config: &Config,
    directory: &DataDir,
    node: &str,
    startup: &Startup,
) -> Result<Option<RecordsMachine>, RunError> {
    if config.member().is_some_and(|member| Kind::from(member.role) == Kind::Witness) {
        return Ok(None);
    }
    let dir = state_dir(directory);
    let mut tell = |rebuild: IndexRebuild| startup.say(rebuilding(rebuild));
    let mut open = || machine_telling(config, directory, &mut tell);
    match open() {
        Ok(machine) => {
            startup.say(OPENING);
            Ok(Some(machine))
        }
        Err(RunError::Store(error)) if error.may_be_set_aside() => {
            let aside =
                store::set_aside(&dir).map_err(|source| RunError::Io { doing: "move the state aside", source })?;
            tracing::error!(node, aside = %aside.display(), "the state does not open ({error}): it is moved aside and fetched again");
            Ok(Some(open()?))
        }
        Err(RunError::Store(source)) if source.is_of_a_full_disk() => {
            Err(RunError::FullDisk { directory: directory.path().to_owned(), source })
        }
        Err(error) => Err(error),
    }
}

/// Opens the state of a data node, or says why it does not open.
pub(super) fn machine_as_it_is(config: &Config, directory: &DataDir) -> Result<RecordsMachine, RunError> {
    machine_telling(config, directory, &mut |_| {})
}

/// As [`machine_as_it_is`]; `tell` gets the progress of a rebuild of the indexes.
fn machine_telling(
    config: &Config,
    directory: &DataDir,
    tell: &mut dyn FnMut(IndexRebuild),
) -> Result<RecordsMachine, RunError> {
    let machine = RecordsMachine::open_telling(&state_dir(directory), store_config(config), rules(config), tell)?;
    machine.check_rules()?;
    Ok(machine)
}

/// The state of the start during a rebuild, as `status` shows it.
fn rebuilding(IndexRebuild { read, written, .. }: IndexRebuild) -> String {
    format!("rebuilding the indexes: {read} rows read, {written} index rows written")
}

/// The store's settings.
pub(super) fn store_config(config: &Config) -> StoreConfig {
    StoreConfig {
        node: config.node.name.clone(),
        cache_bytes: config.store.cache_bytes,
        ..StoreConfig::new(config.cluster_id())
    }
}

/// Where a state from another node is prepared.
pub(super) fn fetched_dir(directory: &DataDir) -> PathBuf {
    directory.path().join("state.fetched")
}

pub(super) fn log_dir(directory: &DataDir) -> PathBuf {
    log_in(directory.path())
}

/// Where the log of a data directory stands.
pub(super) fn log_in(data_dir: &Path) -> PathBuf {
    data_dir.join("log")
}

pub(super) fn state_dir(directory: &DataDir) -> PathBuf {
    state_in(directory.path())
}

/// Where the state of a data directory stands.
pub(super) fn state_in(data_dir: &Path) -> PathBuf {
    data_dir.join("state")
}

pub(super) fn log_config(config: &Config) -> LogConfig {
    LogConfig {
        cluster: config.cluster_id(),
        node: config.number().unwrap_or(0),
        segment_bytes: config.log.segment_bytes,
        prepare_ahead: true,
    }
}

/// The options of this node's own file: they decide under rules version 1.
pub(super) fn rules(config: &Config) -> Rules {
    let (given, default) = (&config.rules, Rules::default());
    Rules {
        replay_window_us: given.replay_window_ms.map_or(default.replay_window_us, |ms| ms * 1000),
        idempotency_window_us: given
            .idempotency_hours
            .map_or(default.idempotency_window_us, |hours| hours.saturating_mul(3_600_000_000)),
        idempotency_keys_max: given.idempotency_keys_max.unwrap_or(default.idempotency_keys_max),
        records_per_request_max: given.records_per_request_max.map_or(default.records_per_request_max, u64::from),
        ..default
    }
}

pub(super) fn remove(path: &Path) -> Result<(), RunError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            Err(RunError::Io { doing: "clear a cut-short start", source })
        }
        _ => Ok(()),
    }
}
