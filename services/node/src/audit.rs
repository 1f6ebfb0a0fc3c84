//! Orders of operators that are no commands of the log, on their way into the audit.
//!
//! An order is noted once the node has carried the order out or refused it: the outcome is known only then, and an order never waits for a row, since an
//! emergency has no quorum. The node's log has a line before each order (`operator_orders`). A node that is to end with its order notes
//! the order first. Without a quorum the order waits here, in memory, and enters the audit once there is one; where the process ends
//! before, its log alone has the order. Never decides an order. Called by the control API.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chassis::tasks::{AtEnd, Tasks};
use dispatch::Engine;
use outbound::{Audited, Body, RULES_WITH_AUDIT, RefusalCode, Reply, ReplyBody};
use pair::{Door, WitnessDoor, wall_us};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

/// Orders that wait for a quorum, at most.
const ORDERS_MAX: usize = 256;
/// How long an order's answer waits for the row.
const ANSWER_WAITS: Duration = Duration::from_secs(1);
/// Deadline of an attempt.
const DEADLINE: Duration = Duration::from_secs(5);
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(1);
/// A witness has no stamps: an order of a witness is looked for among the rows of so long.
const WITNESS_LOOKS_BACK_US: u64 = 3_600_000_000;

/// The name of a caller without a certificate, in the history of the role.
pub const NAMELESS: &str = "an operator without a certificate";

/// The caller of an order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Who {
    /// The name of the certificate; empty: without a certificate.
    pub principal: String,
    /// Host and port; empty: not known.
    pub address: String,
}

impl Who {
    /// The caller out of the words of the role's history, as `maria (10.0.0.9:4711)`.
    pub fn of_named(named: &str) -> Self {
        let parts = named.strip_suffix(')').and_then(|named| named.rsplit_once(" ("));
        let Some((name, address)) = parts else { return Self::default() };
        let principal = if name == NAMELESS { "" } else { name };
        Self { principal: principal.to_owned(), address: address.to_owned() }
    }
}

/// The outcome of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Carried out.
    Done,
    /// Begun: the node notes no end.
    Begun,
    /// Refused or failed.
    Refused,
}

impl Outcome {
    /// The word in a row.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Begun => "begun",
            Self::Refused => "REFUSED",
        }
    }
}

/// An order that this node took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// As the control API names the order.
    pub what: &'static str,
    /// The subject; empty: none.
    pub about: String,
    /// For a person; empty: none.
    pub details: String,
    /// The outcome.
    pub outcome: Outcome,
}

/// The way of an order into the log.
#[derive(Clone)]
pub enum Way {
    /// Of a data node.
    Data(Arc<Door>),
    /// Of a witness.
    Witness(Arc<WitnessDoor>),
}

impl Way {
    fn rules_version(&self) -> u32 {
        match self {
            Self::Data(door) => door.engine().state().rules_version(),
            Self::Witness(door) => door.engine().rules_version(),
        }
    }

    /// A stamp before every command from now on.
    fn after_us(&self) -> u64 {
        match self {
            Self::Data(door) => door.engine().state().last_stamp_us(),
            Self::Witness(_) => wall_us().saturating_sub(WITNESS_LOOKS_BACK_US),
        }
    }

    async fn propose(&self, who: &Who, order: Audited, deadline: Instant) -> Reply {
        let body = Body::Audited(order);
        match self {
            Self::Data(door) => door.answer_operator(&who.principal, &who.address, body, deadline).await,
            Self::Witness(door) => door.answer_operator(&who.principal, &who.address, body, deadline).await,
        }
    }
}

/// An order that is not in the audit yet.
struct Waiting {
    who: Who,
    order: Audited,
    noted: oneshot::Sender<()>,
}

/// Notes the orders of this node. Cheap to clone.
#[derive(Clone)]
pub struct Auditor {
    node: Arc<str>,
    way: Way,
    last_us: Arc<AtomicU64>,
    queue: mpsc::Sender<Waiting>,
}

impl Auditor {
    /// For the orders of the node of this name; `tasks` pass them on.
    pub fn start(node: &str, way: Way, tasks: &Tasks) -> Self {
        Self::start_pausing(PAUSE, node, way, tasks)
    }

    /// As [`Auditor::start`], with this pause between two attempts.
    fn start_pausing(pause: Duration, node: &str, way: Way, tasks: &Tasks) -> Self {
        let (queue, waiting) = mpsc::channel(ORDERS_MAX);
        let (of_task, stopping) = (way.clone(), tasks.stopping());
        tasks.spawn("audit", AtEnd::Quiet, async move {
            tokio::select! {
                () = pass_on(of_task, waiting, pause) => {}
                () = stopping.cancelled() => {}
            }
        });
        Self { node: node.into(), way, last_us: Arc::default(), queue }
    }

    /// Notes an order, and waits for its row a moment; without a quorum the row comes later. Rules without an audit note nothing.
    pub async fn note(&self, who: Who, order: Order) {
        if self.way.rules_version() < RULES_WITH_AUDIT {
            return;
        }
        let what = order.what;
        let (noted, in_audit) = oneshot::channel();
        let waiting = Waiting { who, order: self.named(order), noted };
        if self.queue.try_send(waiting).is_err() {
            tracing::warn!(order = what, "an order is not in the audit: too many orders wait for a quorum");
            return;
        }
        let _ = tokio::time::timeout(ANSWER_WAITS, in_audit).await; // the row comes later, or the node stops
    }

    /// The order under the name of node and time.
    fn named(&self, order: Order) -> Audited {
        let Order { what, about, details, outcome } = order;
        Audited {
            node: self.node.to_string(),
            at_us: self.now_us(),
            after_us: self.way.after_us(),
            what: what.to_owned(),
            about,
            details,
            outcome: outcome.word().to_owned(),
        }
    }

