//! Messages between nodes: the first byte names the message, the others are its bytes, or those of a whole connection of HTTP/2.

use std::time::Instant;

use consensus::bounds;
use entrance::FrameRates;
use ocs_proto::peer::{
    EpochProofReply, ForwardFrame, ForwardReplies, HelloReply, HelloRequest, JoinReply, JoinRequest, PeerFrame,
    StateChunk,
};
use pair::Forwarded;
use prost::Message;

pub(super) fn read(bytes: &[u8]) -> bool {
    let Some((kind, rest)) = bytes.split_first() else { return false };
    match kind % 10 {
        0 => decoded::<PeerFrame>(rest).is_some_and(|frame| is_within_bounds(&frame)),
        1 => decoded::<ForwardFrame>(rest).is_some_and(|frame| forwards(&frame) > 0),
        2 => decoded::<ForwardReplies>(rest).is_some(),
        3 => decoded::<HelloRequest>(rest).is_some(),
        4 => decoded::<HelloReply>(rest).is_some(),
        5 => decoded::<JoinRequest>(rest).is_some(),
        6 => decoded::<JoinReply>(rest).is_some(),
        7 => decoded::<StateChunk>(rest).is_some(),
        8 => decoded::<EpochProofReply>(rest).is_some(),
        _ => keeps_its_rates(rest),
    }
}

/// A message, which survives a way there and back; none: the bytes are none.
fn decoded<M: Message + Default + PartialEq>(bytes: &[u8]) -> Option<M> {
    let message = M::decode(bytes).ok()?;
    let again = M::decode(message.encode_to_vec().as_slice()).expect("an encoded message is decoded");
    assert!(again == message, "another message arrives");
    Some(message)
}

fn is_within_bounds(frame: &PeerFrame) -> bool {
    frame.messages.len() <= bounds::MESSAGES_MAX && frame.head.as_ref().is_some_and(|head| bounds::head(head).is_ok())
}

/// The number of forwarded requests of a frame; each survives a further hop.
fn forwards(frame: &ForwardFrame) -> usize {
    let read = frame.requests.iter().filter_map(|request| Forwarded::decode(request).ok());
    read.inspect(|request| {
        let again = Forwarded::decode(&request.encode()).expect("an encoded request is decoded");
        assert!(again == *request, "another request arrives");
    })
    .count()
}

/// Whether the frames of a connection stay within their rates, whatever the pieces in which they come.
fn keeps_its_rates(bytes: &[u8]) -> bool {
    let now = Instant::now();
    let mut whole = FrameRates::default();
    let kept = whole.feed(bytes, || now).is_ok();
    let mut pieces = FrameRates::default();
    let in_pieces = bytes.iter().all(|byte| pieces.feed(&[*byte], || now).is_ok());
    assert_eq!(kept, in_pieces, "pieces change the rates");
    kept
}
