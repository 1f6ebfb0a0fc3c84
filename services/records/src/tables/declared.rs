//! What is declared (spec 11) beside lists and options, one row; none: nothing is declared.

use std::sync::Arc;

use outbound::declaration::Declaration;
use prost::Message;

use super::{
    Key,
    bytes::{Encoded, KeyParts, message, put},
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};
use crate::declared::Declared;

/// What is declared; as [`Declared`].
#[derive(Clone, PartialEq, Eq, Message)]
pub struct DeclaredRow {
    /// Grows with each applied file that changed something.
    #[prost(uint64, tag = "1")]
    pub revision: u64,
    /// Without options and lists, which have rows of their own; every key has its value.
    #[prost(message, optional, tag = "2")]
    pub declaration: Option<Declaration>,
    /// Last DBID given, by kind; 0: none yet.
    #[prost(uint32, tag = "3")]
    pub last_tenant: u32,
    #[prost(uint32, tag = "4")]
    #[allow(missing_docs)] // as last_tenant
    pub last_zone: u32,
    #[prost(uint32, tag = "5")]
    #[allow(missing_docs)] // as last_tenant
    pub last_treatment: u32,
    #[prost(uint32, tag = "6")]
    #[allow(missing_docs)] // as last_tenant
    pub last_campaign: u32,
    #[prost(uint32, tag = "7")]
    #[allow(missing_docs)] // as last_tenant
    pub last_group: u32,
    /// Some list sends default columns under keys of their own: requests look their list up for such keys only then.
    #[prost(bool, tag = "8")]
    pub sends_columns: bool,
}

pub(super) fn encode_key() -> Encoded {
    Encoded::new()
}

pub(super) fn decode_key(_: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::Declared)
}

pub(super) fn encode_row(declared: &Declared, bytes: &mut Vec<u8>) {
    put(declared.row(), bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<Arc<Declared>> {
    message::<DeclaredRow>(bytes).map(|row| Arc::new(row.into()))
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let row = DeclaredRow {
        revision: 3,
        declaration: Some(Declaration::default()),
        last_tenant: 101,
        ..DeclaredRow::default()
    };
    vec![sample(Key::Declared, Row::Declared(Arc::new(row.into())), "", "080312001865")]
}
