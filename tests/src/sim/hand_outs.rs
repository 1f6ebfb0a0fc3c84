//! Claims about campaigns: hand-outs, contact limits, Do-Not-Call entries; one function each, named as a claim, as in
//! `invariants`.
//!
//! Hand-outs are counted apart from the rules: by the replies of the reference and the stamps of their commands. Called by
//! `invariants` after each command of the reference, and by `callers` at each answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use outbound::{Body, Handle, RULES_WITH_CAMPAIGNS, Reply, ReplyBody, Request, Resource, Verb, key, record_status};
use records::MapView;

use super::{
    callers::{Call, is_of_caller},
    campaign::{Ask, CallAttempt, Limit, RETRIEVED_TIMEOUT_S, digits},
    invariants::{Watch, claim},
    state::Decided,
};

const SECOND_US: u64 = 1_000_000;

/// A record that the reference handed out, until its attempt ends.
#[derive(Debug)]
struct Held {
    attempt: CallAttempt,
    /// Stamp of the hand-out.
    since_us: u64,
    /// Stamp of the last request on the record.
    asked_us: u64,
}

/// Every hand-out of the reference, and every phone on Do-Not-Call.
#[derive(Debug)]
pub(super) struct HandOuts {
    limit: Limit,
    held: BTreeMap<Handle, Held>,
    /// The operation of each attempt, by GUID.
    operations: HashMap<String, u64>,
    /// Stamps of the attempts that count, by phone.
    attempts: HashMap<String, Vec<u64>>,
    /// Phones with an entry in the reference.
    stopped: BTreeSet<String>,
    /// Phones whose entry was acknowledged, and the moment of the first acknowledgement.
    acknowledged: HashMap<String, u64>,
}

impl HandOuts {
    pub(super) fn new(limit: Limit) -> Self {
        Self {
            limit,
            held: BTreeMap::new(),
            operations: HashMap::new(),
            attempts: HashMap::new(),
            stopped: BTreeSet::new(),
            acknowledged: HashMap::new(),
        }
    }

    /// Attempts so far.
    pub(super) fn count(&self) -> u64 {
        self.operations.len() as u64
    }

    // === at the reference ===

    /// Looks at a command that the reference has decided. `map`: the state behind the command.
    pub(super) fn decided(&mut self, decided: &Decided, map: &MapView) {
        a_search_goes_on_behind_the_last_command(decided);
        if !is_about_campaign(decided) {
            return;
        }
        if decided.is_done() {
            self.a_late_answer_touches_no_other_attempt(decided);
        }
        self.a_held_record_is_handed_out_to_no_other_caller(decided, map);
        if decided.is_done() {
            self.note(decided, map);
        }
    }

    fn note(&mut self, decided: &Decided, map: &MapView) {
        match &decided.command.body {
            Body::Request(request) => self.note_request(request, decided, map),
            Body::DoNotCallBatch(batch) => self.stopped.extend(batch.rows.iter().map(|row| digits(&row.phone))),
            _ => {}
        }
    }

    fn note_request(&mut self, request: &Request, decided: &Decided, map: &MapView) {
        match (request.verb, &request.resource) {
            (Verb::PreviewRecordRequest, _) => {
                if let Some(attempt) = CallAttempt::of(&decided.reply) {
                    self.hand_out(attempt, decided, map);
                }
            }
            (Verb::AddRecord, _) => {
                let phone = request.attributes.str(key::PHONE).map(digits).unwrap_or_default();
                self.a_phone_on_do_not_call_stays_stopped(&phone, decided);
            }
            (Verb::RecordReschedule, Resource::Record(handle)) => {
                if let Some(held) = self.held.get_mut(handle) {
                    held.asked_us = decided.command.stamp_us;
                }
            }
            (Verb::DoNotCall, Resource::Phone(phone)) => {
                self.stopped.insert(digits(phone));
            }
            _ => {}
        }
    }

    fn hand_out(&mut self, attempt: CallAttempt, decided: &Decided, map: &MapView) {
        let stamp_us = decided.command.stamp_us;
        self.an_attempt_has_a_guid_of_its_own(&attempt, decided);
        two_callers_never_hold_one_chain(&attempt, map);
        self.a_phone_on_do_not_call_stays_stopped(&attempt.phone, decided);
        self.no_phone_has_more_attempts_than_its_limit(&attempt, stamp_us);
        self.held.insert(attempt.handle, Held { attempt, since_us: stamp_us, asked_us: stamp_us });
    }

