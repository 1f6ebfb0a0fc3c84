//! Exactly once (spec 6, Exactly once; R7 unknown-is-not-failed): three memories of replies, all of them replicated state.
//!
//! [`request_ids`] serves retries of our own nodes, [`idempotency`] serves clients that name their requests, [`window`] serves
//! clients whose library retries silently. An expired row counts as absent before its deletion, and each command deletes a few
//! of the oldest rows: both nodes forget the same rows at the same index.

pub(crate) mod idempotency;
pub(crate) mod request_ids;
pub(crate) mod window;

use std::cell::OnceCell;

use outbound::{Body, Command, ContentHash, RULES_WITH_SETTINGS, Refusal, RefusalCode, Reply, ReplyBody, Request};

use crate::{rules::NAME_BYTES_MAX, tables::Scope, turn::Turn, view::View};

/// Whether a memory may keep a reply: a reply that asks for another proposal is no answer yet.
pub(crate) fn is_remembered(reply: &Reply) -> bool {
    #[cfg(mutant)]
    if crate::mutant::again_remembered() {
        return true;
    }
    reply.body != ReplyBody::Again
}

/// Deletes a few expired rows.
pub(crate) fn forget_old<V: View>(turn: &mut Turn<'_, '_, V>) {
    request_ids::forget_old(turn);
    idempotency::forget_old(turn);
}

/// The hash of a command's content, computed at most once.
pub(crate) struct LazyContent<'a> {
    body: &'a Body,
    hash: OnceCell<ContentHash>,
}

impl<'a> LazyContent<'a> {
    pub(crate) fn of(body: &'a Body) -> Self {
        Self { body, hash: OnceCell::new() }
    }

    pub(crate) fn hash(&self) -> ContentHash {
        *self.hash.get_or_init(|| self.body.content())
    }
}

/// The scope of a request's memories: that of the command's head, from rules version 2 on.
///
/// # Errors
/// BAD_VALUE if a name is too long for a key.
pub(crate) fn scope_of(command: &Command, request: &Request) -> Result<Scope, Refusal> {
    let (tenant, principal) = match command.rules {
        ..RULES_WITH_SETTINGS => (&request.tenant, &request.principal),
        _ => (&command.tenant, &command.principal),
    };
    for (what, name) in [("tenant", tenant), ("principal", principal)] {
        if name.len() > NAME_BYTES_MAX {
            let message = format!("The {what}'s name is over {NAME_BYTES_MAX} bytes");
            return Err(Refusal::new(RefusalCode::BadValue, message));
        }
    }
    Ok(Scope { tenant: tenant.clone(), principal: principal.clone() })
}
