//! The log's thread: makes the core's writes durable, one fdatasync for all queued writes.
//!
//! Calls fdatasync (through `raft-log`); no other thread blocks on it. Called by the driver.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ocs_proto::peer::{PeerFrame, RaftMessage, SnapshotMark};
use raft_log::{Batch, Disk, Lack, Log, LogError};

use crate::{
    Observer, RaftId, Transport,
    core::Write,
    event::Event,
    evidence::{Evidence, EvidenceFile},
    write_clock::WriteClock,
};

/// Bytes of entries written with one fdatasync.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How often a write is tried again while the disk is full.
const ROOM_RETRY: Duration = Duration::from_millis(250);

/// Jobs of the log's thread, in order.
#[derive(Debug)]
pub(crate) enum Job {
    /// Write, sync, send the frames, report.
    Write(Box<Write>, Promises),
    /// Forget everything up to the mark.
    Compact(SnapshotMark),
    /// Finish the queued jobs, and end.
    Stop,
}

/// Frames with promises to peers, sent once something is durable here. The log's thread sends them itself: a detour through the
/// driver's loop would wait for that thread's turn.
pub(crate) type Promises = Vec<(RaftId, PeerFrame)>;

/// The thread's state.
pub(crate) struct LogThread<D: Disk, I, R> {
    pub(crate) log: Log<D>,
    pub(crate) jobs: Receiver<Job>,
    pub(crate) events: Sender<Event<I, R>>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) observer: Arc<dyn Observer>,
    /// Whether the disk has more than its reserve left.
    pub(crate) room: Arc<AtomicBool>,
    /// Where the evidence of votes goes; none: starts are not witnessed.
    pub(crate) evidence: Option<SharedEvidence<D>>,
    /// Runs while this thread works, but not while the log waits for room.
    pub(crate) clock: Arc<WriteClock>,
}

/// The file of evidence, which the log's thread and the evidence thread write.
pub(crate) type SharedEvidence<D> = Arc<Mutex<EvidenceFile<<D as Disk>::File>>>;

/// Makes a table of evidence durable.
pub(crate) fn write_evidence<D: Disk>(file: &SharedEvidence<D>, evidence: &Evidence) -> Result<(), LogError> {
    let written = file.lock().unwrap_or_else(PoisonError::into_inner).write(evidence);
    written.map_err(|source| LogError::Io { action: "write", file: "evidence".to_owned(), source })
}

/// Writes that became one: one batch, one fdatasync. Public for the simulator, whose disk queues as this thread does.
#[derive(Debug)]
pub struct Merged {
    /// Number of the last write.
    pub number: u64,
    /// The batch to write.
    pub batch: Batch,
    /// To be sent once the batch is durable.
    pub then: Vec<RaftMessage>,
    /// To be made durable before that.
    pub evidence: Option<Evidence>,
    bytes: usize,
}

