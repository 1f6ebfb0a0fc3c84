//! Options of the rules in a file (spec 11): the same as SetSettings sets.

use outbound::{Setting, declaration::DeclaredOption};

use super::{Faults, standing::Standing};
use crate::settings::check_setting;

/// The options that get another value, in their canonical form.
pub(super) fn changes(standing: &Standing, named: &[DeclaredOption], faults: &mut Faults) -> Vec<Setting> {
    let Some(settings) = &standing.settings else { return Vec::new() };
    let mut changes = Vec::new();
    for (at, DeclaredOption { key, value }) in named.iter().enumerate() {
        let path = format!("options.{key}");
        if named[..at].iter().any(|other| other.key == *key) {
            faults.add(path, "is there twice");
            continue;
        }
        match check_setting(settings.rules_version(), key, value) {
            Err(refusal) => faults.add(path, refusal.message),
            Ok(value) => changes.push(Setting { key: key.clone(), value }),
        }
    }
    let stands = |change: &Setting| {
        standing.declaration.options.iter().any(|option| option.key == change.key && option.value == change.value)
    };
    changes.retain(|change| !stands(change));
    changes
}

/// The options with some changed.
pub(super) fn with(options: &[DeclaredOption], changes: &[Setting]) -> Vec<DeclaredOption> {
    let mut options = options.to_vec();
    for option in &mut options {
        if let Some(change) = changes.iter().find(|change| change.key == option.key) {
            option.value.clone_from(&change.value);
        }
    }
    options
}
