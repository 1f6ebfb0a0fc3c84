//! The stream of Raft's frames to each peer: kept up, merged on the way out, and its loss reported at once.
//!
//! Never waits for a peer on behalf of the caller: a frame that cannot be queued is dropped, and Raft sends it again.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use chassis::tasks::Tasks;
use consensus::{RaftId, Transport};
use ocs_proto::peer::PeerFrame;
use prost::Message;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, transport::Channel};

use super::{
    FRAME_BYTES_MAX, PeerHandler,
    dial::{self, Backoff, DialError, Dialer},
    guard::{Own, number},
    queue::Queue,
    repeats::Repeats,
    spawn_vital,
    text::with_cause,
};

const QUEUE_FRAMES_MAX: usize = 1024;
const QUEUE_BYTES_MAX: usize = 64 << 20;
/// Pause before the next attempt with a peer that hears another process under this node's name.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);
/// Bytes that signing may add to a head.
const HEAD_BYTES_MAX: usize = 256;
/// Bytes of a message's key and length in a frame, at most.
const MESSAGE_FRAMING_BYTES: usize = 11;

/// The way to the other nodes: a queue to each. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PeerTransport {
    lanes: Arc<HashMap<u16, Lane>>,
}

#[derive(Debug)]
struct Lane {
    queue: mpsc::Sender<Queued>,
    connected: watch::Receiver<bool>,
    bytes: Arc<AtomicUsize>,
}

/// A waiting frame, and its share of the queue's bytes.
#[derive(Debug)]
struct Queued {
    frame: PeerFrame,
    bytes: usize,
    all: Arc<AtomicUsize>,
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl Transport for PeerTransport {
    fn send(&self, to: RaftId, frame: PeerFrame) {
        if let Some(lane) = self.lanes.get(&number(to)) {
            lane.send(frame);
        }
    }
}

impl Lane {
    /// Queues a frame, a frame too large for a message in pieces, or drops the frame: without a connection, or with too many bytes
    /// waiting.
    fn send(&self, frame: PeerFrame) {
        if !*self.connected.borrow() {
            return;
        }
        match frame.encoded_len() {
            bytes if bytes <= FRAME_BYTES_MAX - HEAD_BYTES_MAX => self.queue(frame, bytes),
            _ => pieces(frame).into_iter().for_each(|piece| self.queue_piece(piece)),
        }
    }

    fn queue_piece(&self, piece: PeerFrame) {
        let bytes = piece.encoded_len();
        self.queue(piece, bytes);
    }

    fn queue(&self, frame: PeerFrame, bytes: usize) {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let queued = Queued { frame, bytes, all: Arc::clone(&self.bytes) };
        if before + bytes <= QUEUE_BYTES_MAX {
            // Full: dropped, as the trait allows.
            drop(self.queue.try_send(queued));
        }
    }
}

/// The frame in pieces that a message has room for, in order; a piece has at least one message. A leader that finds a follower far
/// behind sends everything that may be in flight at once. Only the first piece has the question and the answer about a start.
fn pieces(mut frame: PeerFrame) -> Vec<PeerFrame> {
    let messages = std::mem::take(&mut frame.messages);
    let next = PeerFrame { head: frame.head.clone(), ..PeerFrame::default() };
    let mut bytes = frame.encoded_len();
    let mut pieces = vec![frame];
    for message in messages {
        bytes += message.encoded_len() + MESSAGE_FRAMING_BYTES;
        let mut piece = pieces.pop().unwrap_or_default();
        if bytes > FRAME_BYTES_MAX - HEAD_BYTES_MAX && !piece.messages.is_empty() {
            pieces.push(piece);
            piece = next.clone();
            bytes = piece.encoded_len() + message.encoded_len() + MESSAGE_FRAMING_BYTES;
        }
        piece.messages.push(message);
        pieces.push(piece);
    }
    pieces
}

/// Starts a stream to every peer.
pub(super) fn start<H: PeerHandler>(
    dialers: &HashMap<u16, Arc<Dialer>>,
    own: &Arc<Own>,
    handler: &Arc<H>,
    tasks: &Tasks,
) -> (PeerTransport, HashMap<u16, watch::Receiver<bool>>) {
    let mut lanes = HashMap::new();
    for (number, dialer) in dialers {
        let (queue, waiting) = mpsc::channel(QUEUE_FRAMES_MAX);
        let (connected, watched) = watch::channel(false);
        let link = Link {
            dialer: Arc::clone(dialer),
            own: Arc::clone(own),
            handler: Arc::clone(handler),
            queue: Queue::new(waiting, |queued: &Queued| queued.bytes),
            connected,
            stopping: tasks.stopping(),
        };
        spawn_vital(tasks, "frames to a peer", link.run());
        lanes.insert(*number, Lane { queue, connected: watched, bytes: Arc::default() });
    }
    let connected = lanes.iter().map(|(number, lane)| (*number, lane.connected.clone())).collect();
    (PeerTransport { lanes: Arc::new(lanes) }, connected)
}

struct Link<H> {
    dialer: Arc<Dialer>,
    own: Arc<Own>,
    handler: Arc<H>,
    queue: Queue<Queued>,
    connected: watch::Sender<bool>,
    stopping: CancellationToken,
}

impl<H: PeerHandler> Link<H> {
    async fn run(self) {
        tokio::select! {
            () = self.stopping.cancelled() => {}
            () = self.keep() => {}
        }
        self.connected.send_replace(false);
    }

