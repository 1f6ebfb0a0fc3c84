//! Places for connections: limits in all and per address, and, once all places are taken, the choice of the connection that makes
//! room for a new one.
//!
//! The first to be pushed out is the oldest connection that has not completed a request; then the oldest connection kept alive
//! without a request. A connection with a request in flight is never pushed out. So a flood of silent connections cannot block
//! the port: each takes the place of another silent connection, and a caller that speaks at once keeps its place. Never reads a
//! byte and never reads a clock.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// How far a connection has come; the first are pushed out first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The handshake or the first request is not complete.
    Unfinished,
    /// No request is in flight.
    Idle,
    /// A request is in flight, or the caller is authenticated: the connection keeps its place.
    Busy,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// All places are taken, and busy.
    #[error("all {0} connections are busy")]
    All(usize),
    /// All places of this address are taken, and busy.
    #[error("all {0} connections of this address are busy")]
    Address(usize),
}

/// The places of one port. Clones share them.
#[derive(Debug, Clone)]
pub struct Places(Arc<Mutex<Table>>);

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Places,
    number: u64,
    out: CancellationToken,
}

impl Places {
    /// `per_address_max` does not count for loopback, which is the address of every client on this machine.
    pub fn new(connections_max: usize, per_address_max: usize) -> Self {
        let table = Table { connections_max, per_address_max, taken: BTreeMap::new(), events: 0 };
        Self(Arc::new(Mutex::new(table)))
    }

    /// A place for a connection that was just accepted, and whether another connection had to make room.
    ///
    /// # Errors
    /// Every place that the connection could take is busy.
    pub fn take(&self, from: IpAddr) -> Result<(Place, bool), Full> {
        let mut table = self.table();
        let pushed_out = table.room(origin(from))?;
        if let Some(number) = pushed_out {
            table.leave(number).inspect(CancellationToken::cancel);
        }
        let (number, out) = table.enter(origin(from));
        Ok((Place { places: self.clone(), number, out }, pushed_out.is_some()))
    }

    /// Number of connections.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        self.table().taken.len()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Notes how far the connection has come.
    pub fn is(&self, phase: Phase) {
        self.places.table().is(self.number, phase);
    }

    /// Completes when the connection has to make room.
    pub fn pushed_out(&self) -> WaitForCancellationFuture<'_> {
        self.out.cancelled()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.table().leave(self.number);
    }
}

/// The connections and their places.
#[derive(Debug)]
struct Table {
    connections_max: usize,
    per_address_max: usize,
    taken: BTreeMap<u64, Taken>,
    /// Counts changes of phase: gives the order in which connections entered their phases.
    events: u64,
}

#[derive(Debug)]
struct Taken {
    origin: IpAddr,
    phase: Phase,
    since: u64,
    out: CancellationToken,
}

impl Table {
    /// Room for one more connection of this origin: the connection that has to leave, if any.
    fn room(&self, origin: IpAddr) -> Result<Option<u64>, Full> {
        let of_origin = |taken: &Taken| taken.origin == origin;
        let count = self.taken.values().filter(|taken| of_origin(taken)).count();
        if !origin.is_loopback() && count >= self.per_address_max {
            let first = self.first_to_leave(of_origin);
            return first.map(Some).ok_or(Full::Address(self.per_address_max));
        }
        if self.taken.len() >= self.connections_max {
            return self.first_to_leave(|_| true).map(Some).ok_or(Full::All(self.connections_max));
        }
        Ok(None)
    }

    fn first_to_leave(&self, of: impl Fn(&Taken) -> bool) -> Option<u64> {
        let may_leave = self.taken.iter().filter(|(_, taken)| taken.phase != Phase::Busy && of(taken));
        may_leave.min_by_key(|(_, taken)| (taken.phase, taken.since)).map(|(number, _)| *number)
    }

    fn enter(&mut self, origin: IpAddr) -> (u64, CancellationToken) {
        self.events += 1;
        let (number, out) = (self.events, CancellationToken::new());
        let taken = Taken { origin, phase: Phase::Unfinished, since: number, out: out.clone() };
        self.taken.insert(number, taken);
        (number, out)
    }

    fn is(&mut self, number: u64, phase: Phase) {
        self.events += 1;
        if let Some(taken) = self.taken.get_mut(&number) {
            (taken.phase, taken.since) = (phase, self.events);
        }
    }

    fn leave(&mut self, number: u64) -> Option<CancellationToken> {
        self.taken.remove(&number).map(|taken| taken.out)
    }
}

/// The origin of a connection: an address, or the 64-bit network that one customer has of IPv6.
fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        canonical => canonical,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn is_out(place: &Place) -> bool {
        place.out.is_cancelled()
    }

    #[test]
    fn the_oldest_silent_connection_makes_room_before_one_that_is_kept_alive_and_a_busy_one_never_does() {
        let places = Places::new(3, 3);
        let take = || places.take(LOOPBACK).unwrap().0;
        let (busy, idle, silent) = (take(), take(), take());
        busy.is(Phase::Busy);
        idle.is(Phase::Idle);
        let second = take();
        assert_eq!([&busy, &idle, &silent].map(is_out), [false, false, true]);
        second.is(Phase::Busy);
        let third = take();
        assert!(is_out(&idle) && !is_out(&second));
        third.is(Phase::Busy);
        assert_eq!(places.take(LOOPBACK).unwrap_err(), Full::All(3));
        drop(second);
        assert!(!places.take(LOOPBACK).unwrap().1, "a place was free");
        assert_eq!(places.taken(), 2, "the place of one pushed out is not given back twice");
    }

    #[test]
    fn a_connection_whose_request_ended_is_the_last_of_the_idle() {
        let places = Places::new(2, 2);
        let take = || places.take(LOOPBACK).unwrap().0;
        let (first, second) = (take(), take());
        first.is(Phase::Idle);
        second.is(Phase::Idle);
        first.is(Phase::Busy);
        first.is(Phase::Idle);
        let _third = take();
        assert!(is_out(&second) && !is_out(&first));
    }

    #[test]
    fn one_address_takes_only_its_share_and_pushes_out_only_its_own() {
        let places = Places::new(4, 2);
        let take = |text: &str| places.take(address(text));
        let other = take("192.0.2.1").unwrap().0;
        let greedy = [take("192.0.2.9").unwrap().0, take("192.0.2.9").unwrap().0];
        let (_third, pushed) = take("192.0.2.9").unwrap();
        assert!(pushed && is_out(&greedy[0]) && !is_out(&other));
        greedy[1].is(Phase::Busy);
        _third.is(Phase::Busy);
        assert_eq!(take("192.0.2.9").unwrap_err(), Full::Address(2));
        assert!(!take("192.0.2.2").unwrap().1);
    }

    #[test]
    fn loopback_is_no_address_and_a_network_of_ipv6_is_one() {
        let places = Places::new(10, 1);
        let local: Vec<_> = (0..4).map(|_| places.take(LOOPBACK).unwrap()).collect();
        assert!(local.iter().all(|(_, pushed)| !pushed));
        let _one = places.take(address("2001:db8::1")).unwrap();
        assert!(places.take(address("2001:db8::ffff:2")).unwrap().1);
        assert!(!places.take(address("2001:db8:0:1::1")).unwrap().1);
        let _mapped = places.take(address("192.0.2.1")).unwrap();
        assert!(places.take(address("::ffff:192.0.2.1")).unwrap().1);
    }
}
