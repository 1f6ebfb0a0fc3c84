//! API tokens of the stand-ins.

use ocs_proto::{
    control::TokenInfo,
    outbound::{CreateToken, Done, Reply, reply::Body},
};
use tonic::Status;

use super::{DoubleState, refused, reply};

fn id_of(token: &CreateToken) -> String {
    outbound::token_id(&token.hash[..].try_into().unwrap())
}

fn done(event: &str) -> Option<Reply> {
    reply(Body::Done(Done { event: event.to_owned(), attributes: Vec::new(), records: None }))
}

/// Tells of an order that was applied, or that its outcome is unknown.
fn outcome(state: &mut DoubleState) -> Result<(), Status> {
    if state.tokens_aborted > 0 {
        state.tokens_aborted -= 1;
        return Err(Status::aborted("the outcome is unknown"));
    }
    Ok(())
}

pub(super) fn create(state: &mut DoubleState, token: CreateToken) -> Result<Option<Reply>, Status> {
    if token.lists.iter().any(|list| !state.lists.contains_key(list)) {
        return Ok(refused("LIST_NOT_FOUND", "There is no such list"));
    }
    if !state.tokens.contains(&token) {
        state.tokens.push(token);
    }
    outcome(state)?;
    Ok(done("TokenCreated"))
}

pub(super) fn list(state: &DoubleState) -> Vec<TokenInfo> {
    let info = |token: &CreateToken| TokenInfo {
        id: id_of(token),
        name: token.name.clone(),
        note: token.note.clone(),
        scopes: token.scopes.clone(),
        lists: token.lists.clone(),
        tenant: token.tenant.clone(),
        expires_s: token.expires_s,
        created_us: 1_790_000_000_000_000,
        created_by: "maria".to_owned(),
    };
    state.tokens.iter().map(info).collect()
}

pub(super) fn revoke(state: &mut DoubleState, id: &str) -> Result<Option<Reply>, Status> {
    if !state.tokens.iter().any(|token| id_of(token) == id) {
        return Ok(refused("BAD_VALUE", "There is no such token"));
    }
    state.tokens.retain(|token| id_of(token) != id);
    outcome(state)?;
    Ok(done("TokenRevoked"))
}