    async fn keep(&self) {
        let mut outage = Outage::before_first_connection();
        let mut unheard = Unheard::default();
        loop {
            let channel = self.reach(&mut outage).await;
            self.send_until_lost(channel, &mut unheard).await;
            if let Some(pause) = unheard.pause() {
                tokio::time::sleep(pause).await;
            }
            outage = Outage::after_loss();
        }
    }

    /// Dials until the peer answers, and reports a loss as soon as the first attempt shows its kind.
    async fn reach(&self, outage: &mut Outage) -> Channel {
        let mut backoff = Backoff::default();
        loop {
            let dialled = self.dialer.dial().await;
            let refused = matches!(dialled, Err(DialError::Refused));
            if let Some(refused) = outage.tell(refused) {
                self.handler.on_lost(self.dialer.peer.raft_id, refused);
            }
            match dialled {
                Ok(channel) => return channel,
                Err(error) => outage.log(&self.dialer, &error),
            }
            self.dialer.pause(backoff.next()).await;
        }
    }

    /// Sends queued frames until either side ends the stream. `unheard`: the peer's refusals of the streams before.
    async fn send_until_lost(&self, channel: Channel, unheard: &mut Unheard) {
        let peer = &self.dialer.peer;
        drop(self.queue.end_session()); // stale: Raft has long sent it again
        let own = Arc::clone(&self.own);
        let frames = self.queue.session(FRAME_BYTES_MAX - HEAD_BYTES_MAX, move |batch| merge(batch, &own));
        self.connected.send_replace(true);
        if unheard.refusal.is_none() {
            tracing::info!(peer = peer.name, address = peer.address, "connected to peer");
        }
        let ended = dial::client(channel).frames(frames).await;
        self.connected.send_replace(false);
        drop(self.queue.end_session());
        let news = unheard.note(ended.as_ref().err(), Instant::now());
        match ended {
            Err(_) if !news => {}
            Err(status) if unheard.refusal == Some(Refusal::Twin) => {
                tracing::error!(peer = peer.name, "the peer does not hear this process: {}", status.message());
            }
            Ok(_) => tracing::info!(peer = peer.name, "the peer ended the stream"),
            Err(status) => tracing::warn!(peer = peer.name, "lost the stream to the peer: {}", with_cause(&status)),
        }
    }
}

/// Why a peer that answers does not take this node's frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// The peer hears another process under this node's name.
    Twin,
    /// The peer refuses the content of the frames: the two configurations differ.
    Content,
}

/// Streams that a peer refuses one after the other, while its reason stays the same.
#[derive(Debug, Default)]
struct Unheard {
    /// The refusal that ended the last stream; none: another end.
    refusal: Option<Refusal>,
    repeats: Repeats,
    backoff: Backoff,
}

impl Unheard {
    /// Notes how a stream ended; true: a log line is due.
    fn note(&mut self, fault: Option<&Status>, now: Instant) -> bool {
        let told = self.refusal;
        self.refusal = fault.and_then(|status| refusal(status.code()));
        match (self.refusal, fault) {
            (Some(Refusal::Twin), _) => told != self.refusal,
            (Some(Refusal::Content), Some(status)) => self.repeats.is_news(status.message(), now),
            _ => {
                self.backoff = Backoff::default();
                true
            }
        }
    }

