//! A request on its way to the primary's node: a head, and behind the head the body of a command, byte for byte.
//!
//! Never decodes the body. Called by [`super`], for the content, and by the streams between nodes, for the bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use ocs_proto::peer::ForwardRequest;
use prost::{
    DecodeError, Message,
    encoding::{self, DecodeContext},
};

/// Number of the first field of a body, in a command and here alike: those of the head are lower.
const BODY_FIELD_MIN: u32 = 10;

/// A request between two nodes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Forwarded {
    /// The request's id, how long the sender waits, and the door through which the request came.
    pub head: ForwardRequest,
    /// The body's field of the wire's `Command`; empty: none came.
    pub body: Bytes,
}

impl Forwarded {
    /// The bytes on the stream.
    pub fn encode(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.encoded_len());
        self.head.encode(&mut bytes).expect("a BytesMut grows");
        bytes.put_slice(&self.body);
        bytes.freeze()
    }

    /// Number of the bytes on the stream.
    pub fn encoded_len(&self) -> usize {
        self.head.encoded_len() + self.body.len()
    }

    /// Parts bytes into head and body. The body is copied: a request that waits keeps no frame in memory.
    ///
    /// # Errors
    /// The head is no message.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let (mut rest, mut body_at) = (bytes.clone(), 0);
        while rest.has_remaining() {
            let (field, kind) = encoding::decode_key(&mut rest)?;
            if field >= BODY_FIELD_MIN {
                break;
            }
            encoding::skip_field(kind, field, &mut rest, DecodeContext::default())?;
            body_at = bytes.len() - rest.remaining();
        }
        let head = ForwardRequest::decode(bytes.slice(..body_at))?;
        Ok(Self { head, body: Bytes::copy_from_slice(&bytes[body_at..]) })
    }
}

#[cfg(test)]
mod tests {
    use ocs_proto::outbound::{Request, RequestId};

    use super::*;

    /// As the releases before this one declare it: the body is a field of the message.
    #[derive(Clone, PartialEq, prost::Message)]
    struct OlderRequest {
        #[prost(message, optional, tag = "1")]
        id: Option<RequestId>,
        #[prost(uint32, tag = "2")]
        deadline_ms: u32,
        #[prost(int32, tag = "3")]
        origin: i32,
        #[prost(message, optional, tag = "10")]
        request: Option<Request>,
    }

    fn older() -> OlderRequest {
        let id = RequestId { node: 1, incarnation: 3, counter: 9, ..RequestId::default() };
        let request = Request { name: "AddRecord".into(), resource: "lists".into(), ..Request::default() };
        OlderRequest { id: Some(id), deadline_ms: 900, origin: 1, request: Some(request) }
    }

    #[test]
    fn head_and_body_are_what_older_releases_send_and_read() {
        let bytes: Bytes = older().encode_to_vec().into();
        let forwarded = Forwarded::decode(&bytes).unwrap();
        assert_eq!((forwarded.head.id, forwarded.head.deadline_ms, forwarded.head.origin), (older().id, 900, 1));
        assert_eq!(forwarded.encode(), bytes);
        assert_eq!(forwarded.encoded_len(), bytes.len());
        let command = ocs_proto::outbound::Command::decode(forwarded.body).unwrap();
        assert_eq!(command.body, older().request.map(ocs_proto::outbound::command::Body::Request));
    }

    #[test]
    fn bytes_that_are_no_request_are_an_error_or_lack_their_parts() {
        let bytes: Bytes = older().encode_to_vec().into();
        for length in 0..bytes.len() {
            let Ok(cut) = Forwarded::decode(&bytes.slice(..length)) else { continue };
            assert!(cut.body.len() < Forwarded::decode(&bytes).unwrap().body.len(), "cut at {length}");
        }
        assert!(Forwarded::decode(&Bytes::from_static(&[0xff; 12])).is_err());
        assert_eq!(Forwarded::decode(&Bytes::new()).unwrap(), Forwarded::default());
    }
}
