//! Frames: a 4-byte big-endian length, then one protobuf message. Called by both ends of the link.
//!
//! Never interprets a message. A writer drains all queued items into one frame and one write
//! (architecture, The way of one request).

use std::io;

use bytes::{BufMut, BytesMut};
use prost::Message;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

/// Largest frame, bytes.
pub const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A frame of this size takes no further item, bytes.
const BATCH_BYTES_MAX: usize = 256 * 1024;
/// Least room for one read, bytes: a nearly full buffer would cause many small reads.
const READ_BYTES_MIN: usize = 16 * 1024;
/// Items that one frame takes at most.
const BATCH_ITEMS_MAX: usize = 1024;
/// A buffer that grew beyond this is given back after use, bytes.
const BUFFER_KEPT_BYTES: usize = 1024 * 1024;

/// Why the link cannot go on. The other end is at fault or gone; a retry cannot help.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Reading or writing failed.
    #[error("the link broke: {0}")]
    Io(#[from] io::Error),
    /// A frame that is larger than any of ours.
    #[error("a frame of {0} bytes is larger than {FRAME_BYTES_MAX}")]
    TooLarge(usize),
    /// Bytes that are no message.
    #[error("a frame cannot be decoded: {0}")]
    Decode(#[from] prost::DecodeError),
}

/// Reads frames.
#[derive(Debug)]
pub struct FrameReader<R> {
    reader: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads frames from `reader`.
    pub fn new(reader: R) -> Self {
        Self { reader, buffer: BytesMut::with_capacity(64 * 1024) }
    }

    /// The next message; none at the end of the stream between two frames. Safe to cancel.
    pub async fn next<M: Message + Default>(&mut self) -> Result<Option<M>, LinkError> {
        if !self.fill(4).await? {
            return if self.buffer.is_empty() { Ok(None) } else { Err(cut_off()) };
        }
        let head = self.buffer.first_chunk::<4>().expect("four bytes were read");
        let length = u32::from_be_bytes(*head) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(LinkError::TooLarge(length));
        }
        if !self.fill(4 + length).await? {
            return Err(cut_off());
        }
        let frame = self.buffer.split_to(4 + length).freeze();
        Ok(Some(M::decode(frame.slice(4..))?))
    }

    /// Reads until at least `length` bytes are buffered; false if the stream ended before.
    async fn fill(&mut self, length: usize) -> Result<bool, LinkError> {
        while self.buffer.len() < length {
            self.buffer.reserve((length - self.buffer.len()).max(READ_BYTES_MIN));
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn cut_off() -> LinkError {
    LinkError::Io(io::Error::new(io::ErrorKind::UnexpectedEof, "the link ended inside a frame"))
}

/// Writes frames.
#[derive(Debug)]
pub struct FrameWriter<W> {
    writer: W,
    buffer: BytesMut,
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    /// Writes frames to `writer`.
    pub fn new(writer: W) -> Self {
        Self { writer, buffer: BytesMut::with_capacity(64 * 1024) }
    }

    /// Writes one message as one frame.
    pub async fn send(&mut self, message: &impl Message) -> Result<(), LinkError> {
        let length = message.encoded_len();
        if length > FRAME_BYTES_MAX {
            return Err(LinkError::TooLarge(length));
        }
        self.buffer.reserve(4 + length);
        self.buffer.put_u32(length as u32);
        message.encode(&mut self.buffer).expect("a BytesMut grows as needed");
        self.writer.write_all(&self.buffer).await?;
        self.buffer.clear();
        if self.buffer.capacity() > BUFFER_KEPT_BYTES {
            self.buffer = BytesMut::with_capacity(64 * 1024);
        }
        Ok(())
    }
}

/// Drains `queue` into frames: all queued items go into one frame and one write.
///
/// Returns when no sender is left, or when `finish` is cancelled and all items queued by then are written.
/// `add` puts an item into the frame and returns its size in bytes; a single item must stay below [`FRAME_BYTES_MAX`].
pub async fn write_batches<T, M, W>(
    queue: &mut mpsc::Receiver<T>,
    writer: &mut FrameWriter<W>,
    finish: &CancellationToken,
    mut add: impl FnMut(&mut M, T) -> usize,
) -> Result<(), LinkError>
where
    M: Message + Default,
    W: AsyncWrite + Unpin,
{
    let mut items = Vec::with_capacity(BATCH_ITEMS_MAX);
    while next_items(queue, &mut items, finish).await > 0 {
        let (mut frame, mut bytes) = (M::default(), 0);
        for item in items.drain(..) {
            bytes += add(&mut frame, item);
            if bytes >= BATCH_BYTES_MAX {
                writer.send(&frame).await?;
                (frame, bytes) = (M::default(), 0);
            }
        }
        if bytes > 0 {
            writer.send(&frame).await?;
        }
    }
    Ok(())
}

/// Waits for items and drains the queue, up to [`BATCH_ITEMS_MAX`] items; 0: the queue is empty and closed.
///
/// Yields once, so that producers that are ready to run join this batch; waits for no other producer.
async fn next_items<T>(queue: &mut mpsc::Receiver<T>, items: &mut Vec<T>, finish: &CancellationToken) -> usize {
    let count = tokio::select! {
        biased;
        count = queue.recv_many(items, BATCH_ITEMS_MAX) => count,
        () = finish.cancelled() => {
            queue.close();
            queue.recv_many(items, BATCH_ITEMS_MAX).await
        }
    };
    if count > 0 {
        tokio::task::yield_now().await;
        while items.len() < BATCH_ITEMS_MAX
            && let Ok(item) = queue.try_recv()
        {
            items.push(item);
        }
    }
    items.len()
}

#[cfg(test)]
mod tests {
    use ocs_proto::link::{HealthRequest, ToNode};

    use super::*;

    #[tokio::test]
    async fn what_has_queued_travels_as_one_frame() {
        let (near, far) = tokio::io::duplex(1 << 16);
        let (sender, mut queue) = mpsc::channel(8);
        for id in 1..=3 {
            sender.try_send(HealthRequest { id, kind: 1 }).unwrap();
        }
        drop(sender);
        let add = |frame: &mut ToNode, item| {
            frame.health.push(item);
            8
        };
        write_batches(&mut queue, &mut FrameWriter::new(near), &CancellationToken::new(), add).await.unwrap();
        let mut reader = FrameReader::new(far);
        let frame: ToNode = reader.next().await.unwrap().unwrap();
        assert_eq!(frame.health.len(), 3);
        assert!(reader.next::<ToNode>().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_frame_that_is_too_large_is_refused_before_it_is_read() {
        let (mut near, far) = tokio::io::duplex(64);
        near.write_all(&(FRAME_BYTES_MAX as u32 + 1).to_be_bytes()).await.unwrap();
        let answer = FrameReader::new(far).next::<ToNode>().await;
        assert!(matches!(answer, Err(LinkError::TooLarge(_))), "{answer:?}");
    }

    #[tokio::test]
    async fn a_link_that_ends_inside_a_frame_is_an_error() {
        let (mut near, far) = tokio::io::duplex(64);
        near.write_all(&[0, 0, 0, 9, 1, 2]).await.unwrap();
        drop(near);
        let answer = FrameReader::new(far).next::<ToNode>().await;
        assert!(matches!(answer, Err(LinkError::Io(_))), "{answer:?}");
    }
}
