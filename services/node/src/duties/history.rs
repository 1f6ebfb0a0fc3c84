//! The history of the role: each new primary writes a row into the replicated state, with its view of the primary before.
//!
//! Decides nothing about the role. Proposes again until the group has taken the row, or another term of this node has begun: a
//! late row finds its place by its term.

use std::{sync::Arc, time::Duration};

use consensus::{Came, Reign};
use data_dir::{Forced, Restored};
use jiff::Timestamp;
use outbound::{Audited, Body, HistoryEntry, RULES_WITH_AUDIT, ReplyBody, RoleChange};
use pair::Door;
use tokio::time::Instant;

use super::{DEADLINE, Duty};
use crate::{
    audit::{Outcome, Who},
    role::RoleService,
};

/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// How the epoch of this node began, if not by forming the group.
#[derive(Debug, Clone, Default)]
pub(crate) struct Begun {
    /// The order that was executed.
    pub(crate) forced: Option<Forced>,
    /// The operator of the order.
    pub(crate) by: Option<String>,
    /// The backup, where the order was a restore.
    pub(crate) restored: Option<Restored>,
}

/// Writes a row for each term of this node.
pub(crate) struct History {
    role: RoleService,
    api: Arc<Door>,
    begun: Begun,
    /// The newest term with a row.
    noted: u64,
}

impl History {
    /// `begun`: how this node's epoch began.
    pub(crate) fn new(role: RoleService, api: Arc<Door>, begun: Begun) -> Self {
        Self { role, api, begun, noted: 0 }
    }

    /// Has the group decide a change, in the name of the operator that ordered the change, if there is one.
    async fn note(&self, change: RoleChange) -> bool {
        let by = self.begun.by.as_deref().filter(|_| change.ordered.is_some());
        let Who { principal, address } = by.map(Who::of_named).unwrap_or_default();
        let (body, deadline) = (Body::RoleChange(change), Instant::now() + DEADLINE);
        let reply = self.api.answer_operator(&principal, &address, body, deadline).await;
        matches!(reply.body, ReplyBody::Done(_))
    }
}

impl Duty for History {
    const NAME: &'static str = "history";