    /// How long to wait before the next stream.
    fn pause(&mut self) -> Option<Duration> {
        match self.refusal? {
            Refusal::Twin => Some(REFUSED_PAUSE),
            Refusal::Content => Some(self.backoff.next()),
        }
    }
}

fn refusal(code: Code) -> Option<Refusal> {
    match code {
        Code::AlreadyExists => Some(Refusal::Twin),
        Code::PermissionDenied | Code::InvalidArgument | Code::FailedPrecondition => Some(Refusal::Content),
        _ => None,
    }
}

/// One frame of all messages, in order, under the newest head.
fn merge(batch: Vec<Queued>, own: &Own) -> PeerFrame {
    let mut merged = PeerFrame::default();
    for mut queued in batch {
        let frame = std::mem::take(&mut queued.frame);
        join(&mut merged, frame);
    }
    own.sign(merged.head.get_or_insert_default());
    merged
}

/// Fields that only some frames carry survive a later frame: the question and the answer about a start, and the leader's
/// evidence.
fn join(merged: &mut PeerFrame, frame: PeerFrame) {
    let evidence = merged.head.take().map(|head| head.evidence).unwrap_or_default();
    merged.messages.extend(frame.messages);
    merged.head = frame.head;
    if let Some(head) = merged.head.as_mut().filter(|head| head.evidence.is_empty()) {
        head.evidence = evidence;
    }
    merged.start_check = frame.start_check.or(merged.start_check.take());
    merged.start_answer = frame.start_answer.or(merged.start_answer.take());
}

/// The reports about a time without a connection.
#[derive(Debug)]
struct Outage {
    /// There was a stream before, so that its loss is news.
    lost: bool,
    told: bool,
    told_refused: bool,
    began: Instant,
    /// The last logged reason, and whether as a warning.
    logged: Option<(String, bool)>,
}

/// Nodes of a group start one after the other: for this long a peer never reached is no cause for a warning.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// A peer that restarts, or is replaced, is back within this time.
const RESTART_PATIENCE: Duration = Duration::from_secs(3);

impl Outage {
    fn before_first_connection() -> Self {
        Self { lost: false, told: false, told_refused: false, began: Instant::now(), logged: None }
    }

    fn after_loss() -> Self {
        Self { lost: true, ..Self::before_first_connection() }
    }

    /// After each attempt: the first attempt of a loss is reported with its result, a refusal once, even a later one.
    fn tell(&mut self, refused: bool) -> Option<bool> {
        let news = self.lost && (!self.told || (refused && !self.told_refused));
        self.told = true;
        self.told_refused |= refused;
        news.then_some(refused)
    }

    /// One line for each reason, not for each attempt; a warning once the outage lasts.
    fn log(&mut self, dialer: &Dialer, error: &DialError) {
        let (peer, address, reason) = (&dialer.peer.name, &dialer.peer.address, error.to_string());
        match self.line(&reason, self.began.elapsed()) {
            Some(true) => tracing::warn!(peer, address, reason, "cannot reach the peer"),
            Some(false) => tracing::info!(peer, address, reason, "cannot reach the peer yet"),
            None => {}
        }
    }

    /// The log line for this failure after so long, and whether as a warning; none: no line.
    fn line(&mut self, reason: &str, lasted: Duration) -> Option<bool> {
        let warns = lasted >= if self.lost { RESTART_PATIENCE } else { START_PATIENCE };
        let news = self.logged.as_ref().is_none_or(|(known, warned)| known != reason || warns && !warned);
        if news {
            self.logged = Some((reason.to_owned(), warns));
        }
        news.then_some(warns)
    }
}

#[cfg(test)]
mod tests {
    use ocs_proto::peer::{Head, RaftMessage, StartCheck, VoterEvidence};

    use super::*;

