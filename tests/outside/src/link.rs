//! Bytes on the link between HTTP Proxy and its node: the first byte names the reader, the others are frames.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use http_proxy::{link::FrameReader, to_http::Answer};
use ocs_proto::{
    link::{ToNode, ToProxy},
    outbound as wire,
};
use outbound::wire::{reply_from_wire, reply_to_wire, request_from_wire, request_to_wire};
use prost::Message;

pub(super) fn read(bytes: &[u8]) -> bool {
    let Some((reader, frames)) = bytes.split_first() else { return false };
    if reader % 2 == 0 { each::<ToNode>(frames, to_node) } else { each::<ToProxy>(frames, to_proxy) }
}

/// Takes every message of the frames.
fn each<M: Message + Default>(frames: &[u8], take: fn(M)) -> bool {
    let mut reader = FrameReader::new(frames);
    loop {
        match at_once(reader.next::<M>()) {
            Ok(Some(message)) => take(message),
            Ok(None) => return true,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return false;
            }
        }
    }
}

/// The end of a future that never waits.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("bytes in memory are there"),
    }
}

/// A node takes requests, and knows each again after a forward.
fn to_node(frame: ToNode) {
    for request in frame.requests {
        let Ok(decoded) = wire::Request::decode(&request.request[..]) else { continue };
        let Ok(request) = request_from_wire(decoded) else { continue };
        let _ = request.content();
        assert_eq!(request_from_wire(request_to_wire(request.clone())).as_ref(), Ok(&request));
    }
}

/// HTTP Proxy takes replies, and answers its clients.
fn to_proxy(frame: ToProxy) {
    for reply in frame.replies.into_iter().filter_map(|reply| reply.reply) {
        let Ok(reply) = reply_from_wire(reply) else { continue };
        assert_eq!(reply_from_wire(reply_to_wire(&reply)).as_ref(), Ok(&reply));
        let answer = Answer::of_reply(&reply, || "http://127.0.0.1:8080".to_owned());
        assert!(answer.body.starts_with(b"{") && answer.body.ends_with(b"}"), "{answer:?}");
    }
}
