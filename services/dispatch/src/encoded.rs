//! The body of a command as bytes: decoded once, for the check, and put into the log unchanged.
//!
//! An engine puts the head in front of the same bytes when the command is stamped. Never decides anything about a record. Called by
//! the link, by [`crate::Dispatch`] and by the engines.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use chassis::spans::SpanContext;
use ocs_proto::outbound as wire;
use outbound::{
    Body, COMMAND_BYTES_MAX, RULES_FIRST, RULES_NEWEST, RULES_WITH_SETTINGS, Refusal, RefusalCode, Reply, Request,
    wire::WireError,
};
use prost::{
    DecodeError, Message,
    encoding::{self, WireType},
};

/// Upper bound of a command's head without its names: nine fields, 16 random bytes and a token among them.
pub const HEAD_BYTES_MAX: usize = 128;
/// Number of a client's request among the fields of the wire's `Command`.
const REQUEST_FIELD: u32 = 10;
/// Numbers of tenant and principal among the fields of the wire's `Request`.
const TENANT_FIELD: u32 = 5;
const PRINCIPAL_FIELD: u32 = 6;

/// A body as its field of the wire's `Command`, number and length included, and the fields of the body that the head repeats.
#[derive(Debug, Clone, Default)]
pub struct EncodedBody {
    bytes: Bytes,
    tenant: String,
    principal: String,
    /// The operator of a command that is no client's request; empty: none.
    operator: String,
    /// The caller's address, where the audit has a use for it; empty: not known.
    address: String,
    rules: RulesOf,
    /// The span that the command's work belongs to; none: the request is not traced. Never part of the command.
    trace: Option<SpanContext>,
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
        Self { bytes, tenant, principal, operator: String::new(), address: String::new(), rules, trace: None }
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
        let (operator, address) = (String::new(), String::new());
        Self { bytes: field.freeze(), tenant, principal, operator, address, rules, trace: None }
    }

    /// As [`EncodedBody::of_request`], for a client that an entrance knows: tenant and principal stand behind the client's own
    /// bytes, so that a known client costs no second encoding.
    pub fn of_known(bytes: &[u8], whole: bool, mut request: Request, tenant: String, principal: String) -> Self {
        let adds_tenant = request.tenant != tenant;
        if !whole || !request.principal.is_empty() || (adds_tenant && !request.tenant.is_empty()) {
            (request.tenant, request.principal) = (tenant, principal);
            return Self::of(Body::Request(request));
        }
        let mut known = Vec::with_capacity(bytes.len() + tenant.len() + principal.len() + HEAD_BYTES_MAX);
        known.extend_from_slice(bytes);
        if adds_tenant {
            encoding::string::encode(TENANT_FIELD, &tenant, &mut known);
        }
        if !principal.is_empty() {
            encoding::string::encode(PRINCIPAL_FIELD, &principal, &mut known);
        }
        (request.tenant, request.principal) = (tenant, principal);
        Self::of_request(&known, true, request)
    }

    /// Names the operator of a command that is no client's request, in the command's head.
    #[must_use]
    pub fn by(mut self, operator: &str) -> Self {
        operator.clone_into(&mut self.operator);
        self
    }

    /// Names the caller's address, in the command's head.
    #[must_use]
    pub fn at(mut self, address: &str) -> Self {
        address.clone_into(&mut self.address);
        self
    }

    /// The caller's address; empty: not known.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Puts the work on the command into a span.
    #[must_use]
    pub fn traced(self, trace: Option<SpanContext>) -> Self {
        Self { trace, ..self }
    }

    /// The span that the work on the command belongs to.
    pub fn trace(&self) -> Option<SpanContext> {
        self.trace
    }

    /// The operator whom no field of the body names; empty: none.
    pub fn operator(&self) -> &str {
        &self.operator
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
        let (tenant, principal) = (tenant.to_owned(), principal.to_owned());
        Ok(Self { tenant, principal, operator: String::new(), address: String::new(), rules, bytes, trace: None })
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

    /// The bytes, the names of tenant and principal (of the client, else of the operator), and the caller's address.
    pub fn into_parts(self) -> (Bytes, String, String, String) {
        let principal = if self.principal.is_empty() { self.operator } else { self.principal };
        (self.bytes, self.tenant, principal, self.address)
    }

    fn head_bytes_max(&self) -> usize {
        HEAD_BYTES_MAX + self.tenant.len() + self.principal.len().max(self.operator.len()) + self.address.len()
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
    fn tenant_and_principal_of_a_known_client_are_in_body_and_head_whatever_the_client_sent() {
        let (request, wire) = request("5551234");
        let known = Request { tenant: "north".into(), principal: "crm".into(), ..request.clone() };
        let of_north = Request { tenant: "north".into(), ..request.clone() };
        let forged = Request { tenant: "south".into(), principal: "root".into(), ..request.clone() };
        let bytes_of = |request: &Request| outbound::wire::request_to_wire(request.clone()).encode_to_vec();
        let newer = [wire.encode_to_vec(), vec![0xa0, 0x06, 0x01]].concat(); // field 100, a number
        for (bytes, whole, sent) in [
            (wire.encode_to_vec(), true, request.clone()),
            (bytes_of(&of_north), true, of_north),
            (bytes_of(&forged), true, forged),
            (newer, false, request.clone()),
        ] {
            let body = EncodedBody::of_known(&bytes, whole, sent, "north".into(), "crm".into());
            assert_eq!((body.tenant.as_str(), body.principal.as_str()), ("north", "crm"));
            let command = wire::Command::decode(body.bytes.clone()).unwrap();
            assert!(is_whole(&command, &body.bytes), "a peer passes the bytes on unchanged");
            assert_eq!(outbound::wire::body_from_wire(command.body).unwrap(), Body::Request(known.clone()));
        }
        let nobody = EncodedBody::of_known(&wire.encode_to_vec(), true, request.clone(), String::new(), String::new());
        assert_eq!(nobody.bytes, EncodedBody::of_request(&wire.encode_to_vec(), true, request).bytes);
    }

    #[test]
    fn an_operator_is_named_by_the_head_of_a_command_that_is_no_clients() {
        let body = EncodedBody::of(Body::DeleteList("demo".into()));
        let (bytes, _, principal, address) = body.clone().by("maria").at("10.0.0.9:4711").into_parts();
        assert_eq!((bytes, principal.as_str(), address.as_str()), (body.bytes, "maria", "10.0.0.9:4711"));
        let Body::Request(request) = add_record("1") else { panic!("a request") };
        let of_client = EncodedBody::of(Body::Request(Request { principal: "crm".into(), ..request }));
        assert_eq!(of_client.by("maria").into_parts().2, "crm");
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
