//! Due work: times after which a record changes though no request asks for a change (spec 9, Life of a record).
//!
//! The stamp of a Due command decides; [`is_due`] tells the primary whether such a command has anything to do. Never writes.
//! Called by the verb Due, and by the node for its duty.

use outbound::RULES_WITH_CAMPAIGNS;

use crate::{
    groups::groups_are_due,
    lookup,
    rules::Rules,
    tables::{Key, Table, callback_prefix},
    view::{Bound, View},
};

const SECOND_US: u64 = 1_000_000;

/// Whether a Due command stamped at `now_us` has anything to do: reads the first row of each queue, and the states of groups.
pub fn is_due(view: &impl View, now_us: u64) -> bool {
    let Some(rules) = rules_of(view) else { return false };
    let first = |table, prefix: Vec<u8>| first_key(view, table, prefix);
    let is_due = |key: Option<Key>| key.is_some_and(|key| comes_due(&key, &rules, now_us));
    is_due(first(Table::HeldByTime, Vec::new()))
        || is_due(first(Table::CallbackByDue, callback_prefix(true)))
        || is_due(first(Table::CallbackByDue, callback_prefix(false)))
        || is_due(first(Table::WaitingUntil, Vec::new()))
        || first(Table::DncRest, Vec::new()).is_some()
        || groups_are_due(view)
}

/// The options of a group that decides by rules with campaigns.
fn rules_of(view: &impl View) -> Option<Rules> {
    let settings = lookup::settings(view)?;
    (settings.rules_version() >= RULES_WITH_CAMPAIGNS).then(|| settings.rules(&Rules::default()))
}

/// Whether the time of a row of one of the queues by time is over.
fn comes_due(key: &Key, rules: &Rules, now_us: u64) -> bool {
    match key {
        Key::HeldByTime { changed_us, .. } => is_held_too_long(*changed_us, rules, now_us),
        Key::CallbackByDue { personal: true, due_s, .. } => {
            is_overdue(*due_s, rules, now_us) || is_expired(*due_s, rules, now_us)
        }
        Key::CallbackByDue { personal: false, due_s, .. } => is_expired(*due_s, rules, now_us),
        Key::WaitingUntil { until_s, .. } => is_over(*until_s, now_us),
        _ => false,
    }
}

/// Whether `retrieved_timeout` has passed since the last request on a Retrieved record.
pub(crate) fn is_held_too_long(changed_us: u64, rules: &Rules, now_us: u64) -> bool {
    #[cfg(mutant)]
    if crate::mutant::on(crate::mutant::Mutant::HoldWithoutTime) {
        return true;
    }
    now_us >= changed_us.saturating_add(rules.retrieved_timeout_s.saturating_mul(SECOND_US))
}

/// Whether `personal_callback_grace` has passed since a personal callback was due.
pub(crate) fn is_overdue(due_s: u64, rules: &Rules, now_us: u64) -> bool {
    has_passed(due_s, rules.personal_callback_grace_s, now_us)
}

/// Whether `callback_expiry` has passed since a callback was due.
pub(crate) fn is_expired(due_s: u64, rules: &Rules, now_us: u64) -> bool {
    has_passed(due_s, rules.callback_expiry_s, now_us)
}

/// Whether the pause or limit that holds a record back is over.
pub(crate) fn is_over(until_s: u64, now_us: u64) -> bool {
    until_s <= now_us / SECOND_US
}

/// `wait_s` 0: never.
fn has_passed(due_s: u64, wait_s: u64, now_us: u64) -> bool {
    wait_s != 0 && is_over(due_s.saturating_add(wait_s), now_us)
}

fn first_key(view: &impl View, table: Table, prefix: Vec<u8>) -> Option<Key> {
    view.next(&Bound { table, from: prefix.clone(), prefix }, 1).pop().map(|(key, _)| key)
}
