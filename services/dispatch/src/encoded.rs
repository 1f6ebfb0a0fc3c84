//! The body of a command as bytes: decoded once, for the check, and put into the log unchanged.
//!
//! An engine puts the head in front of the same bytes when the command is stamped. Never decides anything about a record. Called by
//! the link, by [`crate::Dispatch`] and by the engines.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use ocs_proto::outbound as wire;
use outbound::{
    Body, COMMAND_BYTES_MAX, RULES_FIRST, RULES_NEWEST, RULES_WITH_SETTINGS, Refusal, RefusalCode, Reply, Request,
    wire::WireError,
};
use prost::{
    DecodeError, Message,
    encoding::{self, WireType},
};

/// Upper bound of a command's head without its names: eight fields, 16 random bytes and a token among them.
pub const HEAD_BYTES_MAX: usize = 128;
/// Number of a client's request among the fields of the wire's `Command`.
const REQUEST_FIELD: u32 = 10;

/// A body as its field of the wire's `Command`, number and length included, and the fields of the body that the head repeats.
#[derive(Debug, Clone, Default)]
pub struct EncodedBody {
    bytes: Bytes,
    tenant: String,
    principal: String,
    rules: RulesOf,
}

/// The rules version that a body needs.
#[derive(Debug, Clone, Copy, Default)]
enum RulesOf {
    /// The group's version.
    #[default]
    Any,
    /// The group's version, if not lower than this.
    AtLeast(u32),
    /// This version: the command raises the group's.
    RaisedTo(u32),
}

impl RulesOf {
    fn of(body: &Body) -> Self {
        match body {
            Body::RaiseRules(raise) => Self::RaisedTo(raise.to),
            _ => Self::at_least(body.rules_min()),
        }
    }

    fn at_least(version: u32) -> Self {
        if version > RULES_FIRST { Self::AtLeast(version) } else { Self::Any }
    }
}

