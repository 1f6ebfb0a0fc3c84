//! RaiseRules: raises the group to a higher rules version, which never falls again. The first raise makes the settings from the
//! proposing node's file and defaults. The raise to version 4 or beyond parts the counters: one command, however many lists there
//! are. The raise to version 5 or beyond finds nothing to bring up in a state that never had a record.
//!
//! Commands of a lower version behind the raise in the log are decided as stamped.

use outbound::{
    Effect, RULES_FIRST, RULES_WITH_CAMPAIGNS, RULES_WITH_PARTED_COUNTERS, RaiseRules, Refusal, RefusalCode, Reply,
    Value,
};

use super::set_settings;
use crate::{
    event::Event,
    rules::NAME_BYTES_MAX,
    settings::{Settings, options_of},
    tables::{BringUpRow, Key, Row},
    turn::Turn,
    view::View,
};

pub(crate) fn decide<V: View>(raise: &RaiseRules, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let stands = turn.overlay.settings().map_or(RULES_FIRST, |settings| settings.rules_version());
    if stands < raise.to {
        let settings = check(raise, turn)?;
        apply(stands, settings, turn);
    }
    Ok(acknowledge(stands.max(raise.to)))
}

fn check<V: View>(raise: &RaiseRules, turn: &Turn<'_, '_, V>) -> Result<Settings, Refusal> {
    if raise.to != turn.version {
        let message = format!("A raise to rules version {} is not decided by version {}", raise.to, turn.version);
        return Err(Refusal::new(RefusalCode::BadValue, message));
    }
    if raise.release.len() > NAME_BYTES_MAX {
        return Err(Refusal::new(RefusalCode::BadValue, "The name of a release has at most 255 bytes"));
    }
    match turn.overlay.settings() {
        Some(settings) => Ok(settings.raised(raise.to, &raise.release)),
        None => Settings::first(raise.to, &raise.release, &raise.settings),
    }
}

fn apply<V: View>(from: u32, settings: Settings, turn: &mut Turn<'_, '_, V>) {
    turn.events.push(Event::Effect(Effect::RulesRaised { from, to: settings.rules_version() }));
    match turn.overlay.settings().cloned() {
        Some(before) => set_settings::tell_changes(before.values(), &settings, turn.events),
        None => set_settings::tell_changes(&options_of(turn.own), &settings, turn.events),
    }
    let to = settings.rules_version();
    turn.overlay.put_settings(settings);
    if from < RULES_WITH_CAMPAIGNS && to >= RULES_WITH_CAMPAIGNS && turn.counters.last_handle == 0 {
        turn.overlay.put(Key::BringUp, Row::BringUp(BringUpRow { done: true, ..BringUpRow::default() }));
    }
    if to >= RULES_WITH_PARTED_COUNTERS {
        turn.part_counters();
    }
}

fn acknowledge(version: u32) -> Reply {
    Reply::done("RulesRaised", vec![("rules_version".to_owned(), Value::Int(version.into()))])
}
