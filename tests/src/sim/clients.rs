//! The clients of the simulation: each client asks one thing at a time, of either node, and retries where a retry is safe.
//!
//! A request with an Idempotency-Key is sent again until its client has an answer; a request without a key ends with an unknown
//! outcome. Keeps every operation for the checks. Called by `world`.

use std::collections::HashMap;

use ocs_history::{Act, Operation, Outcome};
use outbound::{Handle, Reply, Request};
use rand::Rng;

use super::{callers::is_of_caller, event::Event, requests, world::World};

/// Clients at a time.
const CLIENTS: usize = 7;
/// Records that clients ask about at a time.
const RECORDS_MAX: usize = 5;
/// Times that a client sends a request with a key.
const SENDS_MAX: u32 = 8;

/// The answer that a client gets.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Reply(Reply),
    /// Known not to be applied.
    Unavailable,
    /// OUTCOME_UNKNOWN.
    Unknown,
    /// The connection was refused: the request was never sent.
    NotSent,
    /// The connection broke.
    Reset,
}

/// One operation, from its first call to its end.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) client: usize,
    pub(super) act: Act,
    pub(super) handle: Handle,
    pub(super) keyed: bool,
    pub(super) called: u64,
    pub(super) called_us: u64,
    pub(super) over: Option<u64>,
    pub(super) outcome: Option<Outcome>,
    sends: u32,
    node: usize,
}

/// All clients, and all their operations.
#[derive(Debug)]
pub(super) struct Clients {
    calls: Vec<Call>,
    /// Operations on a record that is there.
    by_record: HashMap<Handle, Vec<u64>>,
    /// Nodes that clients ask: the first places.
    nodes: usize,
    /// Records that clients ask about.
    pub(super) open: Vec<Handle>,
    /// No client begins anything new.
    pub(super) quiet: bool,
    busy: usize,
    think_us: u64,
}

impl Clients {
    pub(super) fn new(think_us: u64, nodes: usize) -> Self {
        let open = (1..=requests::RECORDS_FIRST).map(Handle).collect();
        Self { calls: Vec::new(), by_record: HashMap::new(), nodes, open, quiet: false, busy: 0, think_us }
    }

    pub(super) fn call(&self, operation: u64) -> &Call {
        &self.calls[operation as usize]
    }

    pub(super) fn calls(&self) -> impl Iterator<Item = (u64, &Call)> {
        self.calls.iter().enumerate().map(|(number, call)| (number as u64, call))
    }

    /// Whether every operation is over.
    pub(super) fn idle(&self) -> bool {
        self.busy == 0
    }

    /// The request of an operation: the same in every attempt.
    pub(super) fn request(&self, operation: u64) -> Request {
        let call = self.call(operation);
        let key = call.keyed.then(|| format!("key {operation}").into_bytes());
        requests::request(&call.act, call.handle, operation, key)
    }
}

impl World {
    /// Every client begins some time soon.
    pub(super) fn begin_clients(&mut self) {
        for client in 0..CLIENTS {
            let wait_us = self.rng.random_range(0..1_000_000);
            self.after(wait_us, Event::Client(client));
        }
    }

    /// A client asks its next question.
    pub(super) fn call(&mut self, client: usize) {
        if self.clients.quiet {
            return;
        }
        let number = self.clients.calls.len() as u64;
        let act = self.draw_act(number);
        let handle = match act {
            Act::Add => Handle(0),
            _ => self.clients.open[self.rng.random_range(0..self.clients.open.len())],
        };
        let keyed = act != Act::Read && self.rng.random_ratio(1, 2);
        let node = self.rng.random_range(0..self.clients.nodes);
        let (called, called_us) = (self.moment, self.now);
        self.clients.calls.push(Call {
            client,
            act,
            handle,
            keyed,
            called,
            called_us,
            over: None,
            outcome: None,
            sends: 0,
            node,
        });
        self.clients.busy += 1;
        if handle.0 != 0 {
            self.clients.by_record.entry(handle).or_default().push(number);
        }
        self.send_request(number);
    }

