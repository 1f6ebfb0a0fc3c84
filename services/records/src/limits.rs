//! Contact limits: at most so many attempts on a phone, a customer or a chain within a time (spec 9, Contact limits).
//!
//! An attempt is a row for each kind of subject by which a limit of the record's tenant or campaign counts; without such a limit
//! no row is written. Counting and handing out are one command, so a limit holds over both nodes and a failover. The index of
//! attempts by age leads from a held record to its rows, which stay under the subjects that the record had at the hand-out. The row
//! of a phone stands under the canonical form of that hand-out, and a limit reads every form that the tenant declares now: a country
//! that is declared, changed or withdrawn later neither loses an attempt nor counts one twice. Called by the verbs, by the hand-out,
//! and by every command, which forgets a few old attempts.

mod span;

use outbound::{
    Handle, RULES_WITH_CAMPAIGNS,
    declaration::{DEFAULT_TENANT, DeclaredLimit},
};
use span::Span;
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    declared::Declared,
    hold, lookup,
    phone::forms_declared,
    phone_form,
    rules::FORGOTTEN_PER_COMMAND,
    tables::{
        AttemptRow, AttemptSubject, Key, ListRow, RecordRow, Row, Table, attempts_prefix, customer_prefix, indexes,
        phone_prefix,
    },
    turn::{Turn, chain},
    view::{Bound, View},
    zones,
};

/// A kind of subject, by the number of the index by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Per {
    Phone = 0,
    Customer = 1,
    Chain = 2,
}

impl Per {
    const ALL: [Self; 3] = [Self::Phone, Self::Customer, Self::Chain];

    /// The word of a declaration.
    const fn word(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Customer => "customer",
            Self::Chain => "chain",
        }
    }

    fn is_of(self, limit: &DeclaredLimit) -> bool {
        limit.per.as_deref() == Some(self.word())
    }
}

/// A command looks for old attempts of a kind once in so many commands, and then forgets more than so many commands write: an ordered
/// read in every command would cost more than the removals.
const FORGETS_ONE_IN: u64 = 8;
/// Records of a subject that an attempt taken back frees, at most: more than a person has in lists.
const FREED_MAX: u32 = 100;
/// How long a limit of 0 attempts holds a record back: the declaration may have changed then.
const NEVER_S: i64 = 365 * 24 * 3600;

/// Whether no limit holds a record back now; else the time, UTC seconds, at which the limits allow it. `campaign`: DBID of the
/// asking group's campaign.
pub(crate) fn check<V: View>(
    record: &RecordRow,
    list: &ListRow,
    campaign: u32,
    turn: &Turn<'_, '_, V>,
) -> Result<(), i64> {
    let declared = turn.overlay.declared();
    if declared.limits().is_empty() {
        return Ok(());
    }
    let asking: Vec<&str> = declared.campaign(campaign).map(|campaign| campaign.name.as_str()).into_iter().collect();
    let binding: Vec<_> = declared.limits().iter().filter(|limit| binds(limit, list, &asking)).collect();
    let until_s = |per: &Per| {
        let of_kind: Vec<_> = binding.iter().filter(|limit| per.is_of(limit)).copied().collect();
        if of_kind.is_empty() {
            return None;
        }
        let zone = zones::name_under(record, list, declared);
        held_until(&of_kind, &subjects_of(*per, record, list, turn)?, zone, turn)
    };
    Per::ALL.iter().filter_map(until_s).max().map_or(Ok(()), Err)
}

/// The time until which limits of one kind hold a subject back, the latest of all; none: they allow it. A single ordered read a
/// form of the subject for all of them.
fn held_until<V: View>(
    limits: &[&DeclaredLimit],
    subjects: &[AttemptSubject],
    zone: &str,
    turn: &Turn<'_, '_, V>,
) -> Option<i64> {
    let spans: Vec<Span> = limits.iter().map(|limit| Span::of(limit, zone, turn.now_us)).collect();
    let from_us = spans.iter().map(Span::begun_us).min()?;
    let attempts = attempts_of_all(from_us, subjects, turn);
    let until_s = |(limit, span): (&&DeclaredLimit, &Span)| {
        let counts =
            |(stamp_us, attempt): &&(u64, AttemptRow)| *stamp_us >= span.begun_us() && counts_in(limit, attempt, turn);
        let stamps: Vec<u64> = attempts.iter().filter(counts).map(|(stamp_us, _)| *stamp_us).collect();
        let max = usize::try_from(limit.max.unwrap_or(0)).unwrap_or(usize::MAX);
        let excess = stamps.len().checked_sub(max)?;
        // without an attempt over the limit, the limit allows none at all
        Some(stamps.get(excess).map_or(turn.now_s() + NEVER_S, |oldest_us| span.until_s(*oldest_us)))
    };
    limits.iter().zip(&spans).filter_map(until_s).max()
}

