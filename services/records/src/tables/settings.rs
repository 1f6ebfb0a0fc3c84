//! Rules version and options of the rules, one row; none: rules version 1.

use std::sync::Arc;

use outbound::Setting;
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
use crate::settings::Settings;

/// Rules version and options of the rules; as [`Settings`].
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SettingsRow {
    /// The rules version of the group's decisions.
    #[prost(uint32, tag = "1")]
    pub rules_version: u32,
    /// Sorted by key.
    #[prost(message, repeated, tag = "2")]
    pub settings: Vec<SettingRow>,
    /// The release that raised the group to this version.
    #[prost(string, tag = "3")]
    pub release: String,
}

/// An option of the rules.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct SettingRow {
    /// As in `replay_window_ms`.
    #[prost(string, tag = "1")]
    pub key: String,
    /// The option's value as text.
    #[prost(string, tag = "2")]
    pub value: String,
}

impl From<&Settings> for SettingsRow {
    fn from(settings: &Settings) -> Self {
        let setting = |Setting { key, value }: &Setting| SettingRow { key: key.clone(), value: value.clone() };
        Self {
            rules_version: settings.rules_version(),
            settings: settings.values().iter().map(setting).collect(),
            release: settings.release().to_owned(),
        }
    }
}

impl From<SettingsRow> for Settings {
    fn from(row: SettingsRow) -> Self {
        let setting = |SettingRow { key, value }| Setting { key, value };
        Self::new(row.rules_version, row.release, row.settings.into_iter().map(setting).collect())
    }
}

pub(super) fn encode_key() -> Encoded {
    Encoded::new()
}

pub(super) fn decode_key(_: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::Settings)
}

pub(super) fn encode_row(settings: &Settings, bytes: &mut Vec<u8>) {
    put(&SettingsRow::from(settings), bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<Arc<Settings>> {
    message::<SettingsRow>(bytes).map(|row| Arc::new(row.into()))
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let option = SettingRow { key: "replay_window_ms".to_owned(), value: "7".to_owned() };
    let row = SettingsRow { rules_version: 3, settings: vec![option], release: "0.1.0".to_owned() };
    vec![sample(
        Key::Settings,
        Row::Settings(Arc::new(row.into())),
        "",
        "080312150a107265706c61795f77696e646f775f6d731201371a05302e312e30",
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_a_later_release_survive_a_change_by_this_one() {
        let mut row = SettingsRow::from(&Settings::first(2, "0.1.0", &[]).unwrap());
        row.settings.insert(0, SettingRow { key: "a_later_one".into(), value: "on, off".into() });
        let later = Settings::from(SettingsRow::decode(row.encode_to_vec().as_slice()).unwrap());
        let changed = later.with(&[Setting { key: "reject_pause".into(), value: "5".into() }]).unwrap();
        assert_eq!((changed.value("a_later_one"), changed.value("reject_pause")), (Some("on, off"), Some("5")));
    }
}
