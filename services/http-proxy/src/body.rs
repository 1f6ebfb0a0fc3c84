//! Reads the body of a request within its size limit, its deadline and the budget of all bodies. Never interprets a body.
//! Called by `serve`.

mod budget;

use bytes::Bytes;
use futures::FutureExt;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::Instant;

pub(crate) use budget::BodyBudget;
use budget::{NoRoom, Share};

/// First allocation for a body in several pieces, bytes.
const ROOM_BYTES_MIN: usize = 4096;

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// Larger than the limit.
    TooLarge,
    /// Not complete at the deadline.
    TooLate,
    /// Its framing is broken, or the client went away.
    Broken,
    /// The budget of all bodies is used up.
    NoRoom,
}

impl From<NoRoom> for Unread {
    fn from(_: NoRoom) -> Self {
        Self::NoRoom
    }
}

/// The whole body, and its share of the budget, which the caller keeps until the request is answered. A body whose announced
/// length exceeds the limit or the budget is not read at all, so that `100 Continue` is never sent for it.
pub(crate) async fn read(
    body: Incoming,
    bytes_max: usize,
    budget: &BodyBudget,
    deadline: Instant,
) -> Result<(Bytes, Share<'_>), Unread> {
    let mut share = budget.share();
    if body.is_end_stream() {
        return Ok((Bytes::new(), share));
    }
    let announced = body.size_hint();
    if announced.lower() > bytes_max as u64 {
        return Err(Unread::TooLarge);
    }
    if !budget.has_room_for(announced.lower()) {
        return Err(Unread::NoRoom);
    }
    let room_max = announced.upper().map_or(bytes_max, |upper| bytes_max.min(upper as usize));
    let collected = tokio::time::timeout_at(deadline, collect(body, bytes_max, room_max, &mut share)).await;
    Ok((collected.unwrap_or(Err(Unread::TooLate))?, share))
}

/// Most bodies arrive in one piece and are not copied. Several pieces are copied into one buffer: each uncopied piece would
/// pin a whole buffer of its connection.
async fn collect(
    mut body: Incoming,
    bytes_max: usize,
    room_max: usize,
    share: &mut Share<'_>,
) -> Result<Bytes, Unread> {
    let Some(first) = next(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() > bytes_max {
        return Err(Unread::TooLarge);
    }
    let there = if body.is_end_stream() { Some(Ok(None)) } else { next(&mut body).now_or_never() };
    let mut whole = Whole { bytes: Vec::new(), bytes_max, room_max };
    let second = match there.transpose()? {
        Some(None) => {
            share.grow_to(first.len())?;
            return Ok(first);
        }
        Some(second) => second,
        None => None,
    };
    whole.add(&first, share)?;
    drop(first);
    if let Some(second) = second {
        whole.add(&second, share)?;
    }
    while let Some(piece) = next(&mut body).await? {
        whole.add(&piece, share)?;
    }
    Ok(whole.bytes.into())
}

/// The part received so far of a body in several pieces.
struct Whole {
    bytes: Vec<u8>,
    bytes_max: usize,
    /// Most room that the body needs, bytes, if its announced length is true.
    room_max: usize,
}

impl Whole {
    /// Adds a piece. The buffer doubles, so that a byte is copied a few times at most; the budget counts new room before its
    /// allocation.
    fn add(&mut self, piece: &[u8], share: &mut Share<'_>) -> Result<(), Unread> {
        let needed = self.bytes.len() + piece.len();
        if needed > self.bytes_max {
            return Err(Unread::TooLarge);
        }
        if needed > self.bytes.capacity() {
            let room = (2 * self.bytes.capacity()).clamp(ROOM_BYTES_MIN, self.room_max.max(ROOM_BYTES_MIN)).max(needed);
            share.grow_to(room)?;
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use super::{budget::FREE_BYTES, *};

    fn whole(bytes_max: usize, room_max: usize) -> Whole {
        Whole { bytes: Vec::new(), bytes_max, room_max }
    }

    #[test]
    fn what_is_allocated_is_counted_before_it_is() {
        let budget = BodyBudget::new(60_000 - FREE_BYTES);
        let (mut share, mut body) = (budget.share(), whole(1 << 20, 1 << 20));
        let mut added = 0;
        while body.add(&[7; 1000], &mut share).is_ok() {
            added += 1000;
            assert!(!budget.has_room_for((60_001 + FREE_BYTES - body.bytes.capacity()) as u64), "{added}");
        }
        assert_eq!(body.bytes.len(), added);
        assert!(body.bytes.capacity() <= 60_000 && added >= 30_000, "{added} in {}", body.bytes.capacity());
    }

    #[test]
    fn a_body_of_known_length_takes_no_more_room_than_that() {
        let (budget, bytes) = (BodyBudget::new(1 << 20), [7; 9_999]);
        let (mut share, mut body) = (budget.share(), whole(1 << 20, 29_997));
        for _ in 0..3 {
            assert_eq!(body.add(&bytes, &mut share), Ok(()));
        }
        assert_eq!(body.bytes.capacity(), 29_997);
    }

    #[test]
    fn a_body_beyond_its_limit_is_too_large_whatever_room_there_is() {
        let budget = BodyBudget::new(1 << 20);
        let (mut share, mut body) = (budget.share(), whole(10, 10));
        assert_eq!(body.add(&[7; 10], &mut share), Ok(()));
        assert_eq!(body.add(&[7], &mut share), Err(Unread::TooLarge));
    }
}
