//! The socket as hyper sees it: follows the framing of incoming bytes, times out a client that sends no head or takes no answer,
//! and replaces hyper's own bare answers by answers with the usual body and headers (spec 6).
//!
//! Never changes a byte of a request or of an answer of ours. Called by the connections of `listen`; `serve` reads what the
//! guard has seen of its connection.

mod framing;

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

use framing::Framing;

/// Time limits for a client between its requests and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    /// From the first byte of a head to its last.
    pub(crate) head: Duration,
    /// From an answer to the first byte of the next head.
    pub(crate) idle: Duration,
    /// From the first byte of an answer that the client does not take to the last.
    pub(crate) write: Duration,
}

/// A limit of [`Patience`] that a client exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exceeded {
    Head,
    Idle,
    Write,
}

/// The guard's observations, for the service of the same connection.
#[derive(Debug)]
pub(crate) struct HeadCounts {
    /// First message that must be refused, counted from 1.
    ambiguous: AtomicU64,
    /// Heads that have arrived whole.
    arrived: AtomicU64,
    /// Heads that hyper has handed to the service.
    served: AtomicU64,
    /// A head has begun to arrive and is not complete.
    in_head: AtomicBool,
    /// The client will send nothing more.
    ended: AtomicBool,
    /// An answer was given before the request was read to its end.
    cut_short: AtomicBool,
    /// The preface of HTTP/2 has arrived.
    http2: AtomicBool,
    /// A bare answer of hyper was replaced, so that the connection has had its last answer.
    answered_in_place: AtomicBool,
    exceeded: OnceLock<Exceeded>,
    /// Why the connection is served no further than its first request, which is refused.
    turned_away: Option<&'static str>,
}

impl HeadCounts {
    pub(crate) fn new(turned_away: Option<&'static str>) -> Self {
        Self {
            turned_away,
            ambiguous: AtomicU64::new(u64::MAX),
            arrived: AtomicU64::new(0),
            served: AtomicU64::new(0),
            in_head: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            cut_short: AtomicBool::new(false),
            http2: AtomicBool::new(false),
            answered_in_place: AtomicBool::new(false),
            exceeded: OnceLock::new(),
        }
    }

    /// Counts the next request of the connection. True if the head of this request, or an earlier message, is ambiguous, or if hyper
    /// has found a request where the guard has not.
    pub(crate) fn is_ambiguous(&self) -> bool {
        let number = self.served.fetch_add(1, Ordering::Relaxed) + 1;
        number >= self.ambiguous.load(Ordering::Relaxed) || number > self.arrived.load(Ordering::Relaxed)
    }

    /// Whether the request that was counted last, whose body has been read, has an ambiguous body.
    pub(crate) fn has_ambiguous_body(&self) -> bool {
        self.served.load(Ordering::Relaxed) >= self.ambiguous.load(Ordering::Relaxed)
    }

    /// Whether any message of the connection is ambiguous.
    pub(crate) fn found_ambiguous(&self) -> bool {
        self.ambiguous.load(Ordering::Relaxed) != u64::MAX
    }

    /// Whether the client speaks HTTP/2, for which hyper has no answer.
    pub(crate) fn is_http2(&self) -> bool {
        self.http2.load(Ordering::Relaxed)
    }

    /// Whether the connection has had an answer in place of a bare one of hyper, which is the last answer of a connection.
    pub(crate) fn was_answered_in_place(&self) -> bool {
        self.answered_in_place.load(Ordering::Relaxed)
    }

    /// The limit that ended the connection; none: another end.
    pub(crate) fn exceeded(&self) -> Option<Exceeded> {
        self.exceeded.get().copied()
    }

    /// Why the connection exceeds a limit and ends after its first answer; none: the connection is served.
    pub(crate) fn turned_away(&self) -> Option<&'static str> {
        self.turned_away
    }

    /// Remembers that part of a request is left unread.
    pub(crate) fn cut_short(&self) {
        self.cut_short.store(true, Ordering::Relaxed);
    }

    pub(crate) fn was_cut_short(&self) -> bool {
        self.cut_short.load(Ordering::Relaxed)
    }

    pub(crate) fn served_any(&self) -> bool {
        self.served.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn in_head(&self) -> bool {
        self.in_head.load(Ordering::Relaxed)
    }

    pub(crate) fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }
}

/// Builds the answer that replaces a bare answer of this status.
pub(crate) type InPlaceOf = Box<dyn Fn(u16) -> Vec<u8> + Send>;

/// The status of hyper's own answer to a head that hyper refuses: an error without a body. Errors of HTTP Proxy always have a
/// body.
fn bare_status(bytes: &[u8]) -> Option<u16> {
    let status = match bytes.get(..13)? {
        b"HTTP/1.1 400 " => 400,
        b"HTTP/1.1 414 " => 414,
        b"HTTP/1.1 431 " => 431,
        _ => return None,
    };
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
    let mut lines = bytes[..end].split(|byte| *byte == b'\n');
    lines.any(|line| line.trim_ascii().eq_ignore_ascii_case(b"content-length: 0")).then_some(status)
}

