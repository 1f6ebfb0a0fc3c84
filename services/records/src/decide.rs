//! The entry point of the rules: commands in; replies, changes and events out.
//!
//! Deterministic and infallible; never reads a clock. Called by the node's apply thread and by the simulator.

use outbound::{Body, Command, RULES_WITH_SETTINGS, Refusal, RefusalCode, Reply, Request, RequestId, key};

use crate::{
    audit,
    event::Event,
    limits,
    numbers::{Numbers, OneByOne},
    once::{self, LazyContent},
    outbox,
    overlay::Overlay,
    rules::Rules,
    turn::Turn,
    verbs,
    view::{Changes, View},
};

/// Decides one command on a state. `rules`: this node's own options, in effect while the state has no settings (rules version 1).
pub fn decide(command: &Command, view: &impl View, rules: &Rules) -> (Reply, Changes, Vec<Event>) {
    let mut overlay = Overlay::new(view);
    let mut events = Vec::new();
    let reply = decide_on(command, &mut overlay, rules, &mut events);
    (reply, overlay.into_changes(), events)
}

/// Decides the commands of an entry in order, each on the state with the changes before it. Replies are in the order of
/// the commands; changes are those of the whole entry.
pub fn decide_entry(commands: &[Command], view: &impl View, rules: &Rules) -> (Vec<Reply>, Changes, Vec<Event>) {
    let mut overlay = Overlay::new(view);
    let mut events = Vec::new();
    let reply = |command| decide_on(command, &mut overlay, rules, &mut events);
    let replies = commands.iter().map(reply).collect();
    (replies, overlay.into_changes(), events)
}

/// Decides one command on an overlay: for a caller that applies several entries as one batch.
pub fn decide_on<V: View>(
    command: &Command,
    overlay: &mut Overlay<'_, V>,
    rules: &Rules,
    events: &mut Vec<Event>,
) -> Reply {
    decide_with(command, overlay, rules, &mut OneByOne, events)
}

/// Decides one command on an overlay with an engine's own numbers of new rows.
pub fn decide_with<V: View>(
    command: &Command,
    overlay: &mut Overlay<'_, V>,
    rules: &Rules,
    numbers: &mut dyn Numbers,
    events: &mut Vec<Event>,
) -> Reply {
    if let Body::Request(request) = &command.body
        && request.verb.reads()
    {
        return read(request, overlay);
    }
    let mut turn = Turn::begin(command, overlay, rules, numbers, events);
    let asked = LazyContent::of(&command.body);
    if let Some(reply) = once::request_ids::known(command.id, &asked, &mut turn) {
        return reply;
    }
    once::forget_old(&mut turn);
    limits::forget_old(&mut turn);
    audit::forget_old(&mut turn);
    let first_event = turn.events.len();
    let (reply, contents) = answer(command, &asked, &mut turn);
    if !once::is_remembered(&reply) {
        outbox::keep(command.id, first_event, &mut turn);
        turn.end();
        return reply;
    }
    audit::note(command, &reply, first_event, &mut turn);
    // an id with a token comes from a node that knows version 2, though the primary may still stamp version 1
    let names_content = command.rules >= RULES_WITH_SETTINGS || command.id.token != 0;
    let remembered = names_content.then(|| asked.hash());
    once::request_ids::remember(command.id, remembered, &reply, &contents, &mut turn);
    outbox::keep(command.id, first_event, &mut turn);
    turn.end();
    reply
}

/// Answers a request that only reads.
pub fn read(request: &Request, view: &impl View) -> Reply {
    let reply = verbs::read(request, view);
    reply.unwrap_or_else(|refusal| refused(request, refusal))
}

/// The reply to a new command, and the contents under which a repeat finds this reply.
fn answer<V: View>(command: &Command, asked: &LazyContent<'_>, turn: &mut Turn<'_, '_, V>) -> (Reply, Vec<crate::Key>) {
    let alone = |reply: Result<Reply, Refusal>| (reply.unwrap_or_else(Reply::refused), Vec::new());
    match &command.body {
        Body::CreateList(list) => alone(verbs::create_list::decide(list, turn)),
        Body::ImportBatch(batch) => alone(verbs::import_batch::decide(batch, turn)),
        Body::RoleChange(change) => (verbs::role_change::decide(change, command, turn), Vec::new()),
        Body::Audited(order) => alone(verbs::audited::decide(order, command, turn)),
        Body::ScheduleSwitchover(asked) => alone(verbs::schedule_switchover::decide(asked, command, turn)),
        Body::CancelSwitchover => alone(verbs::cancel_switchover::decide(turn)),
        Body::DueSwitchover(due) => alone(verbs::due_switchover::decide(due, turn)),
        Body::RaiseRules(raise) => alone(verbs::raise_rules::decide(raise, turn)),
        Body::RewritePhones(rewrite) => alone(verbs::rewrite_phones::decide(*rewrite, turn)),
        Body::DeleteList(list) => alone(verbs::delete_list::decide(list, turn)),
        Body::DeleteRecords(delete) => alone(verbs::delete_records::decide(*delete, turn)),
        Body::AcknowledgeEffects(effects) => alone(verbs::acknowledge_effects::decide(*effects, turn)),
        Body::RemoveDoNotCall(remove) => verbs::remove_do_not_call::decide(command.id, remove, turn)
            .unwrap_or_else(|refusal| (Reply::refused(refusal), Vec::new())),
        Body::ApplyDeclaration(apply) => alone(verbs::apply_declaration::decide(apply, turn)),
        Body::DoNotCallBatch(batch) => alone(verbs::do_not_call_batch::decide(batch, turn)),
        Body::ApplyDoNotCall(apply) => alone(verbs::apply_do_not_call::decide(apply, turn)),
        Body::Due(due) => alone(verbs::due::decide(*due, turn)),
        Body::BringUp(rows) => alone(verbs::bring_up::decide(*rows, turn)),
        Body::CreateToken(token) => alone(verbs::create_token::decide(token, &command.principal, turn)),
        Body::RevokeToken(token) => alone(verbs::revoke_token::decide(token, turn)),
        Body::SetSettings(changes) => alone(verbs::set_settings::decide(changes, turn)),
        Body::Request(request) => match once::scope_of(command, request) {
            Err(refusal) => (refused(request, refusal), Vec::new()),
            Ok(scope) => answer_request(command.id, request, asked, scope, turn),
        },
    }
}

fn answer_request<V: View>(
    id: RequestId,
    request: &Request,
    asked: &LazyContent<'_>,
    scope: crate::Scope,
    turn: &mut Turn<'_, '_, V>,
) -> (Reply, Vec<crate::Key>) {
    let decided =
        |turn: &mut Turn<'_, '_, V>| verbs::decide(request, turn).unwrap_or_else(|refusal| refused(request, refusal));
    match &request.idempotency_key {
        Some(key) if once::window::is_clients(key) => {
            (once::idempotency::answer(asked, scope, key, turn, decided), Vec::new())
        }
        _ => once::window::answer(id, request, asked, scope, turn, decided),
    }
}

/// A refusal echoes the reference as an acknowledgement does (spec 5).
fn refused(request: &Request, refusal: Refusal) -> Reply {
    debug_assert_ne!(refusal.code, RefusalCode::Internal, "the rules have no bugs to report");
    match request.attributes.get(key::REFERENCE_ID) {
        Some(reference) => refusal.with(key::REFERENCE_ID, reference.clone()).into(),
        None => refusal.into(),
    }
}
