//! The conditions that a script waits for, each met or not by the answers of one survey. Never asks a node. Called by `wait`.

use ocs_proto::control::Role;

use super::{Committed, GroupAnswers, NodeAnswer};
use crate::{cli::AwaitedRole, failure::Failure};

/// The state of the HTTP front end of a node whose drain is complete, as the node says.
const DRAINED: &str = "drained";

impl GroupAnswers<'_> {
    /// Whether every node has the log up to the commit index of an earlier survey on its disk, and every data node has applied it.
    ///
    /// # Errors
    /// A node does not answer, there is no primary, or the first node that lacks entries.
    pub(crate) fn is_replicated(&self, target: Option<Committed>) -> Result<(), Failure> {
        self.all_answer()?;
        let Some(Committed { index, .. }) = target else {
            let why = match self.primary() {
                Some(primary) => format!("{} has committed nothing yet", self.name(primary)),
                None => self.no_primary_line(),
            };
            return Err(Failure::Refused(format!("not replicated: {why}")));
        };
        let committed = self.primary().and_then(NodeAnswer::status).map_or(index, |status| status.commit_index);
        let behind = |seen: &NodeAnswer<'_>| {
            let (status, name) = (seen.status()?, self.name(seen));
            // the primary knows which part of its log the others have acknowledged from their disks
            let is_primary = self.primary().is_some_and(|primary| self.name(primary) == name);
            let lag = if is_primary { Some(0) } else { self.lag(&name) };
            let acknowledged = lag.map_or(0, |lag| committed.saturating_sub(lag));
            let applied = if seen.is_witness() { index } else { status.applied_index };
            let lacks = index.saturating_sub(acknowledged.min(applied));
            (lacks > 0).then(|| format!("not replicated: {name} lacks {lacks} entries"))
        };
        self.seen.iter().find_map(behind).map_or(Ok(()), |why| Err(Failure::Refused(why)))
    }

    /// Whether a node takes no clients by an operator's drain, and has answered the last request.
    ///
    /// # Errors
    /// The node does not answer, or the state of its HTTP front end.
    pub(crate) fn is_drained(&self, node: &str) -> Result<(), Failure> {
        let state = self.required(node)?.status().map(|status| status.http_proxy.as_str()).unwrap_or_default();
        if state == DRAINED {
            return Ok(());
        }
        Err(Failure::Refused(format!("{node} is not drained: its HTTP front end is {state}")))
    }

    /// Whether every node runs a release.
    ///
    /// # Errors
    /// A node does not answer, or the first node of another release.
    pub(crate) fn runs_release(&self, release: &str) -> Result<(), Failure> {
        self.all_answer()?;
        let other = |seen: &NodeAnswer<'_>| {
            let version = seen.status()?.version.as_str();
            (version != release).then(|| format!("{} runs {version}, not {release}", self.name(seen)))
        };
        self.seen.iter().find_map(other).map_or(Ok(()), |why| Err(Failure::Refused(why)))
    }

    /// Whether a node has a role by its own word; a primary must be confirmed by a quorum.
    ///
    /// # Errors
    /// The node does not answer, or its role.
    pub(crate) fn has_role(&self, node: &str, role: AwaitedRole) -> Result<(), Failure> {
        let now = self.required(node)?.role();
        let is_met = now.is_some_and(|now| match role {
            AwaitedRole::Primary => now.role() == Role::Primary && now.confirmed,
            AwaitedRole::Backup => now.role() == Role::Backup,
            AwaitedRole::Witness => now.role() == Role::Witness,
        });
        if is_met {
            return Ok(());
        }
        let shown = match now.map(|now| (now.role(), now.confirmed)) {
            Some((Role::Primary, true)) => "primary",
            Some((Role::Primary, false)) => "primary, and no quorum confirms it",
            Some((Role::Backup, _)) => "backup",
            Some((Role::Witness, _)) => "witness",
            _ => "without a role",
        };
        Err(Failure::Refused(format!("{node} is not {}: it is {shown}", role.word())))
    }

    fn all_answer(&self) -> Result<(), Failure> {
        let Some(silent) = self.silent().next() else { return Ok(()) };
        if self.answered() == 0 { Err(Failure::Unreachable(silent)) } else { Err(Failure::Refused(silent)) }
    }
}
