//! DoNotCall: enters a phone or a customer on the Do-Not-Call list and marks records in any state; with AllChain, the default, also
//! the other records of their chains (spec 5; spec 9, Do-Not-Call). From rules version 5 on by phone and customer too.

mod early;
mod of_record;
pub(super) mod scope;
mod several;

use outbound::{RULES_WITH_BODY_CHECKS, RULES_WITH_CAMPAIGNS, Refusal, Reply, Request, Resource, key};

use crate::{
    dnc::{self, Given, Subjects},
    given,
    rules::MESSAGE_LETTERS_MAX,
    tables::{DncRow, DncScope},
    turn::Turn,
    view::View,
};

/// The entry that a request asks for.
struct Entry {
    scope: DncScope,
    about: Subjects,
    /// The message of the request, if given.
    message: Option<String>,
}

pub(super) fn decide<V: View>(request: &Request, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    match request.resource {
        _ if turn.version < RULES_WITH_CAMPAIGNS => early::decide(request, turn),
        Resource::Phone(_) | Resource::Customer(_) => several::decide(request, turn),
        _ => of_record::decide(request, turn),
    }
}

/// Whether the entry of a request applied at `since_us` still exists with the same message, and was never taken back since.
pub(super) fn stands_since<V: View>(request: &Request, since_us: u64, turn: &Turn<'_, '_, V>) -> bool {
    let asked = match request.resource {
        _ if turn.version < RULES_WITH_CAMPAIGNS => early::entry(request, turn),
        Resource::Phone(_) | Resource::Customer(_) => several::entry(request, turn),
        _ => of_record::entry(request, turn),
    };
    let Ok(Entry { scope, about, message }) = asked else { return false };
    let is_same = |entry: DncRow| message.is_none_or(|message| entry.message == message) && entry.expires_s.is_none();
    dnc::entry(&scope, &about, turn).is_some_and(is_same) && !dnc::was_taken_back(&scope, &about, since_us, turn)
}

/// Makes the entry. The entry of a request never expires, not even one that an import gave an expiry.
fn enter<V: View>(entry: &Entry, turn: &mut Turn<'_, '_, V>) {
    let given = Given { message: entry.message.clone(), ..Given::default() };
    if dnc::enter(&entry.scope, &entry.about, given, turn) {
        dnc::tell_entered(&entry.scope, turn.events);
    }
}

/// Whether the other records of a chain are marked too (spec 5).
fn all_chain(request: &Request) -> Result<bool, Refusal> {
    Ok(given::word(request, key::CHAIN_ATTR)?.is_none_or(|word| word == "AllChain"))
}

/// The message, read from rules version 3 on (spec 8).
fn message(request: &Request, version: u32) -> Result<Option<String>, Refusal> {
    if version < RULES_WITH_BODY_CHECKS { Ok(None) } else { given::text(request, key::MESSAGE, MESSAGE_LETTERS_MAX) }
}
