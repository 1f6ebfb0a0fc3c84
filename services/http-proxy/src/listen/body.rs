//! Reads the body of a request, up to its limit and its deadline. Never looks into it. Called by `serve`.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::Instant;

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// Larger than the limit.
    TooLarge,
    /// Not complete at the deadline.
    TooLate,
    /// Its framing is broken, or the client went away.
    Broken,
}

/// The whole body. One that says that it is too large is not read at all, so that `100 Continue` is never sent for it.
pub(crate) async fn read(body: Incoming, bytes_max: usize, deadline: Instant) -> Result<Bytes, Unread> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(Unread::TooLarge);
    }
    tokio::time::timeout_at(deadline, collect(body, bytes_max)).await.unwrap_or(Err(Unread::TooLate))
}

/// Most bodies come in one piece and are not copied.
async fn collect(mut body: Incoming, bytes_max: usize) -> Result<Bytes, Unread> {
    let Some(first) = next(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() > bytes_max {
        return Err(Unread::TooLarge);
    }
    let Some(second) = next(&mut body).await? else { return Ok(first) };
    let mut whole = BytesMut::with_capacity(first.len() + second.len());
    whole.extend_from_slice(&first);
    let mut piece = Some(second);
    while let Some(bytes) = piece {
        if whole.len() + bytes.len() > bytes_max {
            return Err(Unread::TooLarge);
        }
        whole.extend_from_slice(&bytes);
        piece = next(&mut body).await?;
    }
    Ok(whole.freeze())
}

/// The next piece that is data; trailers are passed over.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Unread> {
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}
