//! The callers of the simulation: agents of one campaign group that fetch records, report them, hand them back, or throw the
//! answer away and report late.
//!
//! A caller asks one thing at a time, of either node, as the clients do; its requests take the same way through door, log and
//! rules. Callers draw from a generator of their own, so that a run without a campaign is the run that its seed always was.
//! Called by `world`, `door` and `clients`.

use std::ops::Range;

use outbound::{Body, RefusalCode, Reply, ReplyBody};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    campaign::{self, Ask, CallAttempt, Limit},
    clients::Answer,
    event::Event,
    state::NOON_US,
    world::World,
};

/// The number of a run's generator for callers, beside that of all else.
const OF_CALLERS: u64 = 0xca11_0000_0000;
/// The first operation of a caller; clients' operations have lower numbers.
const OPERATION_FIRST: u64 = 1 << 40;
/// Times that a caller sends a request that may be sent again.
const SENDS_MAX: u32 = 8;
/// A reschedule is for so many seconds from now, at most.
const RESCHEDULE_MAX_S: u64 = 3;

/// A seed's campaign.
#[derive(Debug, Clone, Copy)]
pub(super) struct CampaignPlan {
    /// 0: the run has no campaign.
    callers: usize,
    pub(super) limit: Limit,
    /// Records on Do-Not-Call stand ahead of all others, more than one command passes over.
    pub(super) has_queue: bool,
}

/// One question, from its first call to its end.
#[derive(Debug)]
pub(super) struct Call {
    caller: usize,
    pub(super) ask: Ask,
    body: Body,
    /// A second request has the effect of the first: the request has a key, or a name of its own.
    may_repeat: bool,
    pub(super) called: u64,
    /// The attempt of the first answer, none for an empty one; absent: no answer yet, or no second answer is wanted.
    pub(super) first: Option<Option<CallAttempt>>,
    sends: u32,
    node: usize,
}

/// An agent of the group.
#[derive(Debug, Default)]
struct Caller {
    /// The attempt of the last preview.
    holds: Option<CallAttempt>,
    /// Attempts whose answers were thrown away: reported late, or never.
    late: Vec<CallAttempt>,
    /// Chain of the last preview.
    chain_id: Option<i64>,
}

/// All callers, and all their questions.
#[derive(Debug)]
pub(super) struct Callers {
    rng: StdRng,
    pub(super) plan: CampaignPlan,
    calls: Vec<Call>,
    callers: Vec<Caller>,
    /// Nodes that callers ask: the first places.
    nodes: usize,
    /// The campaign is loaded, and all records are brought up: known for ever.
    is_open: bool,
    busy: usize,
}

impl CampaignPlan {
    /// `raises`: the run raises the rules version.
    fn draw(rng: &mut StdRng, raises: bool) -> Self {
        let has_campaign = rng.random_ratio(2, 3) && raises;
        let callers = rng.random_range(2..=4);
        let (max, within_s) = if rng.random_ratio(1, 2) { (3, 600) } else { (2, 3) };
        let has_queue = rng.random_ratio(1, 3);
        Self { callers: if has_campaign { callers } else { 0 }, limit: Limit { max, within_s }, has_queue }
    }

    pub(super) fn has_campaign(&self) -> bool {
        self.callers > 0
    }
}

impl Caller {
    /// The report of the attempt that the caller holds; none: the caller holds none, or throws it away.
    fn draw_report(&mut self, rng: &mut StdRng, now_us: u64) -> Option<Ask> {
        let attempt = self.holds.take()?;
        match rng.random_range(0..10) {
            0..3 => Some(Ask::Process(attempt)),
            3..5 => Some(Ask::Reject(attempt)),
            5..7 => {
                let at_s = (NOON_US + now_us) / 1_000_000 + rng.random_range(0..=RESCHEDULE_MAX_S);
                self.holds = Some(attempt.clone());
                Some(Ask::Reschedule(attempt, at_s))
            }
            _ => {
                self.late.push(attempt);
                None
            }
        }
    }

    /// Now and then, the late report of an attempt that was thrown away.
    fn draw_late_report(&mut self, rng: &mut StdRng) -> Option<Ask> {
        if self.late.is_empty() || !rng.random_ratio(1, 5) {
            return None;
        }
        let at = rng.random_range(0..self.late.len());
        let attempt = self.late.swap_remove(at);
        Some(if rng.random_ratio(1, 2) { Ask::Process(attempt) } else { Ask::Reject(attempt) })
    }
}

/// Whether an operation is a caller's.
pub(super) fn is_of_caller(operation: u64) -> bool {
    operation >= OPERATION_FIRST
}

impl Callers {
    /// `raises`: the run raises the rules version; `nodes`: nodes that callers ask.
    pub(super) fn new(seed: u64, raises: bool, nodes: usize) -> Self {
        let mut rng = StdRng::seed_from_u64(seed ^ OF_CALLERS);
        let plan = CampaignPlan::draw(&mut rng, raises);
        let callers = (0..plan.callers).map(|_| Caller::default()).collect();
        Self { rng, plan, calls: Vec::new(), callers, nodes, is_open: false, busy: 0 }
    }

    /// A time of this range, microseconds.
    pub(super) fn draw_us(&mut self, range: Range<u64>) -> u64 {
        self.rng.random_range(range)
    }

    /// Whether every question has its answer, or will have none.
    pub(super) fn idle(&self) -> bool {
        self.busy == 0
    }

    /// The body of an operation: the same in every attempt.
    pub(super) fn body(&self, operation: u64) -> Body {
        self.call(operation).body.clone()
    }

    fn call(&self, operation: u64) -> &Call {
        &self.calls[place(operation)]
    }

