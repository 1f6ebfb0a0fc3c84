//! The socket of the link. A task that reads is woken for incoming bytes, not for room in the send buffer.
//!
//! A Unix socket reports room for writes whenever the other end reads, and a task registered for both directions is woken
//! each time: two useless wake-ups a request. A write half therefore registers only after a write found no room. Never
//! interprets bytes.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream as StdUnixStream,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf, unix::AsyncFd},
    net::UnixStream,
};

/// Bytes that one read takes at most.
const READ_BYTES_MAX: usize = 64 * 1024;

/// The read half.
#[derive(Debug)]
pub struct ReadHalf {
    stream: Arc<AsyncFd<StdUnixStream>>,
    /// Buffer of one read: a caller's buffer would have to be zeroed whole before each read, which was two fifths of a node's
    /// instructions for a `GET`.
    scratch: Box<[u8]>,
}

/// The write half; its drop ends the stream for the other side.
#[derive(Debug)]
pub struct WriteHalf {
    stream: Arc<AsyncFd<StdUnixStream>>,
    /// A second registration of the socket, while the send buffer is full.
    full: Option<AsyncFd<StdUnixStream>>,
}

/// Splits a connected socket. Must be called within a runtime.
///
/// # Errors
/// The runtime cannot watch the socket.
pub fn split(stream: UnixStream) -> io::Result<(ReadHalf, WriteHalf)> {
    let stream = Arc::new(watch(stream.into_std()?, Interest::READABLE)?);
    let scratch = vec![0; READ_BYTES_MAX].into_boxed_slice();
    Ok((ReadHalf { stream: Arc::clone(&stream), scratch }, WriteHalf { stream, full: None }))
}

/// The socket is owned and never exchanged: the condition that the newer, unsafe function leaves to its caller.
#[expect(deprecated, reason = "the safe one of the two, and sound for a socket that is owned")]
fn watch(stream: StdUnixStream, interest: Interest) -> io::Result<AsyncFd<StdUnixStream>> {
    AsyncFd::with_interest(stream, interest)
}

impl AsyncRead for ReadHalf {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Self { stream, scratch } = &mut *self;
        let length = scratch.len().min(buffer.remaining());
        let room = &mut scratch[..length];
        loop {
            let mut ready = ready!(stream.poll_read_ready(cx))?;
            match ready.try_io(|stream| stream.get_ref().read(room)) {
                Ok(Ok(length)) => {
                    buffer.put_slice(&room[..length]);
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_nothing_there) => {}
            }
        }
    }
}

impl AsyncWrite for WriteHalf {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            if let Some(full) = &self.full {
                ready!(full.poll_write_ready(cx))?.clear_ready();
            }
            match self.stream.get_ref().write(bytes) {
                Ok(length) => {
                    self.full = None;
                    return Poll::Ready(Ok(length));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.full.is_none() {
                        let again = self.stream.get_ref().try_clone()?;
                        self.full = Some(watch(again, Interest::WRITABLE)?);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.stream.get_ref().shutdown(Shutdown::Write))
    }
}

impl Drop for WriteHalf {
    fn drop(&mut self) {
        let _ = self.stream.get_ref().shutdown(Shutdown::Write); // the other side may have gone first
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        task::{Wake, Waker},
    };

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// More than a socket takes.
    const BYTES: usize = 8 * 1024 * 1024;

    #[tokio::test]
    async fn more_than_the_socket_takes_arrives_whole_and_ends_with_the_writer() {
        let (here, there) = UnixStream::pair().unwrap();
        let ((_open, mut writer), (mut reader, _back)) = (split(here).unwrap(), split(there).unwrap());
        let sent: Vec<u8> = (0..BYTES).map(|at| (at % 251) as u8).collect();
        let mut received = Vec::new();
        let writing = async {
            writer.write_all(&sent).await.unwrap();
            drop(writer);
        };
        tokio::join!(writing, async { reader.read_to_end(&mut received).await.unwrap() });
        assert!(received == sent, "{} bytes came", received.len());
    }
    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn who_waits_to_read_is_not_woken_because_the_other_side_reads() {
        let (here, there) = UnixStream::pair().unwrap();
        let ((mut reader, mut writer), (mut other, mut back)) = (split(here).unwrap(), split(there).unwrap());
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let mut waiting = std::pin::pin!(reader.read_u8());
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        for _ in 0..3 {
            writer.write_all(b"x").await.unwrap();
            assert_eq!(other.read_u8().await.unwrap(), b'x'); // the runtime sees the socket's events here
        }
        assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
        back.write_all(b"y").await.unwrap();
        assert_eq!(waiting.await.unwrap(), b'y');
    }
}
