//! Names of rows: tables, keys, and their bytes.
//!
//! Encoded keys are big-endian and begin with the searched part: the order of bytes is the order of keys, and a prefix of bytes
//! is a prefix of parts. An encoded key never contains the table's tag: the engine separates tables by [`Table::tag`]. Called by
//! the rules and by every engine.

use outbound::{Handle, RequestId};
use smallvec::SmallVec;

/// The bytes of a key. Most keys fit inline without an allocation, a request's key with its table's tag included.
pub type Encoded = SmallVec<[u8; 36]>;

/// A kind of row. Its number is the tag in the engine and in the digest, and is never reused for another table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Table {
    /// Counters of the state, one row.
    Meta = 1,
    /// Calling lists by DBID.
    List = 2,
    /// Records by handle.
    Record = 3,
    /// Do-Not-Call entries.
    Dnc = 4,
    /// Decided request ids with their replies (R7 unknown-is-not-failed).
    Request = 5,
    /// Idempotency keys with their replies (spec 6, Exactly once).
    Idempotency = 6,
    /// Applied import batches.
    ImportBatch = 7,
    /// Changes of the role, by term.
    RoleChange = 8,
    /// Rules version and options of the rules, one row; none: rules version 1.
    Settings = 9,
    /// Index: content of a request without a key, to its request id (spec 6, Exactly once). An engine drops a row that points to
    /// a forgotten request ([`crate::Change::forgotten_contents`]).
    Content = 32,
    /// Index: idempotency keys by age.
    KeyByAge = 33,
    /// Index: list by name.
    ListByName = 34,
    /// Index: record by list and record_id.
    RecordById = 35,
    /// Index: record by phone in the form of a rules version.
    RecordByPhone = 36,
    /// Index: record by list, chain and position.
    RecordByChain = 37,
}

impl Table {
    /// All tables, in the order of their tags.
    pub const ALL: [Self; 15] = [
        Self::Meta,
        Self::List,
        Self::Record,
        Self::Dnc,
        Self::Request,
        Self::Idempotency,
        Self::ImportBatch,
        Self::RoleChange,
        Self::Settings,
        Self::Content,
        Self::KeyByAge,
        Self::ListByName,
        Self::RecordById,
        Self::RecordByPhone,
        Self::RecordByChain,
    ];

    /// The table's number.
    pub const fn tag(self) -> u8 {
        self as u8
    }

    /// The table of a number.
    pub fn from_tag(tag: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.tag() == tag)
    }

    /// Whether the digest covers the table's rows; indexes are derived from covered rows.
    pub const fn is_state(self) -> bool {
        self.tag() < Self::Content.tag()
    }
}

/// The scope of a Do-Not-Call entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DncScope {
    /// A whole tenant.
    Tenant(String),
    /// One list, by DBID.
    List(u32),
}

/// The subject of a Do-Not-Call entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DncSubject {
    /// A phone in the form of a rules version (see [`crate::phone_form`]).
    Phone(String),
    /// A customer id.
    Customer(String),
}

/// The owner of idempotency keys and of a replay window (spec 6, Exactly once).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Scope {
    /// At most 255 bytes; empty: the default tenant.
    pub tenant: String,
    /// At most 255 bytes; empty: not authenticated.
    pub principal: String,
}

/// The name of a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the tables document the parts
pub enum Key {
    Meta,
    List(u32),
    Record(Handle),
    Dnc(DncScope, DncSubject),
    Request(RequestId),
    Idempotency(Scope, Vec<u8>),
    /// Ordered by the last row: a single ordered read gives the batches that end at or after a row.
    ImportBatch {
        list: u32,
        import_id: Vec<u8>,
        last_row: u64,
        first_row: u64,
    },
    RoleChange(u64),
    Settings,
    Content([u8; 16], Scope),
    KeyByAge(u64),
    ListByName(String),
    RecordById {
        list: u32,
        record_id: u64,
    },
    RecordByPhone {
        phone: String,
        handle: Handle,
    },
    RecordByChain {
        list: u32,
        chain_id: u64,
        chain_n: u64,
    },
}