    #[test]
    fn a_frame_too_large_for_a_message_goes_out_in_pieces_in_order() {
        let head = Some(Head { term: 7, ..Head::default() });
        let start_check = Some(StartCheck::default());
        let message = |index, bytes| RaftMessage { index, context: vec![0; bytes].into(), ..RaftMessage::default() };
        let sizes = [1, FRAME_BYTES_MAX / 2, FRAME_BYTES_MAX / 2, 2 * FRAME_BYTES_MAX, 1, 1];
        let messages = (1..).zip(sizes).map(|(index, bytes)| message(index, bytes)).collect();
        let frame = PeerFrame { head: head.clone(), messages, start_check, ..PeerFrame::default() };
        let pieces = pieces(frame);
        let indexes = |piece: &PeerFrame| piece.messages.iter().map(|message| message.index).collect::<Vec<_>>();
        assert_eq!(pieces.iter().map(indexes).collect::<Vec<_>>(), [vec![1, 2], vec![3], vec![4], vec![5, 6]]);
        assert!(pieces.iter().all(|piece| piece.head == head));
        assert_eq!(
            pieces.iter().map(|piece| piece.start_check.is_some()).collect::<Vec<_>>(),
            [true, false, false, false]
        );
        let room = FRAME_BYTES_MAX - HEAD_BYTES_MAX;
        assert!(pieces.iter().all(|piece| piece.messages.len() == 1 || piece.encoded_len() <= room));
    }

    #[test]
    fn a_question_about_a_start_and_the_evidence_are_not_lost_to_a_later_frame() {
        let evidence = vec![VoterEvidence { id: 2, ..VoterEvidence::default() }];
        let mut merged = PeerFrame::default();
        let head = |term, evidence| Some(Head { term, evidence, ..Head::default() });
        join(
            &mut merged,
            PeerFrame { head: head(1, evidence), start_check: Some(StartCheck::default()), ..PeerFrame::default() },
        );
        join(&mut merged, PeerFrame { head: head(2, Vec::new()), ..PeerFrame::default() });
        let told = merged.head.unwrap();
        assert_eq!((told.term, told.evidence.len(), merged.start_check.is_some()), (2, 1, true));
    }

    #[test]
    fn a_loss_is_told_once_and_a_refusal_even_if_it_comes_to_light_later() {
        let mut outage = Outage::after_loss();
        assert_eq!(outage.tell(false), Some(false));
        assert_eq!(outage.tell(false), None);
        assert_eq!(outage.tell(true), Some(true));
        assert_eq!(outage.tell(true), None);
        assert_eq!(Outage::after_loss().tell(true), Some(true));
    }

    #[test]
    fn an_outage_is_a_warning_once_it_lasts_and_one_line_for_each_reason() {
        let seconds = Duration::from_secs;
        let mut start = Outage::before_first_connection();
        assert_eq!(start.line("refused", seconds(0)), Some(false), "a healthy start has no warning");
        assert_eq!(start.line("refused", seconds(9)), None);
        assert_eq!(start.line("refused", seconds(10)), Some(true));
        assert_eq!(start.line("refused", seconds(60)), None);
        assert_eq!(start.line("no route", seconds(61)), Some(true));
        let mut loss = Outage::after_loss();
        assert_eq!(loss.line("refused", seconds(1)), Some(false), "a replacement takes a moment");
        assert_eq!(loss.line("refused", seconds(3)), Some(true));
    }

    #[test]
    fn a_peer_that_refuses_every_stream_is_told_of_once_a_minute_and_asked_ever_more_rarely() {
        let (mut unheard, start) = (Unheard::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let other_order = Status::permission_denied("the nodes stand in another order");
        let told: Vec<bool> = (0..60).map(|second| unheard.note(Some(&other_order), at(second))).collect();
        assert_eq!(told.iter().filter(|told| **told).count(), 1);
        assert!(unheard.note(Some(&other_order), at(60)), "again after a minute");
        assert!(unheard.note(Some(&Status::permission_denied("another certificate")), at(61)), "another reason");
        let pauses: Vec<Duration> = (0..40).filter_map(|_| unheard.pause()).collect();
        assert!(pauses.len() == 40 && pauses[39] > Duration::from_millis(700), "{pauses:?}");

        assert!(unheard.note(Some(&Status::unavailable("broken pipe")), at(62)), "a stream that breaks is no refusal");
        assert_eq!(unheard.pause(), None);
        let twin = Status::already_exists("two processes have one identity");
        assert_eq!([unheard.note(Some(&twin), at(63)), unheard.note(Some(&twin), at(200))], [true, false]);
        assert_eq!(unheard.pause(), Some(REFUSED_PAUSE));
        assert!(unheard.note(None, at(201)), "the end of a stream that was heard");
    }

    #[test]
    fn a_peer_that_was_never_there_is_not_lost() {
        let mut outage = Outage::before_first_connection();
        assert_eq!(outage.tell(true), None);
        assert_eq!(outage.tell(false), None);
    }
}