    /// Spec 7: another GUID each time that a record is handed out.
    fn an_attempt_has_a_guid_of_its_own(&mut self, attempt: &CallAttempt, decided: &Decided) {
        let other = self.operations.insert(attempt.guid.clone(), decided.operation.unwrap_or_default());
        claim!(other.is_none(), "an attempt has a GUID of its own", "{attempt:?} has that of operation {other:?}");
    }

    /// Spec 5: a late answer neither ends nor changes the call of another attempt.
    fn a_late_answer_touches_no_other_attempt(&self, decided: &Decided) {
        let Body::Request(request) = &decided.command.body else { return };
        let Resource::Record(handle) = request.resource else { return };
        let Some(held) = self.held.get(&handle) else { return };
        let named = request.attributes.str(key::CALL_ATTEMPT_GUID);
        claim!(
            named.is_none_or(|guid| guid == held.attempt.guid),
            "a late answer touches no other attempt",
            "{:?} of attempt {named:?} was done, {held:?}",
            request.verb
        );
    }

    /// Spec 9, Life of a record: a held record is its caller's until the caller ends the attempt, its chain ends, or
    /// its time is over.
    fn a_held_record_is_handed_out_to_no_other_caller(&mut self, decided: &Decided, map: &MapView) {
        let over = self.held.extract_if(.., |_, held| !is_held(&held.attempt, map));
        let over: Vec<Held> = over.map(|(_, held)| held).collect();
        for held in over {
            match &decided.command.body {
                Body::Due(_) => a_record_is_held_for_its_time(&held, decided.command.stamp_us),
                body => claim!(
                    may_end_an_attempt(body),
                    "a held record is handed out to no other caller",
                    "{held:?} was over with {:?}",
                    decided.command
                ),
            }
            if is_reject(&decided.command.body) {
                self.take_back(&held);
            }
        }
    }

    /// Spec 9, Contact limits: a rejected attempt does not count.
    fn take_back(&mut self, held: &Held) {
        if let Some(stamps) = self.attempts.get_mut(&held.attempt.phone) {
            stamps.retain(|stamp_us| *stamp_us != held.since_us);
        }
    }

    /// Spec 9, Contact limits: counting and handing out are one command.
    fn no_phone_has_more_attempts_than_its_limit(&mut self, attempt: &CallAttempt, stamp_us: u64) {
        let Limit { max, within_s } = self.limit;
        let stamps = self.attempts.entry(attempt.phone.clone()).or_default();
        stamps.push(stamp_us);
        let before_us = stamp_us.saturating_sub(u64::from(within_s) * SECOND_US);
        let within = stamps.iter().filter(|stamp_us| **stamp_us > before_us).count();
        claim!(
            within <= max as usize,
            "no phone has more attempts than its limit",
            "{attempt:?} is attempt {within} within {within_s} s, of {max}: {stamps:?}"
        );
    }

    /// Spec 9, Do-Not-Call: an entry stops hand-outs and new records.
    fn a_phone_on_do_not_call_stays_stopped(&self, phone: &str, decided: &Decided) {
        claim!(
            !self.stopped.contains(phone),
            "a phone on Do-Not-Call stays stopped",
            "{phone} has an entry, and {:?} was done",
            decided.command.body
        );
    }

    // === at the answers ===

    /// Spec 9, Life of a record: an acknowledged attempt is one that the reference handed out to the operation.
    fn two_callers_never_get_one_attempt(&self, operation: u64, attempt: &CallAttempt) {
        let owner = self.operations.get(&attempt.guid).copied();
        claim!(
            owner == Some(operation),
            "two callers never get one attempt",
            "operation {operation} got {attempt:?}, of operation {owner:?}"
        );
    }

    /// Spec 9, Do-Not-Call, for operations that were called after the acknowledgement of the entry.
    fn an_acknowledged_entry_holds(&self, phone: &str, call: &Call) {
        let since = self.acknowledged.get(phone).copied();
        claim!(
            since.is_none_or(|moment| call.called <= moment),
            "an acknowledged entry holds",
            "{phone} has an entry since {since:?}, and {call:?} was done"
        );
    }
}

