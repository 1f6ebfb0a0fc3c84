//! SetSettings: sets options of the rules, all or none. Requested through the control API, from rules version 2 on.

use outbound::{Effect, Refusal, RefusalCode, Reply, Setting, Value};

use crate::{event::Event, settings::Settings, turn::Turn, view::View};

pub(crate) fn decide<V: View>(changes: &[Setting], turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let (before, settings) = check(changes, turn)?;
    let reply = acknowledge(&before, &settings);
    apply(&before, settings, turn);
    Ok(reply)
}

fn check<V: View>(changes: &[Setting], turn: &Turn<'_, '_, V>) -> Result<(Vec<Setting>, Settings), Refusal> {
    let Some(before) = turn.overlay.settings() else {
        let message = "The group decides by rules version 1, whose options stand in the nodes' files";
        return Err(Refusal::new(RefusalCode::Unavailable, message));
    };
    Ok((before.values_before(changes), before.with(changes)?))
}

fn apply<V: View>(before: &[Setting], settings: Settings, turn: &mut Turn<'_, '_, V>) {
    tell_changes(before, &settings, turn.events);
    turn.overlay.put_settings(settings);
}

/// Every changed option twice: with its old value and with its new value.
fn acknowledge(before: &[Setting], settings: &Settings) -> Reply {
    let pairs = changed(before, settings).flat_map(|(old, new)| [old, new]);
    Reply::done("SettingsSet", pairs.map(|one| (one.key.clone(), Value::text(&one.value))).collect())
}

/// Adds an event for every option with a new value.
pub(super) fn tell_changes(before: &[Setting], settings: &Settings, events: &mut Vec<Event>) {
    let effect = |(old, new): (&Setting, &Setting)| Effect::SettingChanged {
        key: new.key.clone(),
        from: old.value.clone(),
        to: new.value.clone(),
    };
    events.extend(changed(before, settings).map(effect).map(Event::Effect));
}

fn changed<'a>(before: &'a [Setting], settings: &'a Settings) -> impl Iterator<Item = (&'a Setting, &'a Setting)> {
    before.iter().filter_map(|old| {
        let new = settings.values().iter().find(|new| new.key == old.key)?;
        (new.value != old.value).then_some((old, new))
    })
}