/// A socket with its guard.
pub(crate) struct Guarded<S> {
    socket: S,
    framing: Framing,
    seen: Arc<HeadCounts>,
    patience: Patience,
    /// The timer of the head, or of the pause, that is under way.
    awaited: Option<Awaited>,
    until: Pin<Box<Sleep>>,
    /// Runs from a write that the client did not take until everything is written.
    stalled: Option<Pin<Box<Sleep>>>,
    in_place_of: InPlaceOf,
    /// The replacement of a bare answer, and its bytes sent so far.
    replacing: Option<(Vec<u8>, usize)>,
}

/// Bytes that a client owes: a head, or the pause before it, and the number of heads before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Awaited {
    in_head: bool,
    heads: u64,
}

impl<S> Guarded<S> {
    pub(crate) fn new(socket: S, seen: Arc<HeadCounts>, patience: Patience, in_place_of: InPlaceOf) -> Self {
        let until = Box::pin(tokio::time::sleep(patience.idle));
        let framing = Framing::new();
        Self { socket, framing, seen, patience, awaited: None, until, stalled: None, in_place_of, replacing: None }
    }

    /// The socket alone, and whether the client has not taken an answer to its end, so that no further answer may follow.
    pub(crate) fn into_socket(self) -> (S, bool) {
        let is_mid_answer = self.stalled.is_some();
        (self.socket, is_mid_answer)
    }

    fn saw(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.seen.ended.store(true, Ordering::Relaxed);
        }
        self.framing.feed(bytes);
        if let Some(number) = self.framing.ambiguous() {
            self.seen.ambiguous.store(number, Ordering::Relaxed);
        }
        self.seen.http2.store(self.framing.is_http2(), Ordering::Relaxed);
        self.seen.arrived.store(self.framing.heads(), Ordering::Relaxed);
        self.seen.in_head.store(self.framing.in_head(), Ordering::Relaxed);
    }

    /// Turns a head that does not come to its end, and a pause that is too long, into an error. Bodies have a limit of their own.
    fn wait_for_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let in_head = self.framing.in_head();
        let awaited = (in_head || self.framing.is_between()).then(|| Awaited { in_head, heads: self.framing.heads() });
        let limit = if in_head { self.patience.head } else { self.patience.idle };
        if self.awaited != awaited {
            self.awaited = awaited;
            self.until.as_mut().reset(tokio::time::Instant::now() + limit);
        }
        if awaited.is_none() {
            return Poll::Pending;
        }
        ready!(self.until.as_mut().poll(cx));
        Poll::Ready(Err(self.gave_up(if in_head { Exceeded::Head } else { Exceeded::Idle })))
    }

    /// Turns a client that does not take an answer in time into an error; a byte now and then prolongs nothing.
    fn wait_for_client<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            return outcome;
        }
        let limit = self.patience.write;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(self.gave_up(Exceeded::Write)))
    }

    fn gave_up(&self, limit: Exceeded) -> io::Error {
        self.seen.exceeded.get_or_init(|| limit);
        io::Error::new(io::ErrorKind::TimedOut, "the client exceeds a time limit")
    }
}

impl<S: AsyncWrite + Unpin> Guarded<S> {
    /// Sends our answer in place of a bare one of hyper; none: `bytes` are no bare answer.
    fn poll_replace(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Option<Poll<io::Result<usize>>> {
        if self.replacing.is_none() {
            self.replacing = Some(((self.in_place_of)(bare_status(bytes)?), 0));
            self.seen.answered_in_place.store(true, Ordering::Relaxed);
        }
        let (ours, sent) = self.replacing.as_mut()?;
        while *sent < ours.len() {
            match Pin::new(&mut self.socket).poll_write(cx, &ours[*sent..]) {
                Poll::Ready(Ok(0)) => return Some(Poll::Ready(Err(io::ErrorKind::WriteZero.into()))),
                Poll::Ready(Ok(count)) => *sent += count,
                outcome => return Some(outcome),
            }
        }
        self.replacing = None;
        Some(Poll::Ready(Ok(bytes.len())))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let guarded = self.get_mut();
        let before = buffer.filled().len();
        match Pin::new(&mut guarded.socket).poll_read(cx, buffer) {
            Poll::Pending => return guarded.wait_for_head(cx),
            Poll::Ready(read) => read?,
        }
        guarded.saw(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let guarded = self.get_mut();
        let outcome = match guarded.poll_replace(cx, bytes) {
            Some(outcome) => outcome,
            None => Pin::new(&mut guarded.socket).poll_write(cx, bytes),
        };
        guarded.wait_for_client(cx, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let guarded = self.get_mut();
        let first = slices.first().map_or(&[][..], |slice| &slice[..]);
        let outcome = match guarded.poll_replace(cx, first) {
            Some(outcome) => outcome,
            None => Pin::new(&mut guarded.socket).poll_write_vectored(cx, slices),
        };
        guarded.wait_for_client(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let guarded = self.get_mut();
        let outcome = Pin::new(&mut guarded.socket).poll_flush(cx);
        if outcome.is_ready() {
            guarded.stalled = None;
        }
        guarded.wait_for_client(cx, outcome)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let guarded = self.get_mut();
        let outcome = Pin::new(&mut guarded.socket).poll_shutdown(cx);
        guarded.wait_for_client(cx, outcome)
    }
}