impl Watch {
    /// A caller got an answer of the rules.
    pub(super) fn caller_is_answered(&mut self, operation: u64, call: &Call, reply: &Reply, moment: u64) {
        no_caller_is_told_to_ask_again(operation, reply);
        let refused = matches!(reply.body, ReplyBody::Refused(_));
        self.a_callers_reply_agrees_with_the_state(operation, call, refused);
        let attempt = CallAttempt::of(reply);
        a_key_names_one_attempt(call, attempt.as_ref());
        if let Some(attempt) = &attempt {
            self.hand_outs.two_callers_never_get_one_attempt(operation, attempt);
            self.hand_outs.an_acknowledged_entry_holds(&attempt.phone, call);
        }
        match &call.ask {
            Ask::Add(phone, _) if !refused => self.hand_outs.an_acknowledged_entry_holds(&digits(phone), call),
            Ask::Stop(phone) | Ask::Enter(phone) if !refused => {
                self.hand_outs.acknowledged.entry(digits(phone)).or_insert(moment);
            }
            _ => {}
        }
    }

    /// An operation of a caller is over: at this moment its reply agrees with the state.
    fn a_callers_reply_agrees_with_the_state(&self, operation: u64, call: &Call, refused: bool) {
        let effects = self.effects_of(operation);
        let expected = if refused { Some(0) } else { call.ask.effects() };
        claim!(
            expected.is_none_or(|expected| expected == effects),
            "no reply contradicts the state",
            "operation {operation} had {effects} effects, refused: {refused}, {call:?}"
        );
    }
}

/// Architecture, services/dispatch: a reply that asks for another proposal is for the node.
fn no_caller_is_told_to_ask_again(operation: u64, reply: &Reply) {
    claim!(reply.body != ReplyBody::Again, "no caller is told to ask again", "operation {operation}");
}

/// Spec 7: a preview that never arrived is found again by its key.
fn a_key_names_one_attempt(call: &Call, attempt: Option<&CallAttempt>) {
    let first = call.first.as_ref();
    claim!(
        first.is_none_or(|first| first.as_ref() == attempt),
        "a key names one attempt",
        "{first:?}, then {attempt:?}, of {call:?}"
    );
}

/// Spec 9, The next record: a command that passes over records takes them out of the way of the next command, and no memory keeps
/// its reply.
fn a_search_goes_on_behind_the_last_command(decided: &Decided) {
    claim!(
        !decided.asks_again() || (decided.new && !decided.reply.replayed),
        "a search goes on behind the last command",
        "{:?} was answered from a memory",
        decided.command
    );
}

/// Spec 9, The next record: no record of a chain is handed out while another record of the chain is held.
fn two_callers_never_hold_one_chain(attempt: &CallAttempt, map: &MapView) {
    let list = records::record(map, attempt.handle).map_or(0, |record| record.list);
    let chain = records::chain(map, list, attempt.chain_id.unsigned_abs());
    let is_retrieved = |handle: &Handle| {
        records::record(map, *handle).is_some_and(|record| record.record_status == record_status::RETRIEVED)
    };
    let held: Vec<Handle> = chain.filter(is_retrieved).collect();
    claim!(
        held == [attempt.handle] && is_held(attempt, map),
        "two callers never hold one chain",
        "{held:?} of the chain are held after {attempt:?}"
    );
}

/// Spec 9, Life of a record: a hold ends by itself `retrieved_timeout` after the last request on the record.
fn a_record_is_held_for_its_time(held: &Held, stamp_us: u64) {
    claim!(
        stamp_us >= held.asked_us + RETRIEVED_TIMEOUT_S * SECOND_US,
        "a record is held for its time",
        "{held:?} was given back at {stamp_us}"
    );
}

/// Whether a command may end an attempt or touch a phone of the campaign: no operation of another client does.
fn is_about_campaign(decided: &Decided) -> bool {
    decided.new && decided.command.rules >= RULES_WITH_CAMPAIGNS && decided.operation.is_none_or(is_of_caller)
}

/// Whether a request ends attempts: its own, those of a chain, or those of a phone.
fn may_end_an_attempt(body: &Body) -> bool {
    let ends = |request: &Request| matches!(request.verb, Verb::RecordProcessed | Verb::DoNotCall);
    is_reject(body) || matches!(body, Body::Request(request) if ends(request))
}

fn is_reject(body: &Body) -> bool {
    matches!(body, Body::Request(request) if request.verb == Verb::RecordReject)
}

/// Whether a record is Retrieved for an attempt.
fn is_held(attempt: &CallAttempt, map: &MapView) -> bool {
    let is_of_attempt = |guid: &[u8]| guid.iter().map(|byte| format!("{byte:02X}")).collect::<String>() == attempt.guid;
    records::record(map, attempt.handle)
        .is_some_and(|record| record.record_status == record_status::RETRIEVED && is_of_attempt(&record.attempt_guid))
}