impl Key {
    /// The table of the row.
    pub const fn table(&self) -> Table {
        match self {
            Self::Meta => Table::Meta,
            Self::List(_) => Table::List,
            Self::Record(_) => Table::Record,
            Self::Dnc(..) => Table::Dnc,
            Self::Request(_) => Table::Request,
            Self::Idempotency(..) => Table::Idempotency,
            Self::ImportBatch { .. } => Table::ImportBatch,
            Self::RoleChange(_) => Table::RoleChange,
            Self::Settings => Table::Settings,
            Self::Content(..) => Table::Content,
            Self::KeyByAge(_) => Table::KeyByAge,
            Self::ListByName(_) => Table::ListByName,
            Self::RecordById { .. } => Table::RecordById,
            Self::RecordByPhone { .. } => Table::RecordByPhone,
            Self::RecordByChain { .. } => Table::RecordByChain,
        }
    }

    /// Its bytes, without the table's tag; unique in the table.
    pub fn encode(&self) -> Encoded {
        let bytes = Bytes::default();
        match self {
            // keys of every update are written in one piece
            Self::Record(handle) => return Encoded::from_slice(&handle.0.to_be_bytes()),
            Self::Request(id) => return request_key(*id),
            Self::Content(content, scope) if *scope == Scope::default() => return content_key_without_scope(content),
            Self::Meta | Self::Settings => bytes,
            Self::List(dbid) => bytes.u32(*dbid),
            Self::Dnc(scope, subject) => subject.encode(scope.encode(bytes)),
            Self::Idempotency(scope, key) => scope.encode(bytes).rest(key),
            Self::ImportBatch { list, import_id, last_row, first_row } => {
                bytes.u32(*list).text(import_id).u64(*last_row).u64(*first_row)
            }
            Self::Content(content, scope) => scope.encode(bytes.rest(content)),
            Self::RoleChange(term) => bytes.u64(*term),
            Self::KeyByAge(sequence) => bytes.u64(*sequence),
            Self::ListByName(name) => bytes.rest(name.as_bytes()),
            Self::RecordById { list, record_id } => bytes.u32(*list).u64(*record_id),
            Self::RecordByPhone { phone, handle } => bytes.text(phone.as_bytes()).u64(handle.0),
            Self::RecordByChain { list, chain_id, chain_n } => bytes.u32(*list).u64(*chain_id).u64(*chain_n),
        }
        .0
    }

    /// The key of these bytes; none if no key of the table has them.
    pub fn decode(table: Table, bytes: &[u8]) -> Option<Self> {
        let mut parts = Parts(bytes);
        let key = match table {
            Table::Meta => Self::Meta,
            Table::List => Self::List(parts.u32()?),
            Table::Record => Self::Record(Handle(parts.u64()?)),
            Table::Dnc => Self::Dnc(DncScope::decode(&mut parts)?, DncSubject::decode(&mut parts)?),
            Table::Request => Self::Request(parts.request_id()?),
            Table::Idempotency => Self::Idempotency(Scope::decode(&mut parts)?, parts.rest().to_vec()),
            Table::ImportBatch => Self::ImportBatch {
                list: parts.u32()?,
                import_id: parts.text()?.to_vec(),
                last_row: parts.u64()?,
                first_row: parts.u64()?,
            },
            Table::RoleChange => Self::RoleChange(parts.u64()?),
            Table::Settings => Self::Settings,
            Table::Content => Self::Content(parts.take(16)?.try_into().ok()?, Scope::decode(&mut parts)?),
            Table::KeyByAge => Self::KeyByAge(parts.u64()?),
            Table::ListByName => Self::ListByName(parts.rest_string()?),
            Table::RecordById => Self::RecordById { list: parts.u32()?, record_id: parts.u64()? },
            Table::RecordByPhone => Self::RecordByPhone { phone: parts.string()?, handle: Handle(parts.u64()?) },
            Table::RecordByChain => {
                Self::RecordByChain { list: parts.u32()?, chain_id: parts.u64()?, chain_n: parts.u64()? }
            }
        };
        parts.0.is_empty().then_some(key)
    }
}

/// Marks the incarnation of an id with a token: such ids sort after all other ids of their node, and their keys are longer. No
/// incarnation is that high.
const WITH_TOKEN: u64 = 1 << 63;
/// Bytes of a counter after a token: such a key then fits inline with the table's tag.
const SHORT_COUNTER_BYTES: usize = 7;
/// No incarnation gives this many ids. An id with a higher counter shares this key, where its content distinguishes the request.
const SHORT_COUNTER_MAX: u64 = (1 << (8 * SHORT_COUNTER_BYTES)) - 1;