impl<D: Disk, I, R> LogThread<D, I, R> {
    /// Runs until told to stop.
    ///
    /// # Errors
    /// The disk failed: the process must end, nothing of the batch is acknowledged (R6 durable-before-acknowledged).
    pub(crate) fn run(mut self) -> Result<(), LogError> {
        let clock = Arc::clone(&self.clock);
        while let Ok(job) = self.jobs.recv() {
            let queued: Vec<Job> = std::iter::once(job).chain(self.jobs.try_iter()).collect();
            if !clock.turn(queued.len(), || self.run_all(queued))? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// False: a stop was among the jobs.
    fn run_all(&mut self, jobs: Vec<Job>) -> Result<bool, LogError> {
        let mut merged: Option<Merged> = None;
        let mut promises = Promises::new();
        for job in jobs {
            match job {
                Job::Write(write, then) => {
                    match &mut merged {
                        Some(open) if open.joins(&write) => open.join(*write),
                        _ => {
                            let full = merged.replace(Merged::of(*write));
                            self.flush(full, &mut promises)?;
                        }
                    }
                    promises.extend(then);
                }
                Job::Compact(mark) => {
                    self.flush(merged.take(), &mut promises)?;
                    self.compact(mark)?;
                }
                Job::Stop => {
                    self.flush(merged.take(), &mut promises)?;
                    return Ok(false);
                }
            }
        }
        self.flush(merged, &mut promises)?;
        Ok(true)
    }

    /// Makes the writes durable, then sends the promises.
    fn flush(&mut self, merged: Option<Merged>, promises: &mut Promises) -> Result<(), LogError> {
        let Some(merged) = merged else { return Ok(()) };
        if !merged.is_empty() {
            self.append(&merged.batch)?;
            self.clock.part_done();
        }
        if let (Some(file), Some(evidence)) = (&self.evidence, &merged.evidence) {
            write_evidence::<D>(file, evidence)?;
            self.clock.part_done();
        }
        for (to, mut frame) in together(std::mem::take(promises)) {
            if let Some(head) = &mut frame.head {
                head.wall_clock_us = wall_clock_us();
                head.oldest_write_ms = 0; // the write that was late has ended
            }
            self.transport.send(to, frame);
        }
        let _ = self.events.send(Event::Written { number: merged.number, log_bytes: self.log.bytes() });
        Ok(())
    }

    /// Waits while the disk is full, or while no descriptors are left. This node acknowledges nothing meanwhile, and the log goes
    /// on by itself once there is room.
    fn append(&mut self, batch: &Batch) -> Result<(), LogError> {
        let mut lacked = None;
        loop {
            let begun = Instant::now();
            match self.append_if_room(batch) {
                Ok(()) => {
                    self.observer.fdatasync(begun.elapsed().as_secs_f64());
                    break;
                }
                Err(LogError::NoRoom { lack, .. }) => {
                    if lacked.is_none() {
                        let _ = self.events.send(Event::NoRoom(true));
                    }
                    if lacked.replace(lack) != Some(lack) {
                        self.tell_lack(lack);
                    }
                    self.clock.excused(|| std::thread::sleep(ROOM_RETRY));
                }
                Err(fault) => return Err(fault),
            }
        }
        if lacked.is_some() {
            tracing::info!("the log has room again");
            let _ = self.events.send(Event::NoRoom(false));
        }
        Ok(())
    }

    /// The watcher of the disk has told of a reserve that is touched.
    fn tell_lack(&self, lack: Lack) {
        if lack == Lack::Disk && !self.room.load(Ordering::Relaxed) {
            tracing::info!("the log waits for room: {lack}");
        } else {
            tracing::error!("the log waits for room, and this node acknowledges no updates meanwhile: {lack}");
        }
    }

    /// With less than the reserve left the log writes nothing: the rest is for making room (architecture, What loses what).
    fn append_if_room(&mut self, batch: &Batch) -> Result<(), LogError> {
        if self.room.load(Ordering::Relaxed) {
            self.log.append(batch)
        } else {
            Err(LogError::NoRoom { bytes: 0, lack: Lack::Disk })
        }
    }

    fn compact(&mut self, mark: SnapshotMark) -> Result<(), LogError> {
        let compacted = self.log.compact(mark.clone());
        self.clock.part_done();
        match compacted {
            Ok(_) => {
                let _ = self.events.send(Event::Compacted { mark, log_bytes: self.log.bytes() });
                Ok(())
            }
            Err(LogError::NoRoom { .. }) => {
                let _ = self.events.send(Event::NotCompacted); // the driver asks again
                Ok(())
            }
            Err(fault) => Err(fault),
        }
    }
}

impl Merged {
    /// Of one write.
    pub fn of(write: Write) -> Self {
        let bytes = weigh(&write.batch);
        Self { number: write.number, batch: write.batch, then: write.then, evidence: write.evidence, bytes }
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Whether a later write continues this one: no snapshot, and its entries follow on.
    pub fn joins(&self, write: &Write) -> bool {
        let follows = match (self.batch.entries.last(), write.batch.entries.first()) {
            (Some(last), Some(first)) => first.index == last.index + 1,
            _ => true,
        };
        let no_membership = self.batch.conf_state.is_none() && write.batch.conf_state.is_none();
        write.batch.reset.is_none() && follows && no_membership && self.bytes < BATCH_BYTES_MAX
    }

    /// Takes a write in that [`Merged::joins`].
    pub fn join(&mut self, write: Write) {
        self.bytes += weigh(&write.batch);
        self.number = write.number;
        self.batch.entries.extend(write.batch.entries);
        self.batch.hard_state = write.batch.hard_state.or(self.batch.hard_state);
        self.then.extend(write.then);
        self.evidence = write.evidence.or(self.evidence.take());
    }
}

/// One frame for each peer, under the newest head.
fn together(promises: Promises) -> Promises {
    let mut joined = Promises::new();
    for (to, frame) in promises {
        match joined.iter_mut().find(|(known, _)| *known == to) {
            Some((_, open)) => {
                open.head = frame.head;
                open.messages.extend(frame.messages);
            }
            None => joined.push((to, frame)),
        }
    }
    joined
}

fn weigh(batch: &Batch) -> usize {
    batch.entries.iter().map(|entry| entry.data.len() + 64).sum()
}

/// Microseconds since 1970, by this machine's clock.
pub(crate) fn wall_clock_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

#[cfg(test)]
mod tests {
    use ocs_proto::peer::Entry;

    use std::sync::Mutex;

    use ocs_proto::peer::Head;
    use raft_log::{HardState, LogConfig, MemDisk};

    use super::*;
    use crate::write_clock::Queue;

    type Sent = Arc<Mutex<Promises>>;

    /// A wire on which frames stay.
    #[derive(Default)]
    struct Wire(Sent);

    impl Transport for Wire {
        fn send(&self, to: RaftId, frame: PeerFrame) {
            self.0.lock().unwrap().push((to, frame));
        }
    }

    fn entry(index: u64, bytes: usize) -> Entry {
        Entry { kind: 0, term: 1, index, data: vec![1; bytes].into(), context: Vec::new().into() }
    }

    /// A log whose segment is full to the last byte, on a disk without room for another one.
    fn full(disk: &MemDisk) -> Log<MemDisk> {
        let config = LogConfig { cluster: [9; 16], node: 0, segment_bytes: 64 * 1024, prepare_ahead: false };
        let mut log = Log::create(disk.clone(), config, SnapshotMark::default(), HardState::default()).unwrap();
        disk.set_capacity(Some(disk.used()));
        let mut index = 1;
        for bytes in [256, 16] {
            while log.append(&Batch { entries: vec![entry(index, bytes)], ..Batch::default() }).is_ok() {
                index += 1;
            }
        }
        for index in 1..log.last_index() {
            if log.compact(SnapshotMark { index, term: 1, conf_state: None }).is_err() {
                return log;
            }
        }
        panic!("the segment's reserve is larger than this test thought");
    }

    #[test]
    fn a_log_that_has_no_room_to_forget_says_so_and_can_be_asked_again() {
        let disk = MemDisk::new();
        let log = full(&disk);
        let last = log.last_index();
        let (jobs, queue) = std::sync::mpsc::channel();
        let (events, told) = std::sync::mpsc::channel::<Event<u64, ()>>();
        let room = Arc::new(AtomicBool::new(true));
        let transport = Arc::new(Wire::default());
        let (observer, evidence, clock) = (Arc::new(()), None, Arc::default());
        let thread = LogThread { log, jobs: queue, events, transport, observer, room, evidence, clock };
        jobs.send(Job::Compact(SnapshotMark { index: last, term: 1, conf_state: None })).unwrap();
        jobs.send(Job::Stop).unwrap();
        thread.run().unwrap();
        assert!(matches!(told.try_recv(), Ok(Event::NotCompacted)));
    }

    /// Two writes that queued, each with a promise to peer 1, on a disk that works or does not.
    fn promised(sync_fails: bool) -> (Result<(), LogError>, Promises) {
        let disk = MemDisk::new();
        let config = LogConfig { cluster: [9; 16], node: 0, segment_bytes: 64 * 1024, prepare_ahead: false };
        let log = Log::create(disk.clone(), config, SnapshotMark::default(), HardState::default()).unwrap();
        let (jobs, queue) = std::sync::mpsc::channel();
        let (events, _told) = std::sync::mpsc::channel::<Event<u64, ()>>();
        let (sent, room) = (Sent::default(), Arc::new(AtomicBool::new(true)));
        let transport = Arc::new(Wire(Arc::clone(&sent)));
        let (observer, evidence, clock) = (Arc::new(()), None, Arc::default());
        let thread = LogThread { log, jobs: queue, events, transport, observer, room, evidence, clock };
        for index in 1..=2 {
            let batch = Batch { entries: vec![entry(index, 8)], ..Batch::default() };
            let head = Head { applied: index, ..Head::default() };
            let frame = PeerFrame {
                head: Some(head),
                messages: vec![RaftMessage { index, ..RaftMessage::default() }],
                ..PeerFrame::default()
            };
            jobs.send(Job::Write(
                Box::new(Write { number: index, batch, then: Vec::new(), evidence: None }),
                vec![(1, frame)],
            ))
            .unwrap();
        }
        jobs.send(Job::Stop).unwrap();
        if sync_fails {
            disk.fail_next_sync();
        }
        let ran = thread.run();
        let sent = sent.lock().unwrap().drain(..).collect();
        (ran, sent)
    }

    #[test]
    fn what_was_promised_leaves_as_one_frame_once_all_of_it_is_durable() {
        let (ran, sent) = promised(false);
        ran.unwrap();
        let [(1, frame)] = &sent[..] else { panic!("{sent:?}") };
        assert_eq!(frame.messages.iter().map(|message| message.index).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(frame.head.as_ref().unwrap().applied, 2);
        assert!(frame.head.as_ref().unwrap().wall_clock_us > 0);
    }

    #[test]
    fn a_write_waits_from_its_sending_until_the_log_has_done_all_of_its_turn() {
        let config = LogConfig { cluster: [9; 16], node: 0, segment_bytes: 64 * 1024, prepare_ahead: false };
        let log = Log::create(MemDisk::new(), config, SnapshotMark::default(), HardState::default()).unwrap();
        let (sender, jobs) = std::sync::mpsc::channel();
        let (events, _told) = std::sync::mpsc::channel::<Event<u64, ()>>();
        let (transport, room) = (Arc::new(Wire::default()), Arc::new(AtomicBool::new(true)));
        let (observer, evidence, clock) = (Arc::new(()), None, Arc::new(WriteClock::default()));
        let queue = Queue::new(sender, &clock);
        let thread = LogThread { log, jobs, events, transport, observer, room, evidence, clock: Arc::clone(&clock) };
        for number in 1..=2 {
            let batch = Batch { entries: vec![entry(number, 8)], ..Batch::default() };
            let write = Write { number, batch, then: Vec::new(), evidence: None };
            queue.send(Job::Write(Box::new(write), Promises::new()));
        }
        queue.send(Job::Compact(SnapshotMark { index: 1, term: 1, conf_state: None }));
        queue.send(Job::Stop);
        assert_eq!(clock.left_waiting(), Some(0));
        thread.run().unwrap();
        assert_eq!(clock.left_waiting(), None);
    }

    #[test]
    fn nothing_is_promised_after_a_sync_that_failed() {
        let (ran, sent) = promised(true);
        assert!(ran.is_err() && sent.is_empty(), "{ran:?} {sent:?}");
    }
}
