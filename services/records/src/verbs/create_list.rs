//! CreateList: a new calling list. Requested through the control API.

use outbound::{Effect, NewList, RULES_WITH_UNDOING, Refusal, RefusalCode, Reply, Value, key};

use crate::{
    event::Event,
    fields, lookup,
    names::check_list_name,
    rules::NAME_BYTES_MAX,
    tables::{FieldRow, Key, ListCountersRow, ListRow, Row, indexes},
    turn::Turn,
    view::View,
    zones,
};

pub(crate) fn decide<V: View>(new: &NewList, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let list = check(new, turn)?;
    let dbid = apply(list, turn);
    Ok(acknowledge(&new.name, dbid))
}

fn check<V: View>(new: &NewList, turn: &Turn<'_, '_, V>) -> Result<ListRow, Refusal> {
    let refuse = |message: &str| Err(Refusal::new(RefusalCode::BadValue, message));
    if new.name.is_empty() || new.name.len() > NAME_BYTES_MAX {
        return refuse("The name of a list has 1 to 255 bytes");
    }
    if turn.version >= RULES_WITH_UNDOING {
        check_list_name(&new.name).map_err(|why| Refusal::new(RefusalCode::BadValue, why))?;
    }
    if new.fields.len() > turn.rules.fields_max {
        return refuse(&format!("A list has at most {} user-defined fields", turn.rules.fields_max));
    }
    let zone = if new.time_zone.is_empty() { "UTC" } else { &new.time_zone };
    let Some(time_zone) = zones::canonical(zone) else {
        return refuse(&format!("{zone:?} is no known time zone"));
    };
    let mut fields: Vec<FieldRow> = Vec::with_capacity(new.fields.len());
    for field in &new.fields {
        fields.push(fields::check_new(field, &fields, turn.version)?);
    }
    check_is_free(&new.name, turn)?;
    let name = new.name.clone();
    Ok(ListRow { name, time_zone, fields, ..ListRow::default() })
}

fn check_is_free<V: View>(name: &str, turn: &Turn<'_, '_, V>) -> Result<(), Refusal> {
    let Some(Row::ListByName(number)) = turn.overlay.get(&Key::ListByName(name.to_owned())) else { return Ok(()) };
    let list = u32::try_from(number.number).ok().and_then(|dbid| lookup::list(turn.overlay, dbid));
    let message = match list {
        Some(list) if list.deleting => {
            format!("A calling list {name:?} is being deleted: its name is free once nothing is left of it")
        }
        _ => format!("There is a calling list {name:?} already"),
    };
    Err(Refusal::new(RefusalCode::Conflict, message).with(key::CALLING_LIST, Value::text(name)))
}

fn apply<V: View>(list: ListRow, turn: &mut Turn<'_, '_, V>) -> u32 {
    let dbid = turn.new_dbid();
    let (name, number) = indexes::of_list(dbid, &list);
    turn.overlay.put(name, number);
    turn.put_list(dbid, list, ListCountersRow::first());
    turn.events.push(Event::Effect(Effect::ListCreated { list: dbid }));
    dbid
}

fn acknowledge(name: &str, dbid: u32) -> Reply {
    let pairs = [(key::CALLING_LIST, Value::text(name)), (key::CALLING_LIST_DBID, Value::Int(dbid.into()))];
    Reply::done("ListCreated", pairs.map(|(key, value)| (key.to_owned(), value)).to_vec())
}
