//! Index: records that a campaign may hand out, by list, class, agent and window, in the order of their hand-out. The row is empty,
//! all is in the key.
//!
//! A Ready record of a type that is dialled stands here unless its chain holds it back (`RecordRow::waits`) or a pause or limit
//! does (`RecordRow::not_before_s`, see `waiting_until`). The end of a key, 16 bytes, is the order within a window.

use outbound::{Handle, record_status, record_type};

use super::{
    EmptyRow, Key, RecordRow,
    bytes::{Encoded, KeyBytes, KeyParts},
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};

/// The class of a record that waits for its hand-out: the order in which a group asks (spec 9, The next record).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// A personal callback of this agent: by time and handle.
    Personal(String),
    /// A campaign callback, or a personal one without an agent: by time and handle.
    Callback,
    /// General: by chain_id and chain_n.
    General,
}

/// The zone of a window, as a record names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WindowZone {
    /// The list's zone.
    OfList,
    /// The configured zone of a DBID, else the list's.
    Dbid(i64),
    /// An IANA name.
    Name(String),
}

/// When a record may be called: seconds since midnight in a zone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Window {
    /// daily_from.
    pub from: u32,
    /// daily_till.
    pub till: u32,
    /// Its zone.
    pub zone: WindowZone,
}

impl Class {
    /// The class of a record that is Ready; none: its type is not dialled.
    pub fn of(record: &RecordRow) -> Option<Self> {
        let personal = || match record.agent_id.as_str() {
            "" => Self::Callback,
            agent => Self::Personal(agent.to_owned()),
        };
        match record.record_type {
            record_type::GENERAL => Some(Self::General),
            record_type::CAMPAIGN_RESCHEDULED | record_type::CAMPAIGN_CALLBACK => Some(Self::Callback),
            record_type::PERSONAL_RESCHEDULED | record_type::PERSONAL_CALLBACK => Some(personal()),
            _ => None,
        }
    }

    fn encode(&self, bytes: KeyBytes) -> KeyBytes {
        match self {
            Self::Personal(agent) => bytes.u8(0).text(agent.as_bytes()),
            Self::Callback => bytes.u8(1),
            Self::General => bytes.u8(2),
        }
    }

    fn decode(parts: &mut KeyParts<'_>) -> Option<Self> {
        match parts.u8()? {
            0 => Some(Self::Personal(parts.string()?)),
            1 => Some(Self::Callback),
            2 => Some(Self::General),
            _ => None,
        }
    }
}

impl Window {
    /// The window of a record.
    pub fn of(record: &RecordRow) -> Self {
        let seconds = |at: i64| u32::try_from(at).unwrap_or(0);
        let zone = match (record.tz_name.as_str(), record.tz_dbid) {
            ("", None | Some(0)) => WindowZone::OfList,
            // a record given by a declared zone's name keeps the zone's DBID, and no name
            ("", Some(dbid)) => WindowZone::Dbid(dbid),
            (name, _) => WindowZone::Name(name.to_owned()),
        };
        Self { from: seconds(record.daily_from), till: seconds(record.daily_till), zone }
    }

    fn encode(&self, bytes: KeyBytes) -> KeyBytes {
        let bytes = bytes.u32(self.from).u32(self.till);
        match &self.zone {
            WindowZone::OfList => bytes.u8(0),
            WindowZone::Dbid(dbid) => bytes.u8(1).u64(dbid.cast_unsigned()),
            WindowZone::Name(name) => bytes.u8(2).text(name.as_bytes()),
        }
    }

    fn decode(parts: &mut KeyParts<'_>) -> Option<Self> {
        let (from, till) = (parts.u32()?, parts.u32()?);
        let zone = match parts.u8()? {
            0 => WindowZone::OfList,
            1 => WindowZone::Dbid(parts.u64()?.cast_signed()),
            2 => WindowZone::Name(parts.string()?),
            _ => return None,
        };
        Some(Self { from, till, zone })
    }
}

/// The key of a record that may be handed out; none: the record is not dialled now, whatever the time.
pub(crate) fn key_of(handle: Handle, record: &RecordRow) -> Option<Key> {
    if record.record_status != record_status::READY || record.waits || record.not_before_s.is_some() {
        return None;
    }
    let class = Class::of(record)?;
    let order = match class {
        Class::General => (record.chain_id, record.chain_n),
        Class::Personal(_) | Class::Callback => (due_s(record), handle.0),
    };
    Some(Key::Dialable { list: record.list, class, window: Window::of(record), order, handle })
}

/// When a callback is due, UTC seconds; without a time: at once.
pub(crate) fn due_s(record: &RecordRow) -> u64 {
    record.dial_sched_time.and_then(|at| u64::try_from(at).ok()).unwrap_or(0)
}

/// The prefix of the records of a window.
pub(crate) fn window_prefix(list: u32, class: &Class, window: &Window) -> Vec<u8> {
    of_window(list, class, window).0.into_vec()
}

/// The prefix of the records of a class, in all windows of a list.
pub(crate) fn class_prefix(list: u32, class: &Class) -> Vec<u8> {
    of_class(list, class).0.into_vec()
}

fn of_window(list: u32, class: &Class, window: &Window) -> KeyBytes {
    window.encode(of_class(list, class))
}

fn of_class(list: u32, class: &Class) -> KeyBytes {
    class.encode(KeyBytes::default().u32(list))
}

pub(super) fn encode_key(list: &u32, class: &Class, window: &Window, order: &(u64, u64), handle: &Handle) -> Encoded {
    let bytes = of_window(*list, class, window).u64(order.0);
    match class {
        // (chain_id, chain_n) names the record; the handle stands behind it, for the reader
        Class::General => bytes.u64(order.1).u64(handle.0).0,
        Class::Personal(_) | Class::Callback => bytes.u64(handle.0).0,
    }
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    let list = parts.u32()?;
    let class = Class::decode(parts)?;
    let window = Window::decode(parts)?;
    let (first, second) = (parts.u64()?, parts.u64()?);
    let handle = match class {
        Class::General => Handle(parts.u64()?),
        Class::Personal(_) | Class::Callback => Handle(second),
    };
    Some(Key::Dialable { list, class, window, order: (first, second), handle })
}

pub(super) fn encode_row(_: &EmptyRow, _: &mut Vec<u8>) {}

pub(super) fn decode_row(_: &[u8]) -> Option<EmptyRow> {
    Some(EmptyRow)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let window = |zone| Window { from: 1, till: 2, zone };
    let general = Key::Dialable {
        list: 101,
        class: Class::General,
        window: window(WindowZone::Name("UTC".to_owned())),
        order: (7, 8),
        handle: Handle(15),
    };
    let personal = Key::Dialable {
        list: 101,
        class: Class::Personal("a".to_owned()),
        window: window(WindowZone::Dbid(122)),
        order: (9, 15),
        handle: Handle(15),
    };
    vec![
        sample(
            general,
            Row::Dialable(EmptyRow),
            "0000006502000000010000000202000355544300000000000000070000000000000008000000000000000f",
            "",
        ),
        sample(
            personal,
            Row::Dialable(EmptyRow),
            "0000006500000161000000010000000201000000000000007a0000000000000009000000000000000f",
            "",
        ),
    ]
}