    /// The wall clock, never the same twice.
    fn now_us(&self) -> u64 {
        let wall_us = wall_us();
        let next = |last_us: u64| wall_us.max(last_us.saturating_add(1));
        let last = self.last_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last_us| Some(next(last_us)));
        next(last.unwrap_or_default())
    }
}

/// Proposes the orders in their order, each until the audit has it.
async fn pass_on(way: Way, mut queue: mpsc::Receiver<Waiting>, pause: Duration) {
    while let Some(Waiting { who, order, noted }) = queue.recv().await {
        let mut is_told = false;
        loop {
            let reply = way.propose(&who, order.clone(), Instant::now() + DEADLINE).await;
            let ReplyBody::Refused(refusal) = reply.body else { break };
            let comes_later = matches!(
                refusal.code,
                RefusalCode::Unavailable | RefusalCode::OutcomeUnknown | RefusalCode::Busy | RefusalCode::Limit
            );
            if !std::mem::replace(&mut is_told, true) {
                tracing::warn!(order = order.what, comes_later, "an order is not in the audit: {}", refusal.message);
            }
            if !comes_later {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        let _ = noted.send(()); // the order's answer no longer waits
    }
}

#[cfg(test)]
mod tests {
    use dispatch::HoldConfig;
    use outbound::Refusal;
    use pair::fakes::{A, FakeGroup, NoPeers, Reader, Script, api_over, done, status, until};

    use super::*;

    fn order(what: &'static str) -> Order {
        Order { what, about: "a".into(), details: String::new(), outcome: Outcome::Refused }
    }

    fn maria() -> Who {
        Who { principal: "maria".into(), address: "10.0.0.9:4711".into() }
    }

    /// An auditor of node A over a state under this version, and the log of its group.
    fn auditor(rules_version: u32, tasks: &Tasks) -> (Auditor, Arc<FakeGroup>) {
        let group = Arc::new(FakeGroup::new(status(3, A)));
        let state = Arc::new(Reader::at(rules_version));
        let door = api_over(state, &group, Arc::new(NoPeers), HoldConfig::default(), tasks);
        (Auditor::start_pausing(Duration::ZERO, "a", Way::Data(Arc::new(door)), tasks), group)
    }

    #[tokio::test]
    async fn an_order_is_a_command_with_its_caller_in_the_head_and_rules_without_an_audit_get_none() {
        let tasks = Tasks::new();
        let (before, silent) = auditor(RULES_WITH_AUDIT - 1, &tasks);
        before.note(maria(), order("Drain")).await;
        assert!(silent.proposed().is_empty());

        let (auditor, group) = auditor(RULES_WITH_AUDIT, &tasks);
        auditor.note(maria(), order("Drain")).await;
        auditor.note(Who::default(), order("Reload")).await;
        let proposed = group.proposed();
        let Body::Audited(first) = &proposed[0].body else { panic!("{proposed:?}") };
        let Body::Audited(second) = &proposed[1].body else { panic!("{proposed:?}") };
        assert_eq!((proposed[0].principal.as_str(), proposed[0].address.as_str()), ("maria", "10.0.0.9:4711"));
        assert_eq!((first.node.as_str(), first.what.as_str(), first.outcome.as_str()), ("a", "Drain", "REFUSED"));
        assert!(first.at_us < second.at_us, "node and time name an order");
        assert_eq!(proposed[1].principal, "");
    }

    #[tokio::test]
    async fn an_order_without_a_quorum_is_proposed_again_under_its_name_and_the_next_waits_for_it() {
        let tasks = Tasks::new();
        let (auditor, group) = auditor(RULES_WITH_AUDIT, &tasks);
        let unavailable = Refusal::new(RefusalCode::Unavailable, "no quorum").into();
        let unknown = Refusal::new(RefusalCode::OutcomeUnknown, "it is not known").into();
        group.script([unavailable, unknown, done()].map(|reply| Script::Answer(Ok(reply))));
        auditor.note(maria(), order("Drain")).await;
        auditor.note(maria(), order("Reload")).await;
        until(|| group.proposed().len() == 4).await;
        let names: Vec<_> = group.proposed().into_iter().map(|command| command.body).collect();
        assert!(names[0] == names[1] && names[1] == names[2], "{names:?}");
        assert!(matches!(&names[3], Body::Audited(order) if order.what == "Reload"), "{names:?}");
    }

    #[tokio::test]
    async fn an_order_that_the_rules_refuse_does_not_hold_the_next_one_up() {
        let tasks = Tasks::new();
        let (auditor, group) = auditor(RULES_WITH_AUDIT, &tasks);
        let refused = Refusal::new(RefusalCode::BadValue, "no name").into();
        group.script([Script::Answer(Ok(refused))]);
        auditor.note(maria(), order("Drain")).await;
        auditor.note(maria(), order("Reload")).await;
        assert_eq!(group.proposed().len(), 2);
    }

    #[test]
    fn a_caller_is_read_from_the_words_of_the_history() {
        let of = |named: &str| {
            let Who { principal, address } = Who::of_named(named);
            (principal, address)
        };
        let both = |principal: &str, address: &str| (principal.to_owned(), address.to_owned());
        assert_eq!(of("maria (10.0.0.9:4711)"), both("maria", "10.0.0.9:4711"));
        assert_eq!(of("maria (night) ([::1]:4711)"), both("maria (night)", "[::1]:4711"));
        assert_eq!(of(&format!("{NAMELESS} (10.0.0.9:4711)")), both("", "10.0.0.9:4711"));
        assert_eq!(of("an operator"), both("", ""));
    }
}
