//! A throw-away pair on this machine: two nodes, a witness and HTTP Proxies on free ports of loopback, with a small campaign.
//!
//! Never touches a directory that has no marker of a sandbox, nor a process of others. No supervisor stands behind the
//! nodes: a node that was killed stays away until the next `start`. Called by the verb `sandbox`.

mod addresses;
mod demo;
mod home;
mod process;
mod settings;
mod view;

use std::{path::Path, time::Duration};

use self::{
    addresses::Addresses,
    home::{Home, Plan},
    process::Started,
    settings::Programs,
};
pub(crate) use self::{
    home::Removed,
    view::{SandboxView, stopped},
};
use crate::{certificates, cluster::Cluster, failure::Failure, group};

/// The nodes, in the order that gives them their numbers; the last is the witness.
const NODES: [&str; 3] = ["a", "b", "w"];
/// The nodes with records.
const DATA_NODES: usize = 2;
/// How long the group may take to be whole.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// Interval of the look whether a process has ended early.
const LOOK: Duration = Duration::from_millis(200);
/// Validity of the nodes' certificates.
const CERTIFICATE_DAYS: u32 = 365;

/// Starts the nodes that do not run, and makes the campaign where there is none yet.
///
/// # Errors
/// A program is missing; the directory is not a sandbox's; the group does not get whole, and the processes that were started
/// are then stopped again.
pub(crate) async fn start(dir: &Path) -> Result<SandboxView, Failure> {
    let programs = Programs::find()?; // before anything is made
    let home = Home::make(dir)?;
    let _alone = home.lock()?;
    up(&home, &programs).await?;
    SandboxView::of(&home)
}

/// The processes and addresses of a sandbox.
pub(crate) fn status(dir: &Path) -> Result<SandboxView, Failure> {
    SandboxView::of(&Home::open(dir)?)
}

/// Stops the nodes, forgets their data, and starts them again under the same addresses and token.
pub(crate) async fn reset(dir: &Path) -> Result<SandboxView, Failure> {
    let programs = Programs::find()?;
    let home = Home::open(dir)?;
    let _alone = home.lock()?;
    process::stop(&home, &NODES).await?;
    home.forget_data()?;
    up(&home, &programs).await?;
    SandboxView::of(&home)
}

/// Stops the nodes, and returns the names of those that ran; with `remove` the sandbox is removed too.
pub(crate) async fn stop(dir: &Path, remove: bool) -> Result<(Vec<String>, Option<Removed>), Failure> {
    let home = Home::open(dir)?;
    let _alone = home.lock()?;
    let stopped = process::stop(&home, &NODES).await?;
    let removed = if remove { Some(home.remove()?) } else { None };
    Ok((stopped, removed))
}

async fn up(home: &Home, programs: &Programs) -> Result<(), Failure> {
    let missing: Vec<&str> = NODES.into_iter().filter(|node| process::running(home, node).is_none()).collect();
    let is_down = missing.len() == NODES.len();
    let plan = plan(home, |addresses| !is_down || addresses.are_free())?;
    certificates::ensure(&home.certificates(), &NODES.map(str::to_owned), CERTIFICATE_DAYS)?;
    for node in &missing {
        home.write(&home.config(node), &settings::text(node, &plan, home, programs))?;
    }
    let cluster = Cluster::plain(&plan.addresses.endpoints())?;
    let mut started = Started::default();
    match ready(home, programs, &cluster, &missing, &mut started).await {
        Ok(()) => demo::ensure(&cluster, home).await,
        Err(failure) => {
            process::stop(home, &missing).await?;
            Err(failure)
        }
    }
}

/// The plan of an earlier start, with other addresses where these may not stay: another program has taken one while no node ran.
fn plan(home: &Home, may_stay: impl Fn(&Addresses) -> bool) -> Result<Plan, Failure> {
    let plan = match home.plan()? {
        Some(plan) if may_stay(&plan.addresses) => return Ok(plan),
        Some(plan) => Plan { addresses: Addresses::free()?, ..plan },
        None => {
            let cluster_id = format!("ocs-sandbox-{:08x}", rand::random::<u32>());
            Plan { cluster_id, addresses: Addresses::free()? }
        }
    };
    home.save(&plan)?;
    Ok(plan)
}

/// Starts the missing nodes, and waits until the group is whole, or a process ends early.
async fn ready(
    home: &Home,
    programs: &Programs,
    cluster: &Cluster,
    missing: &[&str],
    started: &mut Started,
) -> Result<(), Failure> {
    let form = !home.is_formed();
    for node in missing {
        eprintln!("starting {node}");
        started.start(home, &programs.ocsd, node, form)?;
    }
    let whole = group::wait_whole(cluster, 0, READY_TIMEOUT);
    tokio::pin!(whole);
    loop {
        tokio::select! {
            whole = &mut whole => {
                let not = |why| Failure::Refused(format!("the group does not get whole: {why}; see {}", home.logs().display()));
                return whole.map_err(not).and_then(|()| home.mark_formed());
            }
            () = tokio::time::sleep(LOOK) => started.check(home)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_stay_while_they_may_and_the_group_keeps_its_id() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::make(&dir.path().join("s")).unwrap();
        let first = plan(&home, |_| true).unwrap();
        assert!(first.cluster_id.starts_with("ocs-sandbox-"), "{first:?}");
        assert_eq!(plan(&home, |_| true).unwrap(), first);
        let other = plan(&home, |_| false).unwrap();
        assert_eq!(other.cluster_id, first.cluster_id);
        assert_eq!(home.plan().unwrap(), Some(other));
    }
}