    fn draw_act(&mut self, number: u64) -> Act {
        let call_result = self.rng.random_range(0..50);
        match self.rng.random_range(0..100) {
            0..4 => Act::Add,
            4..5 => Act::Process { call_result },
            5..6 => Act::DoNotCall,
            6..50 => Act::Read,
            _ => Act::Update { call_result, attempts: number.cast_signed() },
        }
    }

    fn send_request(&mut self, operation: u64) {
        let call = &mut self.clients.calls[operation as usize];
        call.sends += 1;
        let node = call.node;
        let way_us = self.rng.random_range(50..400);
        self.after(way_us, Event::Arrive { node, operation });
    }

    /// A request reached a node's door.
    pub(super) fn arrive(&mut self, node: usize, operation: u64) {
        if self.nodes[node].life.is_none() {
            return self.answer_client(operation, Answer::NotSent);
        }
        if !is_of_caller(operation) && self.clients.call(operation).act == Act::Read {
            self.ask_to_read(node, operation);
        } else {
            self.submit(node, operation);
        }
    }

    /// Sends an answer to its client.
    pub(super) fn answer_client(&mut self, operation: u64, answer: Answer) {
        let way_us = self.rng.random_range(50..400);
        self.after(way_us, Event::Answer { operation, answer });
    }

    /// A client hears an answer: the operation ends, or the client sends the request again.
    pub(super) fn hear(&mut self, operation: u64, answer: Answer) {
        if is_of_caller(operation) {
            return self.hear_of_caller(operation, &answer);
        }
        let moment = self.moment;
        let call = &mut self.clients.calls[operation as usize];
        let outcome = match &answer {
            Answer::Reply(reply) => requests::outcome(&call.act, reply),
            _ => None,
        };
        let again = match answer {
            Answer::NotSent => call.sends < SENDS_MAX,
            _ => outcome.is_none() && call.keyed && call.sends < SENDS_MAX,
        };
        if again {
            call.node = (call.node + 1) % self.clients.nodes; // another node
            let pause_us = self.rng.random_range(1_000..400_000);
            return self.after(pause_us, Event::Again(operation));
        }
        if let (Act::Add, Answer::Reply(reply)) = (&call.act, &answer)
            && let Some(handle) = requests::added(reply)
        {
            call.handle = handle;
            self.clients.open.push(handle);
            if self.clients.open.len() > RECORDS_MAX {
                self.clients.open.remove(0);
            }
        }
        let outcome_known = outcome.is_some() && call.act != Act::Add;
        (call.over, call.outcome) = (Some(moment), outcome);
        self.clients.busy -= 1;
        let call = &self.clients.calls[operation as usize];
        self.watch.over(operation, call, self.clients.request(operation).verb.reads());
        let (client, handle) = (call.client, call.handle);
        if outcome_known {
            self.watch.a_records_history_is_linearizable(&self.clients, handle);
        }
        let think_us = self.rng.random_range(0..self.clients.think_us * 2);
        self.after(think_us, Event::Client(client));
    }

    pub(super) fn send_again(&mut self, operation: u64) {
        if is_of_caller(operation) { self.send_of_caller(operation) } else { self.send_request(operation) }
    }
}

/// The operations on one record that have a place in its history: answered ones, and those that had an effect.
pub(super) fn history(clients: &Clients, handle: Handle, effect: impl Fn(u64) -> Option<u64>) -> Vec<Operation> {
    let numbers = clients.by_record.get(&handle).into_iter().flatten();
    let of_record = numbers.map(|number| (*number, clients.call(*number)));
    let operation = |(number, call): (u64, &Call)| {
        let known = call.outcome.is_some();
        let over = if known { call.over? } else { effect(number)? };
        let (act, outcome) = (call.act.clone(), call.outcome.clone());
        Some(Operation { number, called: call.called, over, act, outcome })
    };
    of_record.filter_map(operation).collect()
}