    fn call_mut(&mut self, operation: u64) -> &mut Call {
        &mut self.calls[place(operation)]
    }

    /// A caller's next question.
    fn begin(&mut self, caller: usize, moment: u64, now_us: u64) -> u64 {
        let operation = OPERATION_FIRST + self.calls.len() as u64;
        let ask = self.draw_ask(caller, now_us);
        let has_name = matches!(ask, Ask::Enter(_));
        let keyed = !has_name && self.rng.random_ratio(1, 2);
        let key = keyed.then(|| format!("key {operation}").into_bytes());
        let body = ask.body(&format!("caller {caller}"), operation, key);
        let node = self.rng.random_range(0..self.nodes);
        self.calls.push(Call {
            caller,
            ask,
            body,
            may_repeat: keyed || has_name,
            called: moment,
            first: None,
            sends: 0,
            node,
        });
        self.busy += 1;
        operation
    }

    fn draw_ask(&mut self, caller: usize, now_us: u64) -> Ask {
        let Self { rng, callers, .. } = self;
        let caller = &mut callers[caller];
        if let Some(report) = caller.draw_report(rng, now_us).or_else(|| caller.draw_late_report(rng)) {
            return report;
        }
        let phone = campaign::phone(rng.random_range(0..campaign::PHONES), rng.random_ratio(1, 3));
        match rng.random_range(0..24) {
            0 => Ask::Stop(phone),
            1 => Ask::Enter(phone),
            2..6 => Ask::Add(phone, caller.chain_id.filter(|_| rng.random_ratio(1, 3))),
            _ => Ask::Preview,
        }
    }

    /// Whether a caller that has an answer to a preview with a key asks once more, as if the answer were lost.
    fn asks_once_more(&mut self, operation: u64, reply: &Reply) -> bool {
        let twice = self.rng.random_ratio(1, 3);
        let call = self.call_mut(operation);
        let is_repeated = call.ask == Ask::Preview && call.may_repeat && call.first.is_none();
        let asks = twice && is_repeated && call.sends < SENDS_MAX && matches!(reply.body, ReplyBody::Done(_));
        if asks {
            call.first = Some(CallAttempt::of(reply));
        }
        asks
    }
}

/// Place of a caller's operation among its kind.
fn place(operation: u64) -> usize {
    (operation - OPERATION_FIRST) as usize
}

impl World {
    /// Every caller begins some time soon.
    pub(super) fn begin_callers(&mut self) {
        for caller in 0..self.callers.callers.len() {
            let wait_us = self.callers.draw_us(0..500_000);
            self.after(wait_us, Event::Caller(caller));
        }
    }

    /// A caller asks its next question, once the campaign is loaded.
    pub(super) fn turn_of_caller(&mut self, caller: usize) {
        if self.clients.quiet {
            return;
        }
        self.callers.is_open = self.callers.is_open || self.campaign_is_open();
        if !self.callers.is_open {
            let wait_us = self.callers.draw_us(50_000..200_000);
            return self.after(wait_us, Event::Caller(caller));
        }
        let operation = self.callers.begin(caller, self.moment, self.now);
        self.send_of_caller(operation);
    }

    pub(super) fn send_of_caller(&mut self, operation: u64) {
        let call = self.callers.call_mut(operation);
        call.sends += 1;
        let node = call.node;
        let way_us = self.callers.draw_us(50..400);
        self.after(way_us, Event::Arrive { node, operation });
    }

    /// A caller hears an answer: the question ends, or the caller sends the request again.
    pub(super) fn hear_of_caller(&mut self, operation: u64, answer: &Answer) {
        let Some(reply) = known(answer) else {
            return self.hear_nothing(operation, matches!(answer, Answer::NotSent));
        };
        self.watch.caller_is_answered(operation, self.callers.call(operation), reply, self.moment);
        if self.callers.asks_once_more(operation, reply) {
            return self.send_elsewhere(operation);
        }
        self.end_call(operation, CallAttempt::of(reply));
    }

    /// The outcome is not known; `unsent`: the request never left.
    fn hear_nothing(&mut self, operation: u64, unsent: bool) {
        let call = self.callers.call(operation);
        if (call.may_repeat || unsent) && call.sends < SENDS_MAX {
            return self.send_elsewhere(operation);
        }
        let attempt = call.first.clone().flatten();
        self.end_call(operation, attempt);
    }

    /// Sends a request again, to another node.
    fn send_elsewhere(&mut self, operation: u64) {
        let pause_us = self.callers.draw_us(1_000..400_000);
        let nodes = self.callers.nodes;
        let call = self.callers.call_mut(operation);
        call.node = (call.node + 1) % nodes;
        self.after(pause_us, Event::Again(operation));
    }

    /// The question is over; the caller holds the attempt of a preview.
    fn end_call(&mut self, operation: u64, attempt: Option<CallAttempt>) {
        let number = self.callers.call(operation).caller;
        let caller = &mut self.callers.callers[number];
        if let Some(attempt) = attempt {
            caller.chain_id = Some(attempt.chain_id);
            caller.holds = Some(attempt);
        }
        self.callers.busy -= 1;
        let think_us = self.callers.draw_us(10_000..250_000);
        self.after(think_us, Event::Caller(number));
    }
}

/// The reply behind an answer; none: the outcome stays unknown.
fn known(answer: &Answer) -> Option<&Reply> {
    let Answer::Reply(reply) = answer else { return None };
    // an id that was given twice: an earlier attempt under another id may have been applied
    let is_unknown = |code: RefusalCode| matches!(code, RefusalCode::OutcomeUnknown | RefusalCode::Internal);
    match &reply.body {
        ReplyBody::Refused(refusal) if is_unknown(refusal.code) => None,
        _ => Some(reply),
    }
}
