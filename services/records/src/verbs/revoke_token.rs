//! RevokeToken: takes an API token back, for good. Requested through the control API, from rules version 6 on.

use outbound::{Refusal, RefusalCode, Reply, RevokeToken, TokenHash, Value, token_id};

use super::create_token::check_version;
use crate::{lookup, tables::Key, turn::Turn, view::View};

pub(crate) fn decide<V: View>(asked: &RevokeToken, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let (hash, name) = check(asked, turn)?;
    turn.overlay.remove(Key::ApiToken(hash));
    Ok(acknowledge(&hash, &name))
}

fn check<V: View>(asked: &RevokeToken, turn: &Turn<'_, '_, V>) -> Result<(TokenHash, String), Refusal> {
    check_version(turn)?;
    let mut tokens = lookup::api_tokens(turn.overlay).into_iter();
    let found = tokens.find(|(hash, _)| token_id(hash) == asked.id);
    found.map(|(hash, row)| (hash, row.name.clone())).ok_or_else(|| {
        let message = format!("There is no token {:?}", asked.id);
        Refusal::new(RefusalCode::BadValue, message)
    })
}

fn acknowledge(hash: &TokenHash, name: &str) -> Reply {
    let pairs = [("id", Value::text(token_id(hash))), ("name", Value::text(name))];
    Reply::done("TokenRevoked", pairs.map(|(key, value)| (key.to_owned(), value)).to_vec())
}
