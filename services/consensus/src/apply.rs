//! The apply thread: hands committed entries to the machine, wakes the waiters, makes the state durable at leisure.
//!
//! The only thread that touches the machine. Called by the driver, which never waits for it.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use ocs_proto::peer::{ConfState, Entry, SnapshotMark};
use prost::Message as _;

use crate::{
    ApplyBatch, FetchedState, Machine, MachineError, Observer, event::Event, waiters::Waiters, write_clock::WriteClock,
};

/// Bytes of entries applied as one batch (architecture, Limits).
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Digests remembered for comparison with peers.
const DIGESTS_MAX: usize = 64;

/// Work of the apply thread, in order.
#[derive(Debug)]
pub(crate) enum Work {
    /// Apply committed entries.
    Apply(Vec<Entry>),
    /// From these indexes on, these memberships hold; known before the entries at them come.
    Memberships(Vec<(u64, ConfState)>),
    /// Take over a fetched state.
    Install(FetchedState),
    /// The state is wrong: apply nothing more until a fetched state is installed, or until [`Work::Trust`].
    Distrust,
    /// Resume with the present state.
    Trust,
    /// Make the state durable, and end.
    Stop,
}

/// The newest digests of the state here, for comparison; shared with the driver.
#[derive(Debug, Default)]
pub(crate) struct Digests(Mutex<VecDeque<(u64, u128)>>);

impl Digests {
    fn push(&self, digest: (u64, u128)) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.back() == Some(&digest) {
            return;
        }
        if kept.len() == DIGESTS_MAX {
            kept.pop_front();
        }
        kept.push_back(digest);
    }

    /// Drops the digests of a wrong state.
    fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The newest: index and value.
    pub(crate) fn newest(&self) -> Option<(u64, u128)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).back().copied()
    }

    /// The digest at an index; none: no longer remembered.
    pub(crate) fn at(&self, index: u64) -> Option<u128> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| *known == index).map(|(_, value)| *value)
    }
}

/// The machine's progress, for the driver to look at. The driver is woken only while it waits for progress: a wake-up per batch
/// would take a core from the apply thread.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    applied: AtomicU64,
    /// States taken over, counted before they are told.
    installs: AtomicU64,
    wanted: AtomicBool,
}

impl Progress {
    /// Notes the applied index; returns whether the driver wants a wake-up.
    fn reach(&self, index: u64) -> bool {
        self.applied.store(index, SeqCst);
        self.wanted.load(SeqCst)
    }

    /// Sets whether the driver waits for progress; called before the driver looks, so that later progress sends a wake-up.
    pub(crate) fn want(&self, wanted: bool) {
        self.wanted.store(wanted, SeqCst);
    }

    /// The applied index; none until the driver has handled every installed state, since entries applied above an installed state
    /// must not be visible before that state.
    pub(crate) fn applied(&self, installs_heard: u64) -> Option<u64> {
        let applied = self.applied.load(SeqCst);
        (self.installs.load(SeqCst) == installs_heard).then_some(applied)
    }
}

/// Which membership holds from which index on.
#[derive(Debug)]
pub(crate) struct Memberships(std::collections::BTreeMap<u64, Vec<u8>>);

impl Memberships {
    /// Holds from `index` on.
    fn new(index: u64, conf_state: &ConfState) -> Self {
        Self([(index, conf_state.encode_to_vec())].into())
    }

    /// The membership by a state, which may be ahead of its log; for an empty state the membership by the log.
    pub(crate) fn of(state: &SnapshotMark, in_log: &ConfState) -> Self {
        Self::new(state.index, state.conf_state.as_ref().filter(|_| state.index > 0).unwrap_or(in_log))
    }

    fn learn(&mut self, changes: &[(u64, ConfState)]) {
        self.0.extend(changes.iter().map(|(index, conf_state)| (*index, conf_state.encode_to_vec())));
    }

    /// The membership at an index, and the index at which the next membership begins.
    fn at(&self, index: u64) -> (&[u8], u64) {
        let held = self.0.range(..=index).next_back().or_else(|| self.0.first_key_value());
        let next = self.0.range(index + 1..).next().map_or(u64::MAX, |(next, _)| *next);
        (held.map_or(&[], |(_, conf_state)| &conf_state[..]), next)
    }

