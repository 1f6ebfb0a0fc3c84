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

use super::{acting::Acting, declared::ask, do_not_call::not_yet, to_wire};

type Door = Arc<pair::Door>;

/// Makes a token known.
pub(super) async fn create(door: &Acting, token: wire::CreateToken, deadline: Instant) -> wire::Reply {
    tracing::info!(token = token.name, scopes = token.scopes.join(","), "an API token is made");
    order(door, Body::CreateToken(token_from_wire(token)), deadline).await
}

/// Takes a token back.
pub(super) async fn revoke(door: &Acting, token: wire::RevokeToken, deadline: Instant) -> wire::Reply {
    tracing::info!(token = token.id, "an API token is revoked");
    order(door, Body::RevokeToken(RevokeToken { id: token.id }), deadline).await
}

/// The reply comes when this node judges by the change, too, if a quorum answers in time.
async fn order(door: &Acting, body: Body, deadline: Instant) -> wire::Reply {
    if let Some(reply) = not_yet(door, RULES_WITH_TOKENS) {
        return reply;
    }
    let reply: Reply = door.order(body, deadline).await;
    if matches!(reply.body, ReplyBody::Done(_)) {
        let _ = door.wait_until_readable(deadline).await; // the change stands, whenever this node hears of it
    }
    reply_into_wire(reply)
}

/// All tokens, without their texts and whole hashes.
pub(super) async fn list(door: &Door, deadline: Instant) -> Result<ListTokensReply, Status> {
    ask(door, Query::Tokens, deadline, to_wire::tokens).await
}
