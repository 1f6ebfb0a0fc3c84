//! Frames of HTTP/2 that cost the node work and bring no request: at most so many a second, of each kind. h2 bounds streams,
//! headers and bytes, but takes any number of resets, pings and settings.
//!
//! The limits are far above the rates of client libraries, whose pings follow the bytes that arrive. Never changes a byte.
//! [`Rated`] feeds the bytes of a connection; the port for peers feeds its own.

use std::{
    io,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The window of all limits.
const SECOND: Duration = Duration::from_secs(1);
/// Bytes of the preface, before the first frame.
const PREFACE_BYTES: usize = 24;
/// Bytes of the head of a frame: length, type, flags, stream.
const HEAD_BYTES: usize = 9;
const END_STREAM: u8 = 1;

/// Kinds of frames that are bounded, and their limits a second.
const LIMITS: [(&str, u32); 6] = [
    ("resets", 200),
    ("settings", 50),
    ("pings", 1000),
    ("continuations", 200),
    ("empty frames", 200),
    ("other frames", 1000),
];

/// The place of a kind in [`LIMITS`]; none: a frame of this kind carries a request, or is answered by none.
fn kind(length: usize, of_type: u8, flags: u8) -> Option<usize> {
    match of_type {
        0 if length == 0 && flags & END_STREAM == 0 => Some(4),
        0 | 1 | 7 | 8 => None, // DATA, HEADERS, GOAWAY, WINDOW_UPDATE
        3 => Some(0),
        4 => Some(1),
        6 => Some(2),
        9 => Some(3),
        _ => Some(5),
    }
}

/// A client sends more frames of a kind than its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {limit} {kind} of HTTP/2 a second")]
pub struct Flood {
    kind: &'static str,
    limit: u32,
}

/// Where in the bytes of a connection its next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// So many bytes of the preface or of a payload are to come.
    Skipping(usize),
    /// In the head of a frame, of which so many bytes are known.
    Head(usize),
}

/// The frames that one connection has sent within the present second.
#[derive(Debug)]
pub struct FrameRates {
    place: Place,
    head: [u8; HEAD_BYTES],
    began: Option<Instant>,
    counts: [u32; LIMITS.len()],
}

impl Default for FrameRates {
    fn default() -> Self {
        Self { place: Place::Skipping(PREFACE_BYTES), head: [0; HEAD_BYTES], began: None, counts: [0; LIMITS.len()] }
    }
}

impl FrameRates {
    /// Counts the frames whose heads are complete with these bytes. `now` is asked only for frames that count.
    ///
    /// # Errors
    /// The connection should end.
    pub fn feed(&mut self, mut bytes: &[u8], now: impl Fn() -> Instant) -> Result<(), Flood> {
        while !bytes.is_empty() {
            match self.place {
                Place::Skipping(left) => {
                    let skipped = left.min(bytes.len());
                    bytes = &bytes[skipped..];
                    self.place = if skipped == left { Place::Head(0) } else { Place::Skipping(left - skipped) };
                }
                Place::Head(known) => {
                    let taken = (HEAD_BYTES - known).min(bytes.len());
                    self.head[known..known + taken].copy_from_slice(&bytes[..taken]);
                    bytes = &bytes[taken..];
                    self.place = Place::Head(known + taken);
                    if known + taken == HEAD_BYTES {
                        self.frame(&now)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The head of a frame is complete.
    fn frame(&mut self, now: &impl Fn() -> Instant) -> Result<(), Flood> {
        let [high, middle, low, of_type, flags, ..] = self.head;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.place = if length == 0 { Place::Head(0) } else { Place::Skipping(length) };
        kind(length, of_type, flags).map_or(Ok(()), |kind| self.count(kind, now()))
    }

    fn count(&mut self, kind: usize, now: Instant) -> Result<(), Flood> {
        if self.began.is_none_or(|began| now.saturating_duration_since(began) >= SECOND) {
            (self.began, self.counts) = (Some(now), Default::default());
        }
        self.counts[kind] += 1;
        let (name, limit) = LIMITS[kind];
        if self.counts[kind] > limit { Err(Flood { kind: name, limit }) } else { Ok(()) }
    }
}

/// A connection of HTTP/2 whose frames are counted.
#[derive(Debug)]
pub(super) struct Rated<S> {
    io: S,
    rates: Option<FrameRates>,
    flood: Arc<OnceLock<Flood>>,
}

impl<S> Rated<S> {
    /// `is_http2`: frames come at all. `flood` tells the reason, once the connection ends for it.
    pub(super) fn new(io: S, is_http2: bool, flood: Arc<OnceLock<Flood>>) -> Self {
        Self { io, rates: is_http2.then(FrameRates::default), flood }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Rated<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = into.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, into))?;
        let Some(rates) = &mut this.rates else { return Poll::Ready(Ok(())) };
        Poll::Ready(rates.feed(&into.filled()[before..], Instant::now).map_err(|flood| {
            this.flood.get_or_init(|| flood);
            io::Error::new(io::ErrorKind::ConnectionAborted, flood)
        }))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rated<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, from)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

    fn frame(of_type: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0, (payload.len() >> 8) as u8, payload.len() as u8, of_type, flags, 0, 0, 0, 1];
        frame.extend_from_slice(payload);
        frame
    }

    /// A connection that has sent the preface.
    fn begun(start: Instant) -> FrameRates {
        let mut rates = FrameRates::default();
        rates.feed(PREFACE, || start).unwrap();
        rates
    }

    #[test]
    fn a_kind_of_frames_is_bounded_a_second_and_begins_anew() {
        let start = Instant::now();
        let kinds = [
            (frame(3, 0, &[0; 4]), 0),
            (frame(4, 0, &[0; 6]), 1),
            (frame(6, 0, &[0; 8]), 2),
            (frame(9, 4, b"x"), 3),
            (frame(0, 0, b""), 4),
            (frame(2, 0, &[0; 5]), 5),
            (frame(77, 0, b"x"), 5),
        ];
        for (bytes, kind) in kinds {
            let (name, limit) = LIMITS[kind];
            let mut rates = begun(start);
            for _ in 0..limit {
                assert_eq!(rates.feed(&bytes, || start), Ok(()), "{name}");
            }
            assert_eq!(rates.feed(&bytes, || start), Err(Flood { kind: name, limit }));
            assert_eq!(rates.feed(&bytes, || start + SECOND), Ok(()), "{name} in the next second");
        }
    }

    #[test]
    fn frames_of_requests_are_not_bounded_here() {
        let start = Instant::now();
        let mut rates = begun(start);
        for bytes in [frame(0, 0, b"x"), frame(0, END_STREAM, b""), frame(1, 5, b"x"), frame(8, 0, &[0; 4])] {
            for _ in 0..10_000 {
                assert_eq!(rates.feed(&bytes, || start), Ok(()));
            }
        }
    }

    #[test]
    fn bytes_of_a_payload_are_no_frames_and_pieces_change_nothing() {
        let start = Instant::now();
        let resets = frame(3, 0, &[0; 4]).repeat(500);
        let mut rates = begun(start);
        assert_eq!(rates.feed(&frame(0, 0, &resets), || start), Ok(()));
        let mut rates = FrameRates::default();
        let bytes = [PREFACE, &resets].concat();
        let refused = bytes.iter().position(|byte| rates.feed(&[*byte], || start).is_err());
        let (_, limit) = LIMITS[0];
        assert_eq!(refused, Some(PREFACE.len() + 13 * limit as usize + HEAD_BYTES - 1));
    }
}
