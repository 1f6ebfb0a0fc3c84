//! A preview of an import of records or of Do-Not-Call entries: decided on one state like the import itself, and every change is
//! dropped. Called by the reader.

use outbound::{Body, Command, DoNotCallBatch, ImportBatch, NewList, Origin, Reply, ReplyBody, RequestId};
use records::{Rules, View, decide_entry, last_stamp_us};

/// The reply that a batch would get. `create`: its list is made first, as `list create --from` does; if the list is refused, the
/// reply is that refusal.
pub(super) fn preview(batch: ImportBatch, create: bool, version: u32, state: &impl View) -> Reply {
    let list = NewList { name: batch.list.clone(), time_zone: String::new(), fields: Vec::new() };
    let bodies = create.then_some(Body::CreateList(list)).into_iter().chain([Body::ImportBatch(batch)]);
    decided(bodies, version, state)
}

/// The reply that a batch of Do-Not-Call entries would get.
pub(super) fn preview_entries(batch: DoNotCallBatch, version: u32, state: &impl View) -> Reply {
    decided([Body::DoNotCallBatch(batch)], version, state)
}

/// The reply to the last of these bodies, or to the first that is refused.
fn decided(bodies: impl IntoIterator<Item = Body>, version: u32, state: &impl View) -> Reply {
    let stamp_us = last_stamp_us(state).saturating_add(1);
    let command = |(counter, body)| {
        let id = RequestId { node: 0, incarnation: 0, token: 0, counter }; // an id of no node: no reply is remembered under it
        Command::new(version, id, stamp_us, Origin::Control, body)
    };
    let commands: Vec<Command> = (1..).zip(bodies).map(command).collect();
    let (mut replies, ..) = decide_entry(&commands, state, &Rules::default());
    let refused = replies.iter().position(|reply| matches!(reply.body, ReplyBody::Refused(_)));
    replies.swap_remove(refused.unwrap_or(commands.len() - 1))
}
