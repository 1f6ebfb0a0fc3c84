//! Declarations and campaign groups over the control API (spec 11): the plan of a declaration, its application, the present
//! declaration, the groups with their states.
//!
//! Never contains a rule: `records` compares a declaration with the state and applies it. Called by the control API.

use std::sync::Arc;

use dispatch::too_early;
use ocs_proto::{
    control::{ControlGroupRequest, PlanDeclarationReply, ShowDeclarationReply, ShowGroupsReply, ShowGroupsRequest},
    outbound as wire,
};
use outbound::{
    Answer, Attributes, Body, Query, RULES_WITH_AUDIT, RULES_WITH_CAMPAIGNS, RefusalCode, Reply, Request, Resource,
    Verb,
    wire::{declaration_from_wire, reply_into_wire},
};
use tokio::time::Instant;
use tonic::Status;

use super::{
    acting::Acting,
    data::{read_last, refused, unreadable},
    to_wire,
};

type Door = Arc<pair::Door>;

/// The difference between a declaration and a state that has every update acknowledged before the call.
pub(super) async fn plan(
    door: &Door,
    asked: wire::ApplyDeclaration,
    deadline: Instant,
) -> Result<PlanDeclarationReply, Status> {
    if let Some(refusal) = not_yet(door) {
        return Err(unreadable(refusal));
    }
    let query = Query::Plan(Box::new(declaration_from_wire(asked)));
    ask(door, query, deadline, to_wire::plan).await
}

/// Applies a declaration, all or nothing, by one command. Refused before the group decides by a version that knows declarations:
/// the primary may run a release that cannot read the request, and the raise takes longer than seconds.
pub(super) async fn apply(door: &Acting, mut asked: wire::ApplyDeclaration, deadline: Instant) -> wire::Reply {
    if let Some(refusal) = not_yet(door) {
        return reply_into_wire(refusal);
    }
    if door.engine().state().rules_version() < RULES_WITH_AUDIT {
        leave_out_defaults(&mut asked);
    }
    let body = Body::ApplyDeclaration(Box::new(declaration_from_wire(asked)));
    reply_into_wire(door.order(body, deadline).await)
}

/// A key that earlier releases do not read, with the value that lists have there, makes no difference.
fn leave_out_defaults(asked: &mut wire::ApplyDeclaration) {
    let lists = asked.declaration.iter_mut().flat_map(|declaration| &mut declaration.lists);
    lists.filter(|list| list.record_history == Some(false)).for_each(|list| list.record_history = None);
}

fn not_yet(door: &Door) -> Option<Reply> {
    let version = door.engine().state().rules_version();
    let refusal = || too_early(version, RULES_WITH_CAMPAIGNS, RefusalCode::Conflict);
    (version < RULES_WITH_CAMPAIGNS).then(refusal)
}

/// The declaration that would make the present state.
pub(super) async fn show(door: &Door, deadline: Instant) -> Result<ShowDeclarationReply, Status> {
    ask(door, Query::Declaration, deadline, to_wire::declaration).await
}

pub(super) async fn groups(
    door: &Door,
    asked: ShowGroupsRequest,
    deadline: Instant,
) -> Result<ShowGroupsReply, Status> {
    let identifier = (!asked.group.is_empty()).then_some(asked.group);
    ask(door, Query::Groups { identifier }, deadline, to_wire::groups).await
}

/// The one answer to a question, as `shape` puts it into a message, once the state has every update acknowledged before the call.
pub(super) async fn ask<T: Send + 'static>(
    door: &Door,
    query: Query,
    deadline: Instant,
    shape: fn(Answer) -> Option<T>,
) -> Result<T, Status> {
    door.wait_until_readable(deadline).await.map_err(unreadable)?;
    ask_last(door, query, shape).await
}

/// The same of the state as this node has it now.
pub(super) async fn ask_last<T: Send + 'static>(
    door: &Door,
    query: Query,
    shape: fn(Answer) -> Option<T>,
) -> Result<T, Status> {
    let answered = read_last(door, move |state| state.query(query).map(|mut answers| answers.next().and_then(shape)));
    let answer = answered.await?.map_err(refused)?;
    answer.ok_or_else(|| Status::internal("the state gave another kind of answer"))
}

/// The requests that control a campaign group (spec 5).
const CONTROLS: [Verb; 5] =
    [Verb::LoadCampaign, Verb::StartDialing, Verb::StopDialing, Verb::UnloadCampaign, Verb::ForceUnloadCampaign];

/// A request of a client that controls a group, made by an operator.
pub(super) async fn control_group(
    door: &Acting,
    asked: ControlGroupRequest,
    deadline: Instant,
) -> Result<wire::Reply, Status> {
    let verb = CONTROLS.into_iter().find(|verb| verb.name() == asked.request);
    let verb = verb.ok_or_else(|| {
        let names: Vec<&str> = CONTROLS.iter().map(|verb| verb.name()).collect();
        Status::invalid_argument(format!("{:?} controls no campaign group: {} do", asked.request, names.join(", ")))
    })?;
    if let Some(refusal) = not_yet(door) {
        return Ok(reply_into_wire(refusal));
    }
    let request = Request {
        verb,
        resource: Resource::CampaignGroup(asked.group),
        attributes: Attributes::default(),
        tenant: String::new(),
        principal: door.principal().to_owned(),
        idempotency_key: None,
    };
    Ok(reply_into_wire(door.order(Body::Request(request), deadline).await))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_that_controls_a_group_is_an_update_of_a_campaign_group() {
        for verb in CONTROLS {
            assert!(!verb.reads() && Verb::parse(verb.name()) == Some(verb), "{verb:?}");
        }
    }
}