    /// Drops the memberships that end at or below an index: no entry there is applied again.
    fn forget_below(&mut self, index: u64) {
        if let Some((held, _)) = self.0.range(..=index).next_back() {
            let held = *held;
            self.0.retain(|from, _| *from >= held);
        }
    }
}

/// When the state is made durable.
#[derive(Debug, Clone, Copy)]
pub struct PersistPolicy {
    /// At the latest after this time.
    pub every: Duration,
    /// At the latest after so many bytes of entries.
    pub bytes: usize,
}

/// The thread's state.
pub(crate) struct ApplyThread<M: Machine> {
    pub(crate) machine: M,
    pub(crate) work: Receiver<Work>,
    pub(crate) events: Sender<Event<M::Id, M::Reply>>,
    pub(crate) waiters: Arc<Waiters<M::Id, M::Reply>>,
    pub(crate) digests: Arc<Digests>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) policy: PersistPolicy,
    /// Memberships, encoded, and the index from which each holds; kept with the state.
    pub(crate) memberships: Memberships,
    pub(crate) unpersisted: usize,
    pub(crate) persisted_at: Instant,
    /// Work that waits until the state is trusted; none: the state is trusted.
    pub(crate) kept: Option<VecDeque<Work>>,
    /// Runs while this thread works; taking over a fetched state may take its time.
    pub(crate) clock: Arc<WriteClock>,
}

