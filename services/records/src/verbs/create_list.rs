//! CreateList: a new calling list. Asked for through the control API.

use outbound::{NewList, Refusal, RefusalCode, Reply, Value, key};

use crate::{
    event::Event,
    fields,
    key::Key,
    row::{FieldRow, ListRow, NumberRow, Row},
    rules::{LIST_DBID_FIRST, NAME_BYTES_MAX},
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
    if turn.overlay.get(&Key::ListByName(new.name.clone())).is_some() {
        let message = format!("There is a calling list {:?} already", new.name);
        return Err(Refusal::new(RefusalCode::Conflict, message).with(key::CALLING_LIST, Value::text(&new.name)));
    }
    Ok(ListRow { name: new.name.clone(), time_zone, fields, next_record_id: 1, next_chain_id: 1, records: 0 })
}

fn apply<V: View>(list: ListRow, turn: &mut Turn<'_, '_, V>) -> u32 {
    let dbid = turn.meta.last_list.saturating_add(1).max(LIST_DBID_FIRST);
    turn.meta.last_list = dbid;
    let number = NumberRow { number: dbid.into() };
    turn.overlay.put(Key::ListByName(list.name.clone()), Row::ListByName(number));
    turn.put_list(dbid, list);
    turn.events.push(Event::ListCreated { list: dbid });
    dbid
}

fn acknowledge(name: &str, dbid: u32) -> Reply {
    let pairs = [(key::CALLING_LIST, Value::text(name)), (key::CALLING_LIST_DBID, Value::Int(dbid.into()))];
    Reply::done("ListCreated", pairs.map(|(key, value)| (key.to_owned(), value)).to_vec())
}
