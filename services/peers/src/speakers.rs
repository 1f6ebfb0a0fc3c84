//! The start of a node that speaks under a Raft id: two processes with one identity (a copied data directory, a cloned machine)
//! count the same starts and give the same request ids, so the second process is not heard while the first speaks.
//!
//! A frame of an admitted stream costs a comparison and a store; the lock is taken where a stream begins and ends. Called by
//! `service`.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use consensus::{RaftId, members};
use ocs_proto::peer::Head;
use tonic::Status;

/// A start keeps its place for so long after its last frame, on a stream that did not end: a connection can be half open.
const LIVES: Duration = Duration::from_millis(1500);
/// Bytes of a start's token.
const TOKEN_BYTES: usize = 16;

/// The starts that speak, by Raft id; no start is kept longer than its streams.
#[derive(Debug)]
pub(super) struct Speakers {
    by_id: Mutex<HashMap<RaftId, Known>>,
    began: Instant,
}

/// A start, and how many streams it has open here.
#[derive(Debug)]
struct Known {
    speaker: Arc<Speaker>,
    streams: usize,
}

#[derive(Debug)]
struct Speaker {
    id: RaftId,
    start: Start,
    /// The address of the first stream.
    address: SocketAddr,
    /// The time of the last frame, since [`Speakers::began`].
    heard_ms: AtomicU64,
    /// The last frame said that no majority has confirmed this start: such a start does not keep out another, perhaps the genuine
    /// start.
    unconfirmed: AtomicBool,
    /// Another start has taken its place.
    over: AtomicBool,
}

/// The difference between two starts of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Start {
    /// Empty: an older version, which draws no token.
    token: Bytes,
    incarnation: u64,
}

impl Start {
    /// A copy repeats the incarnation and never the token.
    fn is(&self, token: &Bytes, incarnation: u64) -> bool {
        if self.token.is_empty() || token.is_empty() {
            return self.incarnation == incarnation;
        }
        self.token == *token
    }
}

/// A stream's place among those of its start; given back when the stream ends.
#[derive(Debug)]
pub(super) struct Speaking {
    speaker: Arc<Speaker>,
    all: Arc<Speakers>,
}

impl Drop for Speaking {
    fn drop(&mut self) {
        let mut by_id = self.all.lock();
        let Some(known) = by_id.get_mut(&self.speaker.id) else { return };
        if !Arc::ptr_eq(&known.speaker, &self.speaker) {
            return;
        }
        known.streams -= 1;
        if known.streams == 0 {
            by_id.remove(&self.speaker.id);
        }
    }
}

impl Speaking {
    fn is_of(&self, head: &Head) -> bool {
        let speaker = &self.speaker;
        speaker.id == head.from
            && !speaker.over.load(Ordering::Relaxed)
            && speaker.start.is(&head.start, head.incarnation)
    }
}

