//! Bytes of keys and rows: the parts of a key in order, and rows as protobuf messages.
//!
//! Knows no table. Called by the file of every table.

use prost::Message;
use smallvec::SmallVec;

/// The bytes of a key. Most keys fit inline without an allocation, a request's key with its table's tag included.
pub type Encoded = SmallVec<[u8; 36]>;

/// Bytes of a key, growing.
#[derive(Default)]
pub(super) struct KeyBytes(pub(super) Encoded);

impl KeyBytes {
    #[inline]
    pub(super) fn rest(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    #[inline]
    pub(super) fn u8(self, number: u8) -> Self {
        self.rest(&[number])
    }

    #[inline]
    pub(super) fn u32(self, number: u32) -> Self {
        self.rest(&number.to_be_bytes())
    }

    #[inline]
    pub(super) fn u64(self, number: u64) -> Self {
        self.rest(&number.to_be_bytes())
    }

    /// Length first: different sequences of parts never encode to the same bytes. The rules bound texts in keys.
    pub(super) fn text(self, text: &[u8]) -> Self {
        let length = u16::try_from(text.len()).expect("the rules bound every text in a key");
        self.rest(&length.to_be_bytes()).rest(text)
    }
}

/// Bytes of a key, taken apart from the front.
pub(super) struct KeyParts<'a>(pub(super) &'a [u8]);

impl<'a> KeyParts<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(length)?;
        self.0 = tail;
        Some(head)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    pub(super) fn u128(&mut self) -> Option<u128> {
        Some(u128::from_be_bytes(self.take(16)?.try_into().ok()?))
    }

    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let length = u16::from_be_bytes(self.take(2)?.try_into().ok()?);
        self.take(length.into())
    }

    pub(super) fn string(&mut self) -> Option<String> {
        String::from_utf8(self.text()?.to_vec()).ok()
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub(super) fn rest_string(&mut self) -> Option<String> {
        String::from_utf8(self.rest().to_vec()).ok()
    }
}

/// Appends the bytes of a message.
pub(super) fn put(message: &impl Message, bytes: &mut Vec<u8>) {
    message.encode(bytes).expect("a Vec grows");
}

/// The message of these bytes.
pub(super) fn message<M: Message + Default>(bytes: &[u8]) -> Option<M> {
    M::decode(bytes).ok()
}
