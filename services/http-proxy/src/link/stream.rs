//! The socket of the link, which wakes its owner for what has come and not for what the other end has read.
//!
//! A Unix socket tells everybody who waits for room on it whenever the other end reads, and who registers it for both directions
//! is woken then, for nothing: twice a request. Here room is waited for only where a write found none. Never interprets bytes.

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

/// The end from which is read.
#[derive(Debug)]
pub struct ReadHalf {
    stream: Arc<AsyncFd<StdUnixStream>>,
    /// Bytes on their way out of the socket: a caller's buffer would have to be zeroed before each read, all of it, which was
    /// two fifths of a node's instructions for a `GET`.
    scratch: Box<[u8]>,
}

/// The end to which is written; dropping it ends the stream for the other side.
#[derive(Debug)]
pub struct WriteHalf {
    stream: Arc<AsyncFd<StdUnixStream>>,
    /// The socket once more, while there is no room in it.
    full: Option<AsyncFd<StdUnixStream>>,
}

/// Takes a connected socket apart. To be called in a runtime.
///
/// # Errors
/// The runtime cannot watch the socket.
pub fn split(stream: UnixStream) -> io::Result<(ReadHalf, WriteHalf)> {
    let stream = Arc::new(watch(stream.into_std()?, Interest::READABLE)?);
    let scratch = vec![0; READ_BYTES_MAX].into_boxed_slice();
    Ok((ReadHalf { stream: Arc::clone(&stream), scratch }, WriteHalf { stream, full: None }))
}

/// The socket is owned and never exchanged, which is what the newer, unsafe function asks its caller to see to.
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
            assert_eq!(other.read_u8().await.unwrap(), b'x'); // the runtime hears of the socket here
        }
        assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
        back.write_all(b"y").await.unwrap();
        assert_eq!(waiting.await.unwrap(), b'y');
    }
}