/// The attempts on a subject in all its forms from a time on, oldest first. An attempt stands under a single form.
fn attempts_of_all<V: View>(
    from_us: u64,
    subjects: &[AttemptSubject],
    turn: &Turn<'_, '_, V>,
) -> Vec<(u64, AttemptRow)> {
    let mut attempts: Vec<_> = subjects.iter().flat_map(|subject| attempts_from(from_us, subject, turn)).collect();
    attempts.sort_by_key(|(stamp_us, _)| *stamp_us);
    attempts
}

/// The attempts on a subject in one form from a time on, oldest first.
fn attempts_from<V: View>(from_us: u64, subject: &AttemptSubject, turn: &Turn<'_, '_, V>) -> Vec<(u64, AttemptRow)> {
    let prefix = attempts_prefix(subject);
    let from = [prefix.as_slice(), &from_us.to_be_bytes()].concat();
    let rows = turn.overlay.next(&Bound { table: Table::Attempt, from, prefix }, u32::MAX).into_iter();
    let attempt = |(key, row)| match (key, row) {
        (Key::Attempt { stamp_us, .. }, Row::Attempt(row)) => Some((stamp_us, row)),
        _ => None,
    };
    rows.filter_map(attempt).collect()
}

/// Whether an attempt counts in a limit that binds its subject. An attempt without a result counts where every attempt does.
fn counts_in<V: View>(limit: &DeclaredLimit, attempt: &AttemptRow, turn: &Turn<'_, '_, V>) -> bool {
    let results = limit.results.as_ref().map(|results| results.results.as_slice()).unwrap_or_default();
    let is_of_result = || results.is_empty() || attempt.result.is_some_and(|result| results.contains(&result));
    let campaign = campaign_of(limit);
    is_of_result() && (campaign.is_empty() || is_of_campaign(campaign, attempt, turn))
}

/// Whether an attempt is a campaign's: an attempt without a hand-out is of every campaign that has its list.
fn is_of_campaign<V: View>(name: &str, attempt: &AttemptRow, turn: &Turn<'_, '_, V>) -> bool {
    let declared = turn.overlay.declared();
    if attempt.campaign != 0 {
        return declared.campaign(attempt.campaign).is_some_and(|campaign| campaign.name == name);
    }
    let list = lookup::list(turn.overlay, attempt.list);
    list.is_some_and(|list| declared.campaigns_of(&list.name).any(|(campaign, _)| campaign.name == name))
}

/// Whether a limit binds the records of a list: the limit of its tenant, or of one of these campaigns.
fn binds(limit: &DeclaredLimit, list: &ListRow, campaigns: &[&str]) -> bool {
    match campaign_of(limit) {
        "" => tenant_of(limit) == list.tenant,
        campaign => campaigns.contains(&campaign),
    }
}

/// The name of a limit's campaign; empty: the limit is a tenant's.
fn campaign_of(limit: &DeclaredLimit) -> &str {
    limit.campaign.as_deref().unwrap_or_default()
}

/// The tenant of a limit as rows name it, "" for the default tenant.
fn tenant_of(limit: &DeclaredLimit) -> &str {
    limit.tenant.as_deref().filter(|name| *name != DEFAULT_TENANT).unwrap_or_default()
}