impl<M: Machine> ApplyThread<M> {
    /// Runs until told to stop.
    ///
    /// # Errors
    /// The machine cannot go on: the process must end.
    pub(crate) fn run(mut self) -> Result<(), MachineError> {
        self.note_digest();
        let clock = Arc::clone(&self.clock);
        loop {
            let work = match self.work.recv_timeout(self.policy.every) {
                Ok(work) => work,
                Err(RecvTimeoutError::Timeout) => {
                    clock.during(|| self.persist_if_due())?;
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => Work::Stop,
            };
            let queued: VecDeque<Work> = std::iter::once(work).chain(self.work.try_iter()).collect();
            if !clock.turn(queued.len(), || self.run_all(queued))? {
                return Ok(());
            }
        }
    }

    /// False: a stop was among the work.
    fn run_all(&mut self, mut queued: VecDeque<Work>) -> Result<bool, MachineError> {
        let clock = Arc::clone(&self.clock);
        while let Some(work) = queued.pop_front() {
            match work {
                Work::Apply(entries) => match &mut self.kept {
                    Some(kept) => kept.push_back(Work::Apply(entries)),
                    None => self.apply(entries, &mut queued)?,
                },
                Work::Memberships(changes) => self.memberships.learn(&changes),
                Work::Install(state) => {
                    clock.excused(|| self.install(state))?;
                    self.go_on(&mut queued);
                }
                Work::Distrust => self.stand_still()?,
                Work::Trust => {
                    self.machine.doubt(false)?;
                    self.go_on(&mut queued);
                }
                Work::Stop => return self.persist().map(|()| false),
            }
            clock.part_done();
        }
        self.persist_if_due()?;
        Ok(true)
    }

    /// Applies these entries and queued entries, up to the size of one batch.
    fn apply(&mut self, mut entries: Vec<Entry>, queued: &mut VecDeque<Work>) -> Result<(), MachineError> {
        let mut bytes: usize = entries.iter().map(|entry| entry.data.len()).sum();
        while bytes < BATCH_BYTES_MAX && matches!(queued.front(), Some(Work::Apply(_))) {
            let Some(Work::Apply(more)) = queued.pop_front() else { break };
            bytes += more.iter().map(|entry| entry.data.len()).sum::<usize>();
            entries.extend(more);
        }
        let state = self.machine.applied();
        entries.retain(|entry| entry.index > state.index); // a fetched state may already hold them
        if entries.is_empty() {
            self.reached(state.index);
            return Ok(());
        }
        let last = entries.last().map_or(state.index, |entry| entry.index);
        let Self { machine, memberships, waiters, observer, clock, .. } = self;
        let mut answer = |replies| {
            clock.part_done(); // an import fills many batches: only a batch that does not end hangs
            if let Some(seconds) = waiters.wake(replies) {
                observer.commit(seconds);
            }
        };
        let mut rest = &entries[..];
        while let Some(first) = rest.first() {
            // a batch carries the membership of its last index, and ends where the next membership begins
            let (conf_state, ends) = memberships.at(first.index);
            let (batch, behind) = rest.split_at(rest.partition_point(|entry| entry.index < ends));
            machine.apply(&ApplyBatch { entries: batch, conf_state }, &mut answer)?;
            rest = behind;
        }
        self.memberships.forget_below(last);
        self.unpersisted += bytes + entries.len() * 64; // an entry without data moves the index too
        self.note_digest();
        self.reached(last);
        Ok(())
    }

    fn reached(&self, index: u64) {
        if self.progress.reach(index) {
            let _ = self.events.send(Event::Applied);
        }
    }

    fn stand_still(&mut self) -> Result<(), MachineError> {
        self.machine.doubt(true)?;
        self.kept.get_or_insert_default();
        let _ = self.events.send(Event::StandsStill(self.machine.applied().index));
        Ok(())
    }

    fn go_on(&mut self, queued: &mut VecDeque<Work>) {
        let kept = self.kept.take().unwrap_or_default();
        kept.into_iter().rev().for_each(|work| queued.push_front(work));
    }

    fn install(&mut self, state: FetchedState) -> Result<(), MachineError> {
        let applied = self.machine.applied().index;
        let wanted = self.kept.is_some() && state.mark.index == applied;
        if self.kept.is_some() {
            self.digests.clear();
        }
        let mark = if wanted || state.mark.index > applied {
            let installed = self.machine.install(state)?;
            let _ = self.events.send(Event::Persisted(installed.index));
            installed
        } else {
            self.machine.applied() // the machine went on during the fetch, and its state need not be durable up to there
        };
        self.memberships.learn(&[(mark.index, mark.conf_state.clone().unwrap_or_default())]);
        self.progress.installs.fetch_add(1, SeqCst);
        let _ = self.events.send(Event::Installed(mark));
        self.note_digest();
        Ok(())
    }

    fn persist_if_due(&mut self) -> Result<(), MachineError> {
        let late = self.persisted_at.elapsed() >= self.policy.every;
        if self.unpersisted >= self.policy.bytes || (late && self.unpersisted > 0) {
            self.persist()?;
        }
        Ok(())
    }

    fn persist(&mut self) -> Result<(), MachineError> {
        let index = self.machine.persist()?;
        self.unpersisted = 0;
        self.persisted_at = Instant::now();
        let _ = self.events.send(Event::Persisted(index));
        Ok(())
    }

    fn note_digest(&self) {
        if let Some(digest) = self.machine.digest() {
            self.digests.push(digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write_clock::Queue;

    fn conf(voter: u64) -> ConfState {
        ConfState { voters: vec![voter], ..ConfState::default() }
    }

    /// A machine that checks, between its answer and its return, the progress told so far.
    struct Looking {
        applied: SnapshotMark,
        clock: Arc<WriteClock>,
        progress: Arc<Progress>,
        answered: tokio::sync::oneshot::Receiver<Result<(), crate::ProposeError>>,
    }

    impl Machine for Looking {
        type Id = u64;
        type Reply = ();

        fn applied(&self) -> SnapshotMark {
            self.applied.clone()
        }

        fn apply(
            &mut self,
            batch: &ApplyBatch<'_>,
            answer: &mut dyn FnMut(Vec<(u64, ())>),
        ) -> Result<(), MachineError> {
            let began = self.clock.since_us();
            while self.clock.now_us() <= began {}
            answer(vec![(7, ())]);
            assert!(self.clock.since_us() > began, "a machine that answers makes progress");
            if self.applied.index == 0 {
                assert_eq!(self.answered.try_recv(), Ok(Ok(())), "who waits need not wait for what is left to do");
                assert_eq!(self.progress.applied(0), Some(0), "a read must not see this state as applied yet");
            }
            self.applied.index = batch.entries.last().map_or(0, |entry| entry.index);
            Ok(())
        }

        fn persist(&mut self) -> Result<u64, MachineError> {
            Ok(self.applied.index)
        }

        fn digest(&self) -> Option<(u64, u128)> {
            None
        }

        fn digest_at(&self, _: u64) -> Option<u128> {
            None
        }

        fn install(&mut self, source: FetchedState) -> Result<SnapshotMark, MachineError> {
            self.applied = source.mark.clone();
            Ok(source.mark)
        }
    }

    fn thread_of(
        machine: Looking,
        work: Receiver<Work>,
        events: Sender<Event<u64, ()>>,
        waiters: Arc<Waiters<u64, ()>>,
    ) -> ApplyThread<Looking> {
        let (clock, progress) = (Arc::clone(&machine.clock), Arc::clone(&machine.progress));
        ApplyThread {
            machine,
            work,
            events,
            waiters,
            digests: Arc::default(),
            progress,
            observer: Arc::new(()),
            policy: PersistPolicy { every: Duration::from_secs(1), bytes: 1 },
            memberships: Memberships::new(0, &conf(1)),
            unpersisted: 0,
            persisted_at: Instant::now(),
            kept: None,
            clock,
        }
    }

    #[test]
    fn work_waits_from_its_sending_until_the_thread_has_applied_or_kept_it() {
        let (sender, work) = std::sync::mpsc::channel();
        let (events, _told) = std::sync::mpsc::channel();
        let (_, answered) = tokio::sync::oneshot::channel();
        let clock = Arc::new(WriteClock::default());
        let queue = Queue::new(sender, &clock);
        let applied = SnapshotMark { index: 1, ..SnapshotMark::default() };
        let machine = Looking { applied, clock: Arc::clone(&clock), progress: Arc::default(), answered };
        let thread = thread_of(machine, work, events, Arc::new(Waiters::new()));
        queue.send(Work::Apply(vec![Entry { index: 2, ..Entry::default() }]));
        queue.send(Work::Distrust);
        queue.send(Work::Apply(vec![Entry { index: 3, ..Entry::default() }]));
        queue.send(Work::Stop);
        assert_eq!(clock.left_waiting(), Some(0));
        thread.run().unwrap();
        assert_eq!(clock.left_waiting(), None);
    }

    #[test]
    fn an_answer_comes_before_the_write_and_the_applied_index_after_it() {
        let (events, told) = std::sync::mpsc::channel();
        let (_, work) = std::sync::mpsc::channel();
        let (reply, answered) = tokio::sync::oneshot::channel();
        let waiters = Arc::new(Waiters::new());
        waiters.enter(7, reply, Instant::now());
        let progress = Arc::new(Progress::default());
        let clock = Arc::new(WriteClock::default());
        let machine = Looking {
            applied: SnapshotMark::default(),
            clock: Arc::clone(&clock),
            progress: progress.clone(),
            answered,
        };
        let mut thread = thread_of(machine, work, events, waiters);
        let apply = |thread: &mut ApplyThread<Looking>, index: u64| {
            clock.during(|| thread.apply(vec![Entry { index, ..Entry::default() }], &mut VecDeque::new())).unwrap();
        };
        apply(&mut thread, 1);
        assert_eq!(progress.applied(0), Some(1));
        assert!(told.try_recv().is_err(), "nobody waits for it");
        progress.want(true);
        apply(&mut thread, 2);
        assert!(matches!(told.try_recv(), Ok(Event::Applied)));
        let mark = SnapshotMark { index: 9, ..SnapshotMark::default() };
        thread.install(FetchedState { directory: std::path::PathBuf::new(), mark }).unwrap();
        apply(&mut thread, 10);
        assert_eq!(progress.applied(0), None, "it stands on a state that was not heard of");
        assert_eq!(progress.applied(1), Some(10));
    }

    #[test]
    fn a_state_that_is_ahead_of_its_log_knows_its_membership_itself() {
        let ahead = SnapshotMark { index: 5, term: 2, conf_state: Some(conf(1)) };
        assert_eq!(Memberships::of(&ahead, &conf(2)).at(6).0, conf(1).encode_to_vec());
        assert_eq!(Memberships::of(&SnapshotMark::default(), &conf(2)).at(1).0, conf(2).encode_to_vec());
    }

    #[test]
    fn a_membership_holds_from_its_entry_to_the_next_ones() {
        let mut known = Memberships::new(5, &conf(1));
        known.learn(&[(8, conf(2)), (20, conf(3))]);
        assert_eq!(known.at(6), (&conf(1).encode_to_vec()[..], 8));
        assert_eq!(known.at(8), (&conf(2).encode_to_vec()[..], 20));
        known.forget_below(19);
        assert_eq!(known.at(19), (&conf(2).encode_to_vec()[..], 20));
        assert_eq!(known.at(25), (&conf(3).encode_to_vec()[..], u64::MAX));
    }
}
