//! The socket as hyper sees it: follows the framing of incoming bytes, times out a client that takes no answer, and replaces
//! hyper's own bare answers by answers with the usual body and headers (spec 6).
//!
//! Never changes a byte of a request or of an answer of ours. Called by the connections of `listen`; `serve` reads what the
//! guard has seen of its connection.

mod framing;

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
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

/// Time limit for a client that takes no byte of an answer.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);

/// The guard's observations, for the service of the same connection.
#[derive(Debug)]
pub(crate) struct HeadCounts {
    /// First head that must be refused, counted from 1.
    ambiguous: AtomicU64,
    /// Heads that hyper has handed to the service.
    served: AtomicU64,
    /// A head has begun to arrive and is not complete.
    in_head: AtomicBool,
    /// The client will send nothing more.
    ended: AtomicBool,
    /// An answer was given before the request was read to its end.
    cut_short: AtomicBool,
    /// Why the connection is served no further than its first request, which is refused.
    turned_away: Option<&'static str>,
}

impl HeadCounts {
    pub(crate) fn new(turned_away: Option<&'static str>) -> Self {
        Self {
            turned_away,
            ambiguous: AtomicU64::new(u64::MAX),
            served: AtomicU64::new(0),
            in_head: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            cut_short: AtomicBool::new(false),
        }
    }

    /// Counts the next request of the connection. True if the framing of this request, or of an earlier one, is ambiguous.
    pub(crate) fn is_ambiguous(&self) -> bool {
        let number = self.served.fetch_add(1, Ordering::Relaxed) + 1;
        number >= self.ambiguous.load(Ordering::Relaxed)
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
    stalled: Option<Pin<Box<Sleep>>>,
    in_place_of: InPlaceOf,
    /// The replacement of a bare answer, and its bytes sent so far.
    replacing: Option<(Vec<u8>, usize)>,
}

impl<S> Guarded<S> {
    pub(crate) fn new(socket: S, seen: Arc<HeadCounts>, in_place_of: InPlaceOf) -> Self {
        Self { socket, framing: Framing::new(), seen, stalled: None, in_place_of, replacing: None }
    }

    /// The socket alone.
    pub(crate) fn into_socket(self) -> S {
        self.socket
    }

    fn saw(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.seen.ended.store(true, Ordering::Relaxed);
        }
        self.framing.feed(bytes);
        if let Some(number) = self.framing.ambiguous() {
            self.seen.ambiguous.store(number, Ordering::Relaxed);
        }
        self.seen.in_head.store(self.framing.in_head(), Ordering::Relaxed);
    }

    /// Turns a write that stalls for too long into an error.
    fn patience<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stalled = None;
            return outcome;
        }
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(WRITE_PATIENCE)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes no answer")))
    }
}

impl<S: AsyncWrite + Unpin> Guarded<S> {
    /// Sends our answer in place of a bare one of hyper; none: `bytes` are no bare answer.
    fn poll_replace(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Option<Poll<io::Result<usize>>> {
        if self.replacing.is_none() {
            self.replacing = Some(((self.in_place_of)(bare_status(bytes)?), 0));
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
        ready!(Pin::new(&mut guarded.socket).poll_read(cx, buffer))?;
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
        guarded.patience(cx, outcome)
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
        guarded.patience(cx, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let guarded = self.get_mut();
        let outcome = Pin::new(&mut guarded.socket).poll_flush(cx);
        guarded.patience(cx, outcome)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}