fn request_key(id: RequestId) -> Encoded {
    let mut bytes = [0; 28 + SHORT_COUNTER_BYTES];
    bytes[..4].copy_from_slice(&id.node.to_be_bytes());
    if id.token == 0 {
        bytes[4..12].copy_from_slice(&id.incarnation.to_be_bytes());
        bytes[12..20].copy_from_slice(&id.counter.to_be_bytes());
        return Encoded::from_slice(&bytes[..20]);
    }
    bytes[4..12].copy_from_slice(&(id.incarnation | WITH_TOKEN).to_be_bytes());
    bytes[12..28].copy_from_slice(&id.token.to_be_bytes());
    let counter = id.counter.min(SHORT_COUNTER_MAX).to_be_bytes();
    bytes[28..].copy_from_slice(&counter[8 - SHORT_COUNTER_BYTES..]);
    Encoded::from_slice(&bytes)
}

/// The prefix of a node's ids with a token.
pub fn ids_with_token(node: u32) -> Encoded {
    Bytes::default().u32(node).u64(WITH_TOKEN).0
}

/// The content, then two texts of length 0.
fn content_key_without_scope(content: &[u8; 16]) -> Encoded {
    let mut bytes = [0; 20];
    bytes[..16].copy_from_slice(content);
    Encoded::from_slice(&bytes)
}

/// The prefix of the index entries of a phone.
pub(crate) fn phone_prefix(phone: &str) -> Vec<u8> {
    Bytes::default().text(phone.as_bytes()).0.into_vec()
}

/// The prefix of the index entries of a chain.
pub(crate) fn chain_prefix(list: u32, chain_id: u64) -> Vec<u8> {
    Bytes::default().u32(list).u64(chain_id).0.into_vec()
}

/// The prefix of the batches of an import.
pub(crate) fn import_prefix(list: u32, import_id: &[u8]) -> Vec<u8> {
    Bytes::default().u32(list).text(import_id).0.into_vec()
}

/// The prefix of the batches of all imports of a list, and of the entries of an index by list.
pub(crate) fn list_prefix(list: u32) -> Vec<u8> {
    Bytes::default().u32(list).0.into_vec()
}

/// The prefix of the request ids of a node.
pub(crate) fn node_prefix(node: u32) -> Vec<u8> {
    Bytes::default().u32(node).0.into_vec()
}

impl DncScope {
    fn encode(&self, bytes: Bytes) -> Bytes {
        match self {
            Self::Tenant(name) => bytes.u8(0).text(name.as_bytes()),
            Self::List(dbid) => bytes.u8(1).u32(*dbid),
        }
    }

    fn decode(parts: &mut Parts<'_>) -> Option<Self> {
        match parts.u8()? {
            0 => Some(Self::Tenant(parts.string()?)),
            1 => Some(Self::List(parts.u32()?)),
            _ => None,
        }
    }
}

impl DncSubject {
    fn encode(&self, bytes: Bytes) -> Bytes {
        match self {
            Self::Phone(phone) => bytes.u8(0).rest(phone.as_bytes()),
            Self::Customer(customer) => bytes.u8(1).rest(customer.as_bytes()),
        }
    }

    fn decode(parts: &mut Parts<'_>) -> Option<Self> {
        match parts.u8()? {
            0 => Some(Self::Phone(parts.rest_string()?)),
            1 => Some(Self::Customer(parts.rest_string()?)),
            _ => None,
        }
    }
}

impl Scope {
    fn encode(&self, bytes: Bytes) -> Bytes {
        bytes.text(self.tenant.as_bytes()).text(self.principal.as_bytes())
    }

    fn decode(parts: &mut Parts<'_>) -> Option<Self> {
        Some(Self { tenant: parts.string()?, principal: parts.string()? })
    }
}

/// Bytes of a key, growing.
#[derive(Default)]
struct Bytes(Encoded);