/// Every subject under which a record's attempts may stand: a phone in each form that is the same number by the declaration of the
/// tenant, the canonical form first.
fn subjects_of<V: View>(
    per: Per,
    record: &RecordRow,
    list: &ListRow,
    turn: &Turn<'_, '_, V>,
) -> Option<Vec<AttemptSubject>> {
    Some(match subject_of(per, record, list, turn)? {
        AttemptSubject::Phone(number, canonical) => {
            let tenant = turn.overlay.declared().tenant(&list.tenant);
            let forms = forms_declared(&canonical, tenant).into_iter();
            forms.map(|form| AttemptSubject::Phone(number, form)).collect()
        }
        subject => vec![subject],
    })
}

/// The subject under which a new attempt of a record counts; none: the record has no phone, or no customer.
fn subject_of<V: View>(per: Per, record: &RecordRow, list: &ListRow, turn: &Turn<'_, '_, V>) -> Option<AttemptSubject> {
    let tenant = || tenant_number(list, turn.overlay.declared());
    let text = |text: String| (!text.is_empty()).then_some(text);
    match per {
        Per::Phone => {
            text(phone_form(turn.version, &record.contact_info)).map(|phone| AttemptSubject::Phone(tenant(), phone))
        }
        Per::Customer => text(record.customer.clone()).map(|customer| AttemptSubject::Customer(tenant(), customer)),
        Per::Chain => Some(AttemptSubject::Chain(record.list, record.chain_id)),
    }
}

/// The DBID of a list's tenant; 0: the default tenant.
fn tenant_number(list: &ListRow, declared: &Declared) -> u32 {
    let tenant = (!list.tenant.is_empty()).then(|| declared.tenant(&list.tenant)).flatten();
    tenant.and_then(|tenant| tenant.dbid).unwrap_or(0)
}

/// Counts an attempt: at the hand-out to a campaign's group, or (none) at the processing of a record that was not handed out; the
/// record has the attempt's result then.
pub(crate) fn count<V: View>(
    handle: Handle,
    record: &RecordRow,
    list: &ListRow,
    campaign: Option<u32>,
    turn: &mut Turn<'_, '_, V>,
) {
    #[cfg(mutant)]
    if campaign.is_some() && crate::mutant::on(crate::mutant::Mutant::HandOutNotCounted) {
        return;
    }
    let declared = turn.overlay.declared().clone();
    if declared.limits().is_empty() {
        return;
    }
    let campaigns: Vec<&str> = match campaign {
        Some(dbid) => declared.campaign(dbid).map(|campaign| campaign.name.as_str()).into_iter().collect(),
        None => declared.campaigns_of(&list.name).map(|(campaign, _)| campaign.name.as_str()).collect(),
    };
    let binding: Vec<_> = declared.limits().iter().filter(|limit| binds(limit, list, &campaigns)).collect();
    let result = campaign.is_none().then_some(record.call_result);
    let row = AttemptRow { campaign: campaign.unwrap_or(0), list: record.list, result };
    for per in Per::ALL.into_iter().filter(|per| binding.iter().any(|limit| per.is_of(limit))) {
        let Some(subject) = subject_of(per, record, list, turn) else { continue };
        let stamp_us = turn.now_us;
        let (by_age, entry) = index_row(&subject, stamp_us, handle);
        turn.overlay.put(by_age, entry);
        turn.overlay.put(Key::Attempt { subject, stamp_us, handle }, Row::Attempt(row.clone()));
    }
}

/// The row of an attempt in the index by age.
fn index_row(subject: &AttemptSubject, stamp_us: u64, handle: Handle) -> (Key, Row) {
    let key = Key::Attempt { subject: subject.clone(), stamp_us, handle };
    indexes::of_attempt(&key, subject, stamp_us, handle)
}

/// Notes the result of the attempt that a Retrieved record was handed out for.
pub(crate) fn note_result<V: View>(
    handle: Handle,
    record: &RecordRow,
    _: &ListRow,
    result: i64,
    turn: &mut Turn<'_, '_, V>,
) {
    for (_, key) in rows_of_attempt(handle, record, turn) {
        if let Some(Row::Attempt(row)) = turn.overlay.get(&key) {
            turn.overlay.put(key, Row::Attempt(AttemptRow { result: Some(result), ..row }));
        }
    }
}

