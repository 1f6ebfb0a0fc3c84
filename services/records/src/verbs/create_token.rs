//! CreateToken: an API token, known by the hash of its text. Requested through the control API, from rules version 6 on.
//!
//! A command of the same hash and the same content is acknowledged again: an operator's tool may send it over a failover.

use std::sync::Arc;

use jiff::tz::TimeZone;
use outbound::{
    AccessScopes, CreateToken, RULES_WITH_TOKENS, Refusal, RefusalCode, Reply, TOKENS_MAX, TokenHash, Value,
    declaration::DEFAULT_TENANT, token_id,
};

use super::target;
use crate::{
    date_time, lookup,
    names::hidden_letter,
    rules::{MESSAGE_LETTERS_MAX, TIME_MAX},
    tables::{ApiTokenRow, Key, Row},
    turn::Turn,
    view::View,
};

/// Letters of a token's name: the name is a part of row keys, and of lines of the log.
const NAME_LETTERS_MAX: usize = 60;
/// Lists of one token.
const LISTS_MAX: usize = 100;

pub(crate) fn decide<V: View>(
    asked: &CreateToken,
    operator: &str,
    turn: &mut Turn<'_, '_, V>,
) -> Result<Reply, Refusal> {
    let (hash, row) = check(asked, operator, turn)?;
    let reply = acknowledge(&hash, &row.name);
    turn.overlay.put(Key::ApiToken(hash), Row::ApiToken(Arc::new(row)));
    Ok(reply)
}

/// Refuses the command under a rules version without tokens.
pub(super) fn check_version<V: View>(turn: &Turn<'_, '_, V>) -> Result<(), Refusal> {
    if turn.version >= RULES_WITH_TOKENS {
        return Ok(());
    }
    let message = format!("Rules version {} has no API tokens", turn.version);
    Err(Refusal::new(RefusalCode::Unavailable, message))
}

fn check<V: View>(
    asked: &CreateToken,
    operator: &str,
    turn: &Turn<'_, '_, V>,
) -> Result<(TokenHash, ApiTokenRow), Refusal> {
    check_version(turn)?;
    let hash = TokenHash::try_from(asked.hash.as_slice()).map_err(|_| bad_value("the hash has 32 bytes"))?;
    check_texts(asked)?;
    let mut row = ApiTokenRow {
        stamp_us: turn.now_us,
        name: asked.name.clone(),
        note: asked.note.clone(),
        scopes: scopes(asked)?.bits(),
        lists: Vec::new(),
        tenant: tenant(asked, turn)?,
        expires_s: expiry(asked, turn)?,
        created_by: operator.to_owned(),
    };
    row.lists = lists(asked, &row.tenant, turn)?;
    check_is_new(&hash, row, turn).map(|row| (hash, row))
}

fn check_texts(asked: &CreateToken) -> Result<(), Refusal> {
    let letters = asked.name.chars().count();
    if !(1..=NAME_LETTERS_MAX).contains(&letters) || asked.name.trim() != asked.name {
        return Err(bad_value(&format!("the name has 1 to {NAME_LETTERS_MAX} letters, and no blank at its ends")));
    }
    for (what, text) in [("name", &asked.name), ("note", &asked.note)] {
        if let Some(letter) = hidden_letter(text) {
            let number = u32::from(letter);
            return Err(bad_value(&format!("the {what} has only visible letters; U+{number:04X} is none")));
        }
    }
    if asked.note.chars().count() > MESSAGE_LETTERS_MAX {
        return Err(bad_value(&format!("the note has at most {MESSAGE_LETTERS_MAX} letters")));
    }
    Ok(())
}

fn scopes(asked: &CreateToken) -> Result<AccessScopes, Refusal> {
    if asked.scopes.is_empty() {
        return Err(bad_value("it has at least one scope: read, update, admin"));
    }
    let words = asked.scopes.iter().map(String::as_str);
    AccessScopes::parse(words).map_err(|word| bad_value(&format!("{word:?} is no scope: read, update, admin")))
}

fn tenant<V: View>(asked: &CreateToken, turn: &Turn<'_, '_, V>) -> Result<String, Refusal> {
    let name = asked.tenant.as_str();
    if name.is_empty() || name == DEFAULT_TENANT || turn.overlay.declared().tenant(name).is_some() {
        return Ok(name.to_owned());
    }
    Err(Refusal::new(RefusalCode::TenantNotFound, format!("There is no tenant {name:?}")))
}

/// The lists by DBID; each is of the token's tenant.
fn lists<V: View>(asked: &CreateToken, tenant: &str, turn: &Turn<'_, '_, V>) -> Result<Vec<u32>, Refusal> {
    if asked.lists.len() > LISTS_MAX {
        return Err(bad_value(&format!("it has at most {LISTS_MAX} lists")));
    }
    let mut dbids = Vec::with_capacity(asked.lists.len());
    for identifier in &asked.lists {
        let (dbid, list) = target::find_list(turn.overlay, identifier)?;
        let of_list = if list.tenant.is_empty() { DEFAULT_TENANT } else { &list.tenant };
        if !tenant.is_empty() && tenant != of_list {
            return Err(target::unknown_list(identifier));
        }
        dbids.push(dbid);
    }
    dbids.sort_unstable();
    dbids.dedup();
    Ok(dbids)
}

fn expiry<V: View>(asked: &CreateToken, turn: &Turn<'_, '_, V>) -> Result<Option<i64>, Refusal> {
    let Some(expires_s) = asked.expires_s else { return Ok(None) };
    if !(0..=TIME_MAX).contains(&expires_s) {
        return Err(bad_value(&format!("its end, {expires_s}, is no time from 1970 to 9999")));
    }
    if expires_s <= turn.now_s() {
        return Err(bad_value(&format!("its end, {}, is past", date_time::show(expires_s, &TimeZone::UTC))));
    }
    Ok(Some(expires_s))
}

/// The row to write; a token that stands keeps its time and its maker.
fn check_is_new<V: View>(hash: &TokenHash, row: ApiTokenRow, turn: &Turn<'_, '_, V>) -> Result<ApiTokenRow, Refusal> {
    if let Some(Row::ApiToken(standing)) = turn.overlay.get(&Key::ApiToken(*hash)) {
        let again = ApiTokenRow { stamp_us: standing.stamp_us, created_by: standing.created_by.clone(), ..row };
        return if again == *standing { Ok(again) } else { Err(taken("a token of this hash stands already")) };
    }
    let tokens = lookup::api_tokens(turn.overlay);
    if tokens.len() >= TOKENS_MAX {
        return Err(taken(&format!(
            "there are {TOKENS_MAX} tokens, as many as a group has: revoke those that are not used"
        )));
    }
    let id = token_id(hash);
    if tokens.iter().any(|(other, _)| token_id(other) == id) {
        return Err(taken("another token has this id: draw a new one"));
    }
    Ok(row)
}

fn bad_value(why: &str) -> Refusal {
    Refusal::new(RefusalCode::BadValue, format!("The token is not made: {why}"))
}

fn taken(why: &str) -> Refusal {
    Refusal::new(RefusalCode::Conflict, format!("The token is not made: {why}"))
}

fn acknowledge(hash: &TokenHash, name: &str) -> Reply {
    let pairs = [("id", Value::text(token_id(hash))), ("name", Value::text(name))];
    Reply::done("TokenCreated", pairs.map(|(key, value)| (key.to_owned(), value)).to_vec())
}
