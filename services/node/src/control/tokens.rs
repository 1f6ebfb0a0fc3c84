//! API tokens over the control API: made, shown and taken back.
//!
//! Never sees a token's text: `ocsctl` draws the secret and sends the hash. Called by the control API.

use std::sync::Arc;

use ocs_proto::{control::ListTokensReply, outbound as wire};
use outbound::{
    Body, Query, RULES_WITH_TOKENS, Reply, ReplyBody, RevokeToken,
    wire::{reply_into_wire, token_from_wire},
};
use tokio::time::Instant;
use tonic::Status;

use super::{acting::Acting, declared::ask_last, do_not_call::not_yet, to_wire};

type Door = Arc<pair::Door>;

/// Makes a token known.
pub(super) async fn create(door: &Acting, token: wire::CreateToken, deadline: Instant) -> wire::Reply {
    let (name, scopes) = (token.name.clone(), token.scopes.join(","));
    let (reply, done) = order(door, Body::CreateToken(token_from_wire(token)), deadline).await;
    if done {
        tracing::info!(token = name, scopes, by = door.principal(), "an API token is made");
    }
    reply
}

/// Takes a token back.
pub(super) async fn revoke(door: &Acting, token: wire::RevokeToken, deadline: Instant) -> wire::Reply {
    let id = token.id.clone();
    let (reply, done) = order(door, Body::RevokeToken(RevokeToken { id: token.id }), deadline).await;
    if done {
        tracing::info!(token = id, by = door.principal(), "an API token is revoked");
    }
    reply
}

/// The reply, and whether the change is made. The reply comes when this node judges by the change, too, if a quorum answers in time.
async fn order(door: &Acting, body: Body, deadline: Instant) -> (wire::Reply, bool) {
    if let Some(reply) = not_yet(door, RULES_WITH_TOKENS) {
        return (reply, false);
    }
    let reply: Reply = door.order(body, deadline).await;
    let done = matches!(reply.body, ReplyBody::Done(_));
    if done {
        let _ = door.wait_until_readable(deadline).await; // the change stands, whenever this node hears of it
    }
    (reply_into_wire(reply), done)
}

/// All tokens, without their texts and whole hashes; without a quorum, the tokens that this node knows.
pub(super) async fn list(door: &Door, deadline: Instant) -> Result<ListTokensReply, Status> {
    let unconfirmed = door.wait_until_readable(deadline).await.is_err();
    let known = ask_last(door, Query::Tokens, to_wire::tokens).await?;
    Ok(ListTokensReply { unconfirmed, ..known })
}