impl Speakers {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { by_id: Mutex::default(), began: Instant::now() })
    }

    /// Takes a frame that came on a stream; `speaking` is kept with the stream, and is none before its first frame.
    ///
    /// # Errors
    /// A status that names both addresses: another start speaks under this Raft id.
    pub(super) fn heard(
        self: &Arc<Self>,
        speaking: &mut Option<Speaking>,
        head: &Head,
        address: SocketAddr,
    ) -> Result<(), Status> {
        self.heard_at(speaking, head, address, self.began.elapsed())
    }

    fn heard_at(
        self: &Arc<Self>,
        speaking: &mut Option<Speaking>,
        head: &Head,
        address: SocketAddr,
        now: Duration,
    ) -> Result<(), Status> {
        let now_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        if let Some(known) = speaking.as_ref().filter(|speaking| speaking.is_of(head)) {
            known.speaker.hear(head, now_ms);
            return Ok(());
        }
        *speaking = None; // before the lock, which dropping the old place needs
        *speaking = Some(self.admit(head, address, now_ms)?);
        Ok(())
    }

    fn admit(self: &Arc<Self>, head: &Head, address: SocketAddr, now_ms: u64) -> Result<Speaking, Status> {
        if !head.start.is_empty() && head.start.len() != TOKEN_BYTES {
            return Err(Status::invalid_argument(format!("a start's token has {TOKEN_BYTES} bytes")));
        }
        let mut by_id = self.lock();
        if let Some(known) = by_id.get_mut(&head.from) {
            if known.speaker.start.is(&head.start, head.incarnation) {
                known.streams += 1;
                known.speaker.hear(head, now_ms);
                return Ok(Speaking { speaker: Arc::clone(&known.speaker), all: Arc::clone(self) });
            }
            if known.speaker.lives(now_ms) {
                return Err(twice(head.from, known.speaker.address, address));
            }
            known.speaker.over.store(true, Ordering::Relaxed);
        }
        let start = Start { token: head.start.clone(), incarnation: head.incarnation };
        let (heard_ms, over) = (AtomicU64::new(now_ms), AtomicBool::new(false));
        let unconfirmed = AtomicBool::new(head.unconfirmed);
        let speaker = Arc::new(Speaker { id: head.from, start, address, heard_ms, unconfirmed, over });
        by_id.insert(head.from, Known { speaker: Arc::clone(&speaker), streams: 1 });
        Ok(Speaking { speaker, all: Arc::clone(self) })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RaftId, Known>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Speaker {
    fn hear(&self, head: &Head, now_ms: u64) {
        self.heard_ms.store(now_ms, Ordering::Relaxed);
        self.unconfirmed.store(head.unconfirmed, Ordering::Relaxed);
    }

    fn lives(&self, now_ms: u64) -> bool {
        let quiet_ms = now_ms.saturating_sub(self.heard_ms.load(Ordering::Relaxed));
        !self.unconfirmed.load(Ordering::Relaxed) && u128::from(quiet_ms) < LIVES.as_millis()
    }
}

fn twice(id: RaftId, first: SocketAddr, second: SocketAddr) -> Status {
    let number = members::number(id);
    Status::already_exists(format!(
        "two processes have one identity: node number {number} (Raft id {id}) speaks from {first}, and another start of it from \
         {second} is not heard; end the one that runs on a copied data directory or a cloned machine, and let it join with an \
         empty directory"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "10.0.0.1:7000";
    const SECOND: &str = "10.0.0.2:7000";

    fn head(token: u8, incarnation: u64) -> Head {
        let start = if token == 0 { Bytes::new() } else { Bytes::from(vec![token; TOKEN_BYTES]) };
        Head { from: 2, start, incarnation, ..Head::default() }
    }

    struct Stream(Option<Speaking>);

    impl Stream {
        fn says(&mut self, all: &Arc<Speakers>, head: &Head, from: &str, at_ms: u64) -> Result<(), String> {
            let heard = all.heard_at(&mut self.0, head, from.parse().unwrap(), Duration::from_millis(at_ms));
            heard.map_err(|status| status.message().to_owned())
        }
    }

    #[test]
    fn a_second_start_is_refused_with_both_addresses_while_the_first_one_speaks() {
        let all = Speakers::new();
        let (mut first, mut more, mut clone) = (Stream(None), Stream(None), Stream(None));
        first.says(&all, &head(1, 7), FIRST, 0).unwrap();
        more.says(&all, &head(1, 7), FIRST, 1000).unwrap();
        let refused = clone.says(&all, &head(2, 7), SECOND, 2400).unwrap_err();
        assert!(refused.contains(FIRST) && refused.contains(SECOND), "{refused}");
        first.says(&all, &head(1, 7), FIRST, 2400).unwrap();
        clone.says(&all, &head(2, 7), SECOND, 3899).unwrap_err();
    }

    #[test]
    fn a_start_that_nobody_confirmed_keeps_no_other_one_out() {
        let all = Speakers::new();
        let (mut clone, mut genuine) = (Stream(None), Stream(None));
        let unconfirmed = |token| Head { unconfirmed: true, ..head(token, 7) };
        clone.says(&all, &unconfirmed(1), FIRST, 0).unwrap();
        genuine.says(&all, &unconfirmed(2), SECOND, 1).unwrap();
        clone.says(&all, &unconfirmed(1), FIRST, 2).unwrap();
        genuine.says(&all, &head(2, 7), SECOND, 3).unwrap();
        let refused = clone.says(&all, &unconfirmed(1), FIRST, 4).unwrap_err();
        assert!(refused.contains(FIRST) && refused.contains(SECOND), "{refused}");
    }

    #[test]
    fn a_restart_is_heard_once_the_streams_before_it_have_ended_or_been_silent() {
        let all = Speakers::new();
        let (mut before, mut again) = (Stream(None), Stream(None));
        before.says(&all, &head(1, 7), FIRST, 0).unwrap();
        drop(before);
        again.says(&all, &head(2, 8), FIRST, 1).unwrap();
        let (mut half_open, mut third) = (again, Stream(None));
        third.says(&all, &head(3, 9), FIRST, 1500).unwrap_err();
        third.says(&all, &head(3, 9), FIRST, 1501).unwrap();
        half_open.says(&all, &head(2, 8), FIRST, 1502).unwrap_err();
        drop(half_open);
        third.says(&all, &head(3, 9), FIRST, 1503).unwrap();
        drop(third);
        assert!(all.lock().is_empty(), "nothing is kept of who has gone");
    }

    #[test]
    fn starts_of_an_older_version_differ_by_their_count_alone() {
        let all = Speakers::new();
        let (mut older, mut newer) = (Stream(None), Stream(None));
        older.says(&all, &head(0, 7), FIRST, 0).unwrap();
        newer.says(&all, &head(1, 7), FIRST, 1).unwrap();
        Stream(None).says(&all, &head(0, 8), FIRST, 2).unwrap_err();
    }

    #[test]
    fn another_raft_id_of_the_node_has_a_place_of_its_own() {
        let all = Speakers::new();
        let (mut former, mut newer) = (Stream(None), Stream(None));
        former.says(&all, &head(1, 7), FIRST, 0).unwrap();
        newer.says(&all, &Head { from: 0x1_0002, ..head(2, 7) }, SECOND, 1).unwrap();
    }

    #[test]
    fn a_token_of_another_length_is_refused() {
        let long = Head { start: Bytes::from(vec![1; 1000]), ..head(1, 7) };
        Stream(None).says(&Speakers::new(), &long, FIRST, 0).unwrap_err();
    }
}
