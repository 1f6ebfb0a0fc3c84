//! The confirmed claims to be primary: asks every node all the time, and notes the times of question and answer. Never believes
//! a claim: `contradiction` checks them. Called by `run`.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::call::Clock;
use crate::http::Client;

/// Pause between two questions to one node.
const PACE: Duration = Duration::from_millis(20);
/// Time for an answer; a frozen node gives none.
const PATIENCE: Duration = Duration::from_secs(2);

/// A node's answer that it is confirmed as primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The node.
    pub node: &'static str,
    /// The term.
    pub term: u64,
    /// Time of the question: the quorum round began later.
    pub asked_ns: u64,
    /// Time of the answer.
    pub given_ns: u64,
}

/// Asks until the value is dropped.
#[derive(Debug)]
pub struct RoleWatch {
    claims: Arc<Mutex<Vec<Claim>>>,
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<()>>,
}

impl RoleWatch {
    /// Begins to ask the nodes at these admin addresses.
    pub fn start(clock: Clock, nodes: Vec<(&'static str, String)>) -> Self {
        let mut watch = Self { claims: Arc::default(), stop: Arc::default(), workers: Vec::new() };
        for (node, address) in nodes {
            let (claims, stop) = (watch.claims.clone(), watch.stop.clone());
            watch.workers.push(thread::spawn(move || {
                let mut client = Client::patient(&address, PATIENCE);
                while !stop.load(Relaxed) {
                    if let Some(claim) = ask(&mut client, node, clock) {
                        claims.lock().unwrap_or_else(PoisonError::into_inner).push(claim);
                    }
                    thread::sleep(PACE);
                }
            }));
        }
        watch
    }

    /// Every claim so far.
    pub fn claims(&self) -> Vec<Claim> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for RoleWatch {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        for worker in self.workers.drain(..) {
            let _ = worker.join(); // a worker that panicked has said so
        }
    }
}

fn ask(client: &mut Client, node: &'static str, clock: Clock) -> Option<Claim> {
    let asked_ns = clock.ns();
    let answer = client.send("GET", "/primary", &[], "").ok().filter(|answer| answer.status == 200)?;
    let term = answer.attribute("term").as_u64()?;
    Some(Claim { node, term, asked_ns, given_ns: clock.ns() })
}

/// R5 leader-is-not-primary: one node a term, never the witness, and no claim of a term whose round began after a claim of a
/// later term.
pub(super) fn contradiction(claims: &[Claim]) -> Option<String> {
    let mut holders: BTreeMap<u64, &Claim> = BTreeMap::new();
    for claim in claims {
        let holder = holders.entry(claim.term).or_insert(claim);
        if holder.node != claim.node || claim.node == "w" {
            return Some(format!("two nodes, or the witness, claim one term: {holder:?} and {claim:?}"));
        }
    }
    let mut by_asked: Vec<&Claim> = claims.iter().collect();
    by_asked.sort_by_key(|claim| claim.asked_ns);
    let mut by_given = by_asked.clone();
    by_given.sort_by_key(|claim| claim.given_ns);
    let mut given = by_given.into_iter().peekable();
    let mut highest: Option<&Claim> = None;
    for claim in by_asked {
        while let Some(before) = given.next_if(|before| before.given_ns < claim.asked_ns) {
            highest = highest.filter(|highest| highest.term >= before.term).or(Some(before));
        }
        if let Some(highest) = highest.filter(|highest| highest.term > claim.term) {
            return Some(format!("{claim:?} was asked for after {highest:?} had been given"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(node: &'static str, term: u64, asked_ns: u64, given_ns: u64) -> Claim {
        Claim { node, term, asked_ns, given_ns }
    }

    #[test]
    fn a_claim_of_an_older_term_after_a_newer_one_is_found_and_an_overlap_is_not() {
        assert_eq!(contradiction(&[claim("a", 1, 0, 1), claim("b", 2, 5, 6), claim("b", 2, 9, 10)]), None);
        assert_eq!(contradiction(&[claim("b", 2, 5, 6), claim("a", 1, 4, 9)]), None);
        assert!(contradiction(&[claim("b", 2, 5, 6), claim("a", 1, 7, 9)]).is_some());
    }

    #[test]
    fn two_holders_of_one_term_are_found() {
        assert!(contradiction(&[claim("a", 3, 0, 1), claim("b", 3, 5, 6)]).is_some());
        assert!(contradiction(&[claim("w", 3, 0, 1)]).is_some());
    }
}