    async fn perform(&mut self) {
        let mut status = self.role.group().status();
        let own = self.role.roster().own().name.clone();
        loop {
            let noted = self.noted;
            let fresh = status.wait_for(|now| now.reign.as_ref().is_some_and(|reign| reign.term > noted)).await;
            let Some(reign) = fresh.ok().and_then(|now| now.reign.clone()) else { return };
            let before = self.api.engine().state().history().pop();
            let forced = forced_reason(&self.begun, before.as_ref());
            let renewed = forced.is_none() && is_renewed(&own, before.as_ref());
            let has_audit = self.api.engine().state().rules_version() >= RULES_WITH_AUDIT;
            let ordered = forced.as_ref().filter(|_| has_audit).map(|words| order(&self.begun, &own, words));
            let change = RoleChange {
                term: reign.term,
                to: own.clone(),
                reason: forced.unwrap_or_else(|| reason(&reign, &own, before.as_ref())),
                pause_ms: if before.is_some() { reign.pause_ms } else { 0 },
                ordered,
            };
            tracing::info!(
                term = change.term,
                reason = change.reason,
                pause_ms = change.pause_ms,
                "this node is primary"
            );
            if renewed || self.note(change).await {
                self.noted = reign.term;
            } else {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// The role has not moved: the log has the pause, and the history no row from a node to itself.
fn is_renewed(own: &str, before: Option<&HistoryEntry>) -> bool {
    before.is_some_and(|before| before.to == own)
}

/// The first time as primary after an operator's force or a restore: the facts of that order, for ever.
fn forced_reason(Begun { forced, by, restored }: &Begun, before: Option<&HistoryEntry>) -> Option<String> {
    let forced = forced.as_ref().filter(|forced| before.is_none_or(|before| before.term <= forced.term))?;
    if let Some(Restored { epoch, index, created_us, .. }) = restored {
        let created = i64::try_from(*created_us).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
        let created = created.map_or_else(|| "?".to_owned(), |created| format!("{created:.0}"));
        return Some(format!("a backup made at {created} was restored into epoch {epoch}: index {index}"));
    }
    let loss = if forced.accept_loss { "loss of updates accepted" } else { "no update lost" };
    let operator = by.as_deref().unwrap_or("an operator");
    Some(format!(
        "{operator} forced it into epoch {}, {loss}: last index of its log {}, last commit heard of {}",
        forced.epoch, forced.last_index, forced.last_commit
    ))
}

/// The order that began this node's epoch, for the audit: the group had no quorum when the operator gave it.
fn order(begun: &Begun, own: &str, words: &str) -> Audited {
    let at_us = begun.forced.as_ref().map_or(0, |forced| forced.at_us);
    Audited {
        node: own.to_owned(),
        at_us,
        after_us: at_us,
        what: if begun.restored.is_some() { "RestoreBackup" } else { "ForcePrimary" }.to_owned(),
        about: own.to_owned(),
        details: words.to_owned(),
        outcome: Outcome::Done.word().to_owned(),
    }
}

/// The reason, in words; `before`: the last known change.
fn reason(reign: &Reign, own: &str, before: Option<&HistoryEntry>) -> String {
    let Some(before) = before else { return "the group was formed".to_owned() };
    let lost = before.to.as_str();
    match &reign.came {
        Came::Handed(why) => why.clone(),
        Came::Resumed => "failover: an operator resumed it".to_owned(),
        Came::Refused => format!("failover: connection refused by {lost}"),
        Came::Silent if lost == own => format!("{own} had lost its quorum for {} ms", reign.pause_ms),
        Came::Silent => format!("failover: no heartbeat of {lost} for {} ms", reign.pause_ms),
        Came::First if lost == own => format!("{own} was primary before, and started again"),
        Came::First => format!("this node started, and {lost} was not heard"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forced_primary_keeps_what_it_had_in_its_first_entry_and_in_no_later_one() {
        let forced = Forced { at_us: 1, epoch: 2, last_index: 120, last_commit: 118, accept_loss: true, term: 9 };
        let entry = |term| HistoryEntry { term, ..HistoryEntry::default() };
        let begun = Begun { forced: Some(forced), ..Begun::default() };
        let said = forced_reason(&begun, Some(&entry(8))).unwrap();
        for part in ["an operator forced it into epoch 2", "loss of updates accepted", "log 120", "heard of 118"] {
            assert!(said.contains(part), "{said}");
        }
        assert_eq!(forced_reason(&begun, Some(&entry(10))), None, "it leads again");
        assert_eq!(forced_reason(&Begun::default(), Some(&entry(8))), None);
        let named = Begun { by: Some("maria (10.0.0.9:4711)".into()), ..begun.clone() };
        assert!(forced_reason(&named, None).unwrap().starts_with("maria (10.0.0.9:4711) forced it into epoch 2"));
        let created_us = 1_790_000_000_500_000;
        let restored = Restored { epoch: 2, index: 120, created_us, release: String::new(), file: String::new() };
        let said = forced_reason(&Begun { restored: Some(restored), ..named }, Some(&entry(8))).unwrap();
        assert_eq!(said, "a backup made at 2026-09-21T14:13:20Z was restored into epoch 2: index 120");
    }

    #[test]
    fn every_way_to_the_role_has_its_words() {
        let a = HistoryEntry { to: "a".into(), term: 2, ..HistoryEntry::default() };
        assert!(is_renewed("a", Some(&a)) && !is_renewed("b", Some(&a)) && !is_renewed("a", None));
        let why = |came: Came, own: &str, before: Option<&HistoryEntry>| {
            reason(&Reign { term: 3, came, pause_ms: 740 }, own, before)
        };
        assert_eq!(why(Came::First, "a", None), "the group was formed");
        assert_eq!(why(Came::Handed("the witness led".into()), "a", None), "the group was formed");
        assert_eq!(why(Came::First, "a", Some(&a)), "a was primary before, and started again");
        assert_eq!(why(Came::First, "b", Some(&a)), "this node started, and a was not heard");
        assert_eq!(why(Came::Refused, "b", Some(&a)), "failover: connection refused by a");
        assert_eq!(why(Came::Silent, "b", Some(&a)), "failover: no heartbeat of a for 740 ms");
        assert_eq!(why(Came::Silent, "a", Some(&a)), "a had lost its quorum for 740 ms");
        assert_eq!(why(Came::Resumed, "b", Some(&a)), "failover: an operator resumed it");
        assert_eq!(why(Came::Handed("handover before a stop".into()), "b", Some(&a)), "handover before a stop");
    }
}