/// Takes back the attempt that a Retrieved record was handed out for (RecordReject, RequestRecordCancel). Records of the same phone,
/// customer or chain that limits hold back are free for the next hand-out, which asks the limits anew.
pub(crate) fn take_back<V: View>(handle: Handle, record: &RecordRow, list: &ListRow, turn: &mut Turn<'_, '_, V>) {
    let rows = rows_of_attempt(handle, record, turn);
    if rows.is_empty() {
        return;
    }
    for (by_age, key) in rows {
        turn.overlay.remove(by_age);
        turn.overlay.remove(key);
    }
    let subjects: Vec<_> = Per::ALL.iter().filter_map(|per| subjects_of(*per, record, list, turn)).flatten().collect();
    subjects.iter().for_each(|subject| free(subject, turn));
}

/// Frees the records of a subject that limits hold back, [`FREED_MAX`] at most.
fn free<V: View>(subject: &AttemptSubject, turn: &mut Turn<'_, '_, V>) {
    let records: Vec<(Handle, RecordRow)> = match subject {
        AttemptSubject::Phone(_, form) => of_index(Table::RecordByPhone, phone_prefix(form), turn),
        AttemptSubject::Customer(_, customer) => of_index(Table::RecordByCustomer, customer_prefix(customer), turn),
        AttemptSubject::Chain(list, chain_id) => chain::members(*list, *chain_id, turn),
    };
    for (handle, record) in records.into_iter().filter(|(_, record)| hold::is_held_back(record)) {
        turn.overwrite(handle, hold::freed(record));
    }
}

/// The first records of an index by phone or customer.
fn of_index<V: View>(table: Table, prefix: Vec<u8>, turn: &Turn<'_, '_, V>) -> Vec<(Handle, RecordRow)> {
    let rows = turn.overlay.next(&Bound { table, from: prefix.clone(), prefix }, FREED_MAX).into_iter();
    let handle = |key| match key {
        Key::RecordByPhone { handle, .. } | Key::RecordByCustomer { handle, .. } => Some(handle),
        _ => None,
    };
    let handles = rows.filter_map(|(key, _)| handle(key));
    handles.filter_map(|handle| Some((handle, lookup::record(turn.overlay, handle)?))).collect()
}

/// The rows of the attempt that a record was handed out for, each with its row in the index by age.
fn rows_of_attempt<V: View>(handle: Handle, record: &RecordRow, turn: &Turn<'_, '_, V>) -> Vec<(Key, Key)> {
    if record.held_since_us == 0 || turn.overlay.declared().limits().is_empty() {
        return Vec::new();
    }
    let rows = |per: Per| {
        let by_age = Key::AttemptByAge { kind: per as u8, stamp_us: record.held_since_us, handle };
        match turn.overlay.get(&by_age) {
            Some(Row::AttemptByAge(row)) => Some((by_age, Key::decode(Table::Attempt, &row.key)?)),
            _ => None,
        }
    };
    Per::ALL.into_iter().filter_map(rows).collect()
}

/// Forgets a few attempts of a kind that are older than every limit. The stamp decides whether a command forgets, and which kind:
/// all nodes forget the same rows. Without limits nothing is read, and rows wait for the next declared limit.
pub(crate) fn forget_old<V: View>(turn: &mut Turn<'_, '_, V>) {
    if turn.version < RULES_WITH_CAMPAIGNS {
        return;
    }
    let longest_us = turn.overlay.declared().limits().iter().map(Span::longest_us).max();
    let Some(longest_us) = longest_us else { return };
    let draw = xxh3_64(&turn.now_us.to_be_bytes()) % FORGETS_ONE_IN;
    let Some(per) = Per::ALL.iter().find(|per| **per as u64 == draw) else { return };
    let prefix = vec![*per as u8];
    let bound = Bound { table: Table::AttemptByAge, from: prefix.clone(), prefix };
    for (key, row) in turn.overlay.next(&bound, FORGOTTEN_PER_COMMAND) {
        let (Key::AttemptByAge { stamp_us, .. }, Row::AttemptByAge(entry)) = (&key, &row) else { return };
        if turn.counts(*stamp_us, longest_us) {
            return;
        }
        if let Some(attempt) = Key::decode(Table::Attempt, &entry.key) {
            turn.overlay.remove(attempt);
        }
        turn.overlay.remove_read(key, row);
    }
}

#[cfg(test)]
mod tests;
