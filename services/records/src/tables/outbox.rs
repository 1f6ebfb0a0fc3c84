//! Effects that are kept until a reader acknowledges them, by number; from rules version 4 on.
//!
//! A row has its effect as number and bytes of a kind: a kind that this release does not know keeps its bytes.

use outbound::{Effect, Handle, effect_kind};
use prost::Message;

use super::{
    Key,
    bytes::{Encoded, KeyBytes, KeyParts, message, put},
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};

/// An effect of a decision.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct OutboxRow {
    /// The epoch of the decision: a group that was forced or restored gives numbers again, under a higher epoch.
    #[prost(uint64, tag = "1")]
    pub epoch: u64,
    /// Stamp of the command, microseconds since 1970.
    #[prost(uint64, tag = "2")]
    pub stamp_us: u64,
    /// The kind ([`effect_kind`]).
    #[prost(uint32, tag = "3")]
    pub kind: u32,
    /// The effect, as its kind has it.
    #[prost(bytes = "vec", tag = "4")]
    pub body: Vec<u8>,
}

/// The fields of all known kinds; each kind has some of them.
#[derive(Clone, PartialEq, Message)]
struct EffectBody {
    #[prost(uint64, tag = "1")]
    handle: u64,
    /// Absent: the whole tenant.
    #[prost(uint32, optional, tag = "2")]
    list: Option<u32>,
    #[prost(string, tag = "3")]
    name: String,
    #[prost(uint64, tag = "4")]
    records: u64,
    #[prost(uint32, tag = "5")]
    version_before: u32,
    #[prost(uint32, tag = "6")]
    version: u32,
    #[prost(string, tag = "7")]
    key: String,
    #[prost(string, tag = "8")]
    value_before: String,
    #[prost(string, tag = "9")]
    value: String,
}

impl OutboxRow {
    /// The row of an effect.
    pub(crate) fn new(epoch: u64, stamp_us: u64, effect: &Effect) -> Self {
        Self { epoch, stamp_us, kind: effect.kind(), body: body_of(effect) }
    }

    /// The effect; bytes that this release cannot read are an effect of a later kind.
    pub fn effect(&self) -> Effect {
        let known = message(&self.body).and_then(|body| effect_of(self.kind, body));
        known.unwrap_or_else(|| Effect::Later { kind: self.kind, body: self.body.clone() })
    }
}

fn body_of(effect: &Effect) -> Vec<u8> {
    let none = EffectBody::default;
    let body = match effect {
        Effect::RecordAdded { handle, list } | Effect::RecordChanged { handle, list } => {
            EffectBody { handle: handle.0, list: Some(*list), ..none() }
        }
        Effect::DoNotCallEntered { list } | Effect::DoNotCallRemoved { list } => EffectBody { list: *list, ..none() },
        Effect::ListCreated { list } => EffectBody { list: Some(*list), ..none() },
        Effect::ListDeletionBegun { list, name, records } => {
            EffectBody { list: Some(*list), name: name.clone(), records: *records, ..none() }
        }
        Effect::ListDeleted { list, name } => EffectBody { list: Some(*list), name: name.clone(), ..none() },
        Effect::RulesRaised { from, to } => EffectBody { version_before: *from, version: *to, ..none() },
        Effect::SettingChanged { key, from, to } => {
            EffectBody { key: key.clone(), value_before: from.clone(), value: to.clone(), ..none() }
        }
        Effect::Later { body, .. } => return body.clone(),
    };
    body.encode_to_vec()
}

/// The effect of a kind; none: the kind is unknown, or the body lacks a field.
fn effect_of(kind: u32, body: EffectBody) -> Option<Effect> {
    let EffectBody { handle, list, name, records, version_before, version, key, value_before, value } = body;
    let handle = Handle(handle);
    Some(match kind {
        effect_kind::RECORD_ADDED => Effect::RecordAdded { handle, list: list? },
        effect_kind::RECORD_CHANGED => Effect::RecordChanged { handle, list: list? },
        effect_kind::DO_NOT_CALL_ENTERED => Effect::DoNotCallEntered { list },
        effect_kind::DO_NOT_CALL_REMOVED => Effect::DoNotCallRemoved { list },
        effect_kind::LIST_CREATED => Effect::ListCreated { list: list? },
        effect_kind::LIST_DELETION_BEGUN => Effect::ListDeletionBegun { list: list?, name, records },
        effect_kind::LIST_DELETED => Effect::ListDeleted { list: list?, name },
        effect_kind::RULES_RAISED => Effect::RulesRaised { from: version_before, to: version },
        effect_kind::SETTING_CHANGED => Effect::SettingChanged { key, from: value_before, to: value },
        _ => return None,
    })
}

pub(super) fn encode_key(number: &u64) -> Encoded {
    KeyBytes::default().u64(*number).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::Outbox(parts.u64()?))
}

pub(super) fn encode_row(row: &OutboxRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<OutboxRow> {
    message(bytes)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let added = OutboxRow::new(2, 7, &Effect::RecordAdded { handle: Handle(300), list: 101 });
    let later = OutboxRow { kind: 31, body: vec![0xff], ..OutboxRow::default() };
    vec![
        sample(Key::Outbox(3), Row::Outbox(added), "0000000000000003", "080210071801220508ac021065"),
        sample(Key::Outbox(256), Row::Outbox(later), "0000000000000100", "181f2201ff"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_of_each() -> Vec<Effect> {
        let (handle, list, name) = (Handle(7), 101, || "demo".to_owned());
        vec![
            Effect::RecordAdded { handle, list },
            Effect::RecordChanged { handle, list },
            Effect::DoNotCallEntered { list: None },
            Effect::DoNotCallRemoved { list: Some(list) },
            Effect::ListCreated { list },
            Effect::ListDeletionBegun { list, name: name(), records: 5 },
            Effect::ListDeleted { list, name: name() },
            Effect::RulesRaised { from: 4, to: 5 },
            Effect::SettingChanged { key: "reject_pause".to_owned(), from: "60".to_owned(), to: "5".to_owned() },
            Effect::Later { kind: 31, body: vec![0xff] },
        ]
    }

    #[test]
    fn every_effect_comes_back_from_its_row() {
        let effects = one_of_each();
        let kinds: Vec<u32> = effects.iter().map(Effect::kind).collect();
        let known = effect_kind::ALL.map(|(kind, _)| kind);
        assert_eq!(kinds, [known.as_slice(), &[31]].concat(), "every kind is in this test");
        for effect in effects {
            let row = OutboxRow::new(1, 2, &effect);
            let read = decode_row(&Row::Outbox(row.clone()).encode()).unwrap();
            assert_eq!((read.effect(), read), (effect, row));
        }
    }

    #[test]
    fn an_effect_of_a_later_kind_keeps_its_bytes() {
        let row = OutboxRow { kind: 10, body: vec![8, 1, 0xf0], ..OutboxRow::default() };
        assert_eq!(row.effect(), Effect::Later { kind: 10, body: row.body.clone() });
        let unreadable = OutboxRow { kind: effect_kind::LIST_CREATED, ..row };
        assert_eq!(OutboxRow::new(0, 0, &unreadable.effect()), unreadable, "a known kind with other bytes, too");
    }
}