impl Bytes {
    fn rest(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn u8(self, number: u8) -> Self {
        self.rest(&[number])
    }

    fn u32(self, number: u32) -> Self {
        self.rest(&number.to_be_bytes())
    }

    fn u64(self, number: u64) -> Self {
        self.rest(&number.to_be_bytes())
    }

    /// Length first: different sequences of parts never encode to the same bytes. The rules bound texts in keys.
    fn text(self, text: &[u8]) -> Self {
        let length = u16::try_from(text.len()).expect("the rules bound every text in a key");
        self.rest(&length.to_be_bytes()).rest(text)
    }
}

/// Bytes of a key, taken apart from the front.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_be_bytes(self.take(2)?.try_into().ok()?);
        self.take(length.into())
    }

    fn string(&mut self) -> Option<String> {
        String::from_utf8(self.text()?.to_vec()).ok()
    }

    fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    fn rest_string(&mut self) -> Option<String> {
        String::from_utf8(self.rest().to_vec()).ok()
    }

    fn u128(&mut self) -> Option<u128> {
        Some(u128::from_be_bytes(self.take(16)?.try_into().ok()?))
    }

    fn request_id(&mut self) -> Option<RequestId> {
        let (node, incarnation) = (self.u32()?, self.u64()?);
        if self.0.len() == 8 {
            return Some(RequestId { node, incarnation, token: 0, counter: self.u64()? });
        }
        let incarnation = incarnation.checked_sub(WITH_TOKEN)?;
        let token = self.u128().filter(|token| *token != 0)?;
        let mut counter = [0; 8];
        counter[8 - SHORT_COUNTER_BYTES..].copy_from_slice(self.take(SHORT_COUNTER_BYTES)?);
        Some(RequestId { node, incarnation, token, counter: u64::from_be_bytes(counter) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_of_each() -> Vec<Key> {
        let scope = Scope { tenant: "t".into(), principal: "p".into() };
        vec![
            Key::Meta,
            Key::List(101),
            Key::Record(Handle(15)),
            Key::Dnc(DncScope::Tenant("t".into()), DncSubject::Phone("+1".into())),
            Key::Dnc(DncScope::List(101), DncSubject::Customer("c".into())),
            Key::Request(RequestId { node: 1, incarnation: 2, token: 0, counter: 3 }),
            Key::Request(RequestId { node: 1, incarnation: 2, token: 9 << 64, counter: 3 }),
            Key::Idempotency(scope.clone(), b"key".to_vec()),
            Key::ImportBatch { list: 101, import_id: vec![7; 32], last_row: 500, first_row: 1 },
            Key::RoleChange(3),
            Key::Settings,
            Key::Content([9; 16], scope),
            Key::KeyByAge(4),
            Key::ListByName("CallingList1".into()),
            Key::RecordById { list: 101, record_id: 1 },
            Key::RecordByPhone { phone: "+1".into(), handle: Handle(15) },
            Key::RecordByChain { list: 101, chain_id: 1, chain_n: 0 },
        ]
    }

    #[test]
    fn every_key_comes_back_from_its_bytes() {
        for key in one_of_each() {
            assert_eq!(Key::decode(key.table(), &key.encode()), Some(key));
        }
    }

    #[test]
    fn bytes_that_are_too_short_or_too_long_are_no_key() {
        for key in one_of_each() {
            let bytes = key.encode();
            let longer = [bytes.as_slice(), &[0]].concat();
            assert_ne!(Key::decode(key.table(), &longer), Some(key.clone()));
            if let Some((_, shorter)) = bytes.split_last() {
                assert_ne!(Key::decode(key.table(), shorter), Some(key));
            }
        }
    }

    #[test]
    fn bytes_are_in_the_order_of_the_parts() {
        let chain = |chain_id, chain_n| Key::RecordByChain { list: 101, chain_id, chain_n }.encode();
        assert!(chain(1, 255) < chain(1, 256) && chain(1, 256) < chain(2, 0));
        let id =
            |incarnation, token, counter| Key::Request(RequestId { node: 1, incarnation, token, counter }).encode();
        assert!(id(1, 0, 1000) < id(2, 0, 1));
        assert!(id(1, 1, 1000) < id(1, 2, 1) && id(1, 2, 1) < id(2, 1, 1));
        let begin = ids_with_token(1);
        assert!(id(9, 0, 9) < begin && begin < id(0, 1, 0) && id(7, 1, 1) < ids_with_token(2));
    }

    #[test]
    fn tags_are_unique_and_lead_back_to_their_table() {
        for table in Table::ALL {
            assert_eq!(Table::from_tag(table.tag()), Some(table));
        }
        assert_eq!(Table::from_tag(0), None);
    }
}
