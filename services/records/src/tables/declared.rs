//! The declaration (spec 11) beside lists and options, one row; none: nothing is declared.

use std::sync::Arc;

#[cfg(any(test, feature = "contract"))]
use outbound::declaration::Declaration;

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
pub use crate::declared::DeclaredRow;

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
