//! The body of an answer on its way to the client, and the room that all large answers share.
//!
//! A client that asks for page after page and reads none must not make HTTP Proxy hold them all: beyond the room a read is refused. An
//! answer is handed to the connection in pieces, as the client takes them. Called by `serve`.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use outbound::{Refusal, RefusalCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::to_http::Answer;

/// An answer of this size or less takes no room: such an answer is small beside its connection.
const FREE_BYTES: usize = 64 << 10;
/// Room of all answers that are larger, bytes.
const ROOM_BYTES_MAX: usize = 128 << 20;
/// The room is counted in units of so many bytes.
const UNIT_BYTES: usize = 1 << 10;
/// Bytes that the connection gets at a time.
const PIECE_BYTES: usize = 64 << 10;

/// The room of large answers.
#[derive(Debug)]
pub(crate) struct AnswerRoom(Arc<Semaphore>);

/// The share of one answer; none: the answer takes no room.
pub(crate) type AnswerShare = Option<OwnedSemaphorePermit>;

impl AnswerRoom {
    pub(crate) fn new() -> Self {
        Self::of(ROOM_BYTES_MAX)
    }

    fn of(bytes_max: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes_max / UNIT_BYTES)))
    }

    /// The answer with its share of the room. Without room a read is refused; the answer to a change, which was done, goes its way.
    pub(crate) fn share(&self, answer: Answer, is_read: bool) -> (Answer, AnswerShare) {
        if answer.body.len() <= FREE_BYTES {
            return (answer, None);
        }
        let units = u32::try_from(answer.body.len().div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        match self.0.clone().try_acquire_many_owned(units) {
            Ok(share) => (answer, Some(share)),
            Err(_) if is_read => {
                let message = "too many large answers are under way: come back later, or ask for smaller pages";
                (Answer::of_refusal(&Refusal::new(RefusalCode::Busy, message)), None)
            }
            Err(_) => (answer, None),
        }
    }
}

/// The bytes of an answer that are still to be handed to the connection.
#[derive(Debug)]
pub(crate) struct AnswerBody {
    rest: Bytes,
    _share: AnswerShare,
}

impl AnswerBody {
    pub(crate) fn new(bytes: Bytes, share: AnswerShare) -> Self {
        Self { rest: bytes, _share: share }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let body = self.get_mut();
        if body.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = body.rest.split_to(body.rest.len().min(PIECE_BYTES));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use http_body_util::BodyExt;

    use super::*;

    fn answer(bytes: usize) -> Answer {
        Answer::new(StatusCode::OK, vec![b'x'; bytes])
    }

    #[test]
    fn a_read_beyond_the_room_of_large_answers_is_refused_until_another_is_taken() {
        let room = AnswerRoom::of(300 << 10);
        let (first, share) = room.share(answer(200 << 10), true);
        assert!(first.status == StatusCode::OK && share.is_some());
        let (second, none) = room.share(answer(101 << 10), true);
        assert_eq!((second.status, second.retry, none.is_some()), (StatusCode::TOO_MANY_REQUESTS, true, false));
        assert_eq!(room.share(answer(101 << 10), false).0.status, StatusCode::OK, "a change was done");
        assert_eq!(room.share(answer(FREE_BYTES), true).0.status, StatusCode::OK, "small");
        drop(share);
        assert_eq!(room.share(answer(101 << 10), true).0.status, StatusCode::OK);
    }

    #[tokio::test]
    async fn an_answer_comes_in_pieces_and_gives_its_room_back_at_the_end() {
        let room = AnswerRoom::of(300 << 10);
        let (answer, share) = room.share(answer((200 << 10) + 1), true);
        let mut body = AnswerBody::new(answer.body, share);
        assert_eq!(body.size_hint().exact(), Some((200 << 10) + 1));
        let mut pieces = Vec::new();
        while let Some(frame) = body.frame().await {
            pieces.push(frame.unwrap().into_data().unwrap().len());
        }
        assert_eq!(pieces, [64 << 10, 64 << 10, 64 << 10, (8 << 10) + 1]);
        assert!(body.is_end_stream() && room.0.available_permits() < 300);
        drop(body);
        assert_eq!(room.0.available_permits(), 300);
        assert!(AnswerBody::new(Bytes::new(), None).is_end_stream());
    }
}
