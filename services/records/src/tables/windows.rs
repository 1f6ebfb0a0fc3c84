//! The different windows of a list's records, one row a list, from rules version 5 on.

use std::sync::Arc;

use prost::Message;

use super::{
    Key,
    bytes::{Encoded, KeyBytes, KeyParts, message, put},
    dialable::{Window, WindowZone},
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};

/// The windows of a list, each once, in the order of their appearance.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct WindowsRow {
    /// At most [`outbound::WINDOWS_MAX`] by requests; an older release may have left more.
    #[prost(message, repeated, tag = "1")]
    pub windows: Vec<WindowRow>,
}

/// A window: as [`Window`].
#[derive(Clone, PartialEq, Eq, Message)]
pub struct WindowRow {
    /// Seconds since midnight.
    #[prost(uint32, tag = "1")]
    pub from: u32,
    /// Seconds since midnight.
    #[prost(uint32, tag = "2")]
    pub till: u32,
    /// DBID of a zone; 0: see `zone_name`.
    #[prost(sint64, tag = "3")]
    pub zone_dbid: i64,
    /// IANA name; empty without a DBID: the list's zone.
    #[prost(string, tag = "4")]
    pub zone_name: String,
}

impl From<&Window> for WindowRow {
    fn from(window: &Window) -> Self {
        let (zone_dbid, zone_name) = match &window.zone {
            WindowZone::OfList => (0, String::new()),
            WindowZone::Dbid(dbid) => (*dbid, String::new()),
            WindowZone::Name(name) => (0, name.clone()),
        };
        Self { from: window.from, till: window.till, zone_dbid, zone_name }
    }
}

impl From<&WindowRow> for Window {
    fn from(row: &WindowRow) -> Self {
        let zone = match (row.zone_dbid, row.zone_name.as_str()) {
            (0, "") => WindowZone::OfList,
            (0, name) => WindowZone::Name(name.to_owned()),
            (dbid, _) => WindowZone::Dbid(dbid),
        };
        Self { from: row.from, till: row.till, zone }
    }
}

pub(super) fn encode_key(list: &u32) -> Encoded {
    KeyBytes::default().u32(*list).0
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::Windows(parts.u32()?))
}

pub(super) fn encode_row(row: &WindowsRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<Arc<WindowsRow>> {
    message(bytes).map(Arc::new)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let windows = vec![
        WindowRow { from: 1, till: 2, ..WindowRow::default() },
        WindowRow { till: 3, zone_name: "UTC".to_owned(), ..WindowRow::default() },
    ];
    let row = WindowsRow { windows };
    vec![sample(Key::Windows(101), Row::Windows(Arc::new(row)), "00000065", "0a04080110020a0710032203555443")]
}
