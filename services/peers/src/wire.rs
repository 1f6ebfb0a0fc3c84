//! The bytes of an accepted connection, and its caller: plain or TLS looks the same from here on. A caller that floods the port with
//! frames is hung up on.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use entrance::{FrameRates, Refusals};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tonic::transport::server::Connected;

use super::guard::Caller;

/// Both directions of a connection.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Duplex for T {}

/// How long an unknown caller may stay without an accepted greeting.
const UNKNOWN_PATIENCE: Duration = Duration::from_secs(10);
/// Bytes that an unknown caller may send: a greeting is small.
const UNKNOWN_BYTES_MAX: usize = 64 << 10;

pub(super) struct Wire {
    bytes: Box<dyn Duplex>,
    caller: Caller,
    /// Completes when an unknown caller has to go; none: the caller is known.
    has_to_go: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Bytes that came before the caller was known.
    unknown_bytes: usize,
    rates: FrameRates,
    refusals: Arc<Refusals>,
}

impl Wire {
    pub(super) fn new(bytes: Box<dyn Duplex>, caller: Caller, refusals: Arc<Refusals>) -> Self {
        let standing = caller.standing.clone();
        let has_to_go = Box::pin(async move {
            drop(tokio::time::timeout(UNKNOWN_PATIENCE, standing.pushed_out()).await);
        });
        let rates = FrameRates::default();
        Self { bytes, caller, has_to_go: Some(has_to_go), unknown_bytes: 0, rates, refusals }
    }

    /// Counts the frames among bytes that have arrived.
    fn came(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.rates.feed(bytes, Instant::now).map_err(|flood| {
            self.refusals.connection(self.caller.address, "flood", &flood);
            io::Error::new(io::ErrorKind::ConnectionAborted, flood)
        })
    }

    /// A caller that becomes known is not watched any more.
    fn may_stay(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(has_to_go) = &mut self.has_to_go else { return Ok(()) };
        if self.caller.standing.is_known() {
            self.has_to_go = None;
        } else if self.unknown_bytes > UNKNOWN_BYTES_MAX || has_to_go.as_mut().poll(cx).is_ready() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the caller did not say who it is"));
        }
        Ok(())
    }
}

impl Connected for Wire {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if self.has_to_go.is_some() {
            self.may_stay(cx)?;
        }
        ready!(Pin::new(&mut *self.bytes).poll_read(cx, buf))?;
        let came = &buf.filled()[before..];
        if self.has_to_go.is_some() {
            self.unknown_bytes += came.len();
        }
        Poll::Ready(self.came(came))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.bytes).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.bytes).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.bytes).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.bytes).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.bytes.is_write_vectored()
    }
}