/// Bytes that are no body of a command.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Not protobuf.
    #[error("{0}")]
    Bytes(#[from] DecodeError),
    /// Not one of this release's bodies.
    #[error("{0}")]
    Wire(#[from] WireError),
    /// More or less than one field.
    #[error("the body of a command is one field")]
    NotOneField,
}

impl EncodedBody {
    /// Encodes a body that begins on this node.
    pub fn of(body: Body) -> Self {
        let (rules, (tenant, principal)) = (RulesOf::of(&body), body.whose());
        let (tenant, principal) = (tenant.to_owned(), principal.to_owned());
        let body = Some(outbound::wire::body_to_wire(body));
        let bytes = wire::Command { body, ..Default::default() }.encode_to_vec().into();
        Self { bytes, tenant, principal, rules }
    }

    /// The body of a client's request, from the request's bytes; `whole`: see [`is_whole`].
    pub fn of_request(bytes: &[u8], whole: bool, request: Request) -> Self {
        if !whole {
            return Self::of(Body::Request(request));
        }
        let mut field = BytesMut::with_capacity(HEAD_BYTES_MAX + bytes.len());
        encoding::encode_key(REQUEST_FIELD, WireType::LengthDelimited, &mut field);
        encoding::encode_varint(bytes.len() as u64, &mut field);
        field.put_slice(bytes);
        let rules = RulesOf::at_least(request.rules_min());
        let Request { tenant, principal, .. } = request;
        Self { bytes: field.freeze(), tenant, principal, rules }
    }

    /// The body that a peer has sent, checked.
    ///
    /// # Errors
    /// No body that this release knows.
    pub fn read(bytes: Bytes) -> Result<Self, BodyError> {
        is_one_field(bytes.clone())?;
        let command = wire::Command::decode(bytes.clone())?;
        let whole = is_whole(&command, &bytes);
        let body = outbound::wire::body_from_wire(command.body)?;
        if !whole {
            return Ok(Self::of(body));
        }
        let (rules, (tenant, principal)) = (RulesOf::of(&body), body.whose());
        Ok(Self { tenant: tenant.to_owned(), principal: principal.to_owned(), rules, bytes })
    }

    /// The bytes, as a peer takes them.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// A command must fit into the log.
    ///
    /// # Errors
    /// LIMIT.
    pub fn check_size(&self) -> Result<(), Reply> {
        let bytes = self.bytes.len();
        if bytes + self.head_bytes_max() <= COMMAND_BYTES_MAX {
            return Ok(());
        }
        let message = format!("The request is too large: {bytes} bytes, at most {COMMAND_BYTES_MAX} are taken");
        Err(Refusal::new(RefusalCode::Limit, message).into())
    }

    /// The version that decides the command in a group that decides by `group`.
    ///
    /// # Errors
    /// Why the command must not enter the log: a node that cannot decide the command would stop.
    pub fn rules_version(&self, group: u32) -> Result<u32, Reply> {
        match self.rules {
            RulesOf::AtLeast(version) if group < version => Err(too_early(group, version, RefusalCode::Unavailable)),
            RulesOf::RaisedTo(version) if version > RULES_NEWEST => Err(unknown_rules(version)),
            RulesOf::RaisedTo(version) => Ok(version.max(group)),
            RulesOf::Any | RulesOf::AtLeast(_) => Ok(group),
        }
    }

    /// The bytes, and the names of tenant and principal.
    pub fn into_parts(self) -> (Bytes, String, String) {
        (self.bytes, self.tenant, self.principal)
    }

    fn head_bytes_max(&self) -> usize {
        HEAD_BYTES_MAX + self.tenant.len() + self.principal.len()
    }
}

/// Whether a message has all that its bytes say: no encoding is shorter than this release's, so a field of a newer release shows in
/// the length. Such bytes are encoded anew, because the field has no meaning in the log before the rules version that introduces it.
pub fn is_whole(message: &impl Message, bytes: &[u8]) -> bool {
    message.encoded_len() == bytes.len()
}

/// A field behind the body would stand behind the command's head, and replace the head's own.
fn is_one_field(mut bytes: Bytes) -> Result<(), BodyError> {
    if bytes.is_empty() {
        return Err(WireError::Missing("body").into());
    }
    let (field, kind) = encoding::decode_key(&mut bytes)?;
    let whole = kind == WireType::LengthDelimited && encoding::decode_varint(&mut bytes)? == bytes.remaining() as u64;
    if field >= REQUEST_FIELD && whole { Ok(()) } else { Err(BodyError::NotOneField) }
}

/// The refusal of a command that a group cannot decide before its rules version is raised to `needed`.
pub fn too_early(group: u32, needed: u32, code: RefusalCode) -> Reply {
    let why = match needed {
        RULES_WITH_SETTINGS => "whose options stand in the nodes' files".to_owned(),
        _ => format!("and this needs version {needed}"),
    };
    let message = format!(
        "The group decides by rules version {group}, {why}. `ocsctl upgrade finalize` raises the version once every node runs a \
         release that knows version {needed}, or names the nodes that do not"
    );
    Refusal::new(code, message).into()
}

fn unknown_rules(version: u32) -> Reply {
    let message = format!("This release knows the rules up to version {RULES_NEWEST}, not {version}");
    Refusal::new(RefusalCode::Unavailable, message).into()
}

#[cfg(test)]
mod tests {
    use outbound::{Attributes, ReplyBody, Resource, Value, Verb, key};

    use super::*;

    fn add_record(phone: &str) -> Body {
        let mut attributes = Attributes::default();
        attributes.set(key::PHONE, Value::text(phone));
        let (verb, resource) = (Verb::AddRecord, Resource::List("demo".into()));
        let (tenant, principal) = (String::new(), String::new());
        Body::Request(Request { verb, resource, attributes, tenant, principal, idempotency_key: None })
    }

    fn request(phone: &str) -> (Request, wire::Request) {
        let Body::Request(request) = add_record(phone) else { panic!("a request") };
        (request.clone(), outbound::wire::request_to_wire(request))
    }

    #[test]
    fn a_command_above_the_limit_is_refused() {
        let refused = EncodedBody::of(add_record(&"5".repeat(COMMAND_BYTES_MAX))).check_size().unwrap_err();
        assert!(matches!(refused.body, ReplyBody::Refused(refusal) if refusal.code == RefusalCode::Limit));
    }

    #[test]
    fn the_bytes_of_the_link_and_of_a_peer_are_those_of_the_log() {
        let (request, wire) = request("5551234");
        let of_domain = EncodedBody::of(Body::Request(request.clone()));
        let of_link = EncodedBody::of_request(&wire.encode_to_vec(), true, request);
        let of_peer = EncodedBody::read(of_domain.bytes.clone()).unwrap();
        assert_eq!(of_link.bytes, of_domain.bytes);
        assert_eq!(of_peer.bytes, of_domain.bytes);
        assert_eq!((of_peer.tenant, of_peer.principal), (of_link.tenant, of_link.principal));
    }

    #[test]
    fn a_field_of_a_newer_release_does_not_reach_the_log() {
        let (request, wire) = request("1");
        let known = EncodedBody::of(Body::Request(request.clone()));
        let mut newer = wire.encode_to_vec();
        newer.extend([0xa0, 0x06, 0x01]); // field 100, a number
        let peer = EncodedBody::of_request(&newer, true, request.clone());
        assert_eq!(EncodedBody::read(peer.bytes).unwrap().bytes, known.bytes);
        assert_eq!(EncodedBody::of_request(&newer, false, request).bytes, known.bytes);
    }

    #[test]
    fn a_body_that_is_not_one_field_is_refused() {
        let body = EncodedBody::of(add_record("1")).bytes;
        let stamp = wire::Command { stamp_us: 1, ..wire::Command::default() }.encode_to_vec();
        let behind = Bytes::from([body.to_vec(), stamp.clone()].concat());
        let twice = Bytes::from([body.to_vec(), body.to_vec()].concat());
        for wrong in [Bytes::from(stamp), behind, twice, body.slice(..body.len() - 1), Bytes::new()] {
            assert!(EncodedBody::read(wrong.clone()).is_err(), "{wrong:?}");
        }
    }
}
