//! LoadCampaign, StartDialing, StopDialing, UnloadCampaign, ForceUnloadCampaign, and the status of a campaign group (spec 5;
//! spec 9, Campaign groups).

use outbound::{
    Refusal, RefusalCode, Reply, Request, Resource, Value, Verb,
    declaration::{DEFAULT_TENANT, DeclaredCampaign, DeclaredGroup},
    key,
};

use super::target::wrong_resource;
use crate::{
    acknowledge::{Acknowledge, int},
    declared::{Declared, group_name},
    event::Event,
    fields::ignored_keys,
    given, groups, lookup,
    tables::{ListRow, group_state},
    tenants,
    turn::Turn,
    view::View,
};

/// Records that ForceUnloadCampaign makes Ready in its own command; the others follow as they come due.
const GIVEN_BACK_MAX: u32 = 1_000;

/// The states after each request, by the state before; none: 409 (spec 9, Campaign groups). Unloading is skipped where the
/// group holds no record.
const STATES: [(Verb, [Option<u32>; 5]); 5] = {
    use group_state::{LOADED, NOT_LOADED, RUNNING, STOPPED, UNLOADING};
    // NotLoaded, Loaded, Running, Stopped, Unloading
    [
        (Verb::LoadCampaign, [Some(LOADED), Some(LOADED), Some(RUNNING), Some(STOPPED), None]),
        (Verb::StartDialing, [None, Some(RUNNING), Some(RUNNING), Some(RUNNING), None]),
        (Verb::StopDialing, [None, Some(STOPPED), Some(STOPPED), Some(STOPPED), None]),
        (Verb::UnloadCampaign, [Some(NOT_LOADED), Some(UNLOADING), Some(UNLOADING), Some(UNLOADING), Some(UNLOADING)]),
        (Verb::ForceUnloadCampaign, [Some(NOT_LOADED); 5]),
    ]
};

/// The campaign group that a request names.
pub(super) struct Target<'a> {
    /// DBID.
    pub(super) dbid: u32,
    /// As in `Campaign@Group`.
    pub(super) name: String,
    pub(super) group: &'a DeclaredGroup,
    pub(super) campaign: &'a DeclaredCampaign,
}

/// The checked change of a group's state.
struct Plan<'a> {
    target: Target<'a>,
    before: u32,
    after: u32,
    ignored: Vec<String>,
}

pub(super) fn decide<V: View>(request: &Request, turn: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    let declared = turn.overlay.declared().clone();
    let plan = check(request, &declared, turn)?;
    apply(&plan, request.verb, turn);
    Ok(acknowledge(request, &plan, turn))
}

fn check<'a, V: View>(request: &Request, declared: &'a Declared, turn: &Turn<'_, '_, V>) -> Result<Plan<'a>, Refusal> {
    let target = target(request, declared)?;
    let before = groups::row(turn.overlay, target.dbid).state;
    let Some(after) = state_after(request.verb, before) else {
        return Err(wrong_state(&target, before, request.verb));
    };
    let begins_to_unload = after == group_state::UNLOADING && before != after;
    let is_done_at_once = begins_to_unload && !groups::holds_any(turn.overlay, target.dbid);
    let after = if is_done_at_once { group_state::NOT_LOADED } else { after };
    let ignored = ignored_keys(request, &ListRow::default(), turn.version);
    Ok(Plan { target, before, after, ignored })
}

fn state_after(verb: Verb, before: u32) -> Option<u32> {
    let row = STATES.iter().find(|(of, _)| *of == verb)?;
    row.1.get(usize::try_from(before).ok()?).copied().flatten()
}

/// The refusal of a request in a state that does not allow the request.
pub(super) fn wrong_state(target: &Target<'_>, state: u32, verb: Verb) -> Refusal {
    let what = match state {
        group_state::NOT_LOADED => "is not loaded; LoadCampaign comes first",
        group_state::STOPPED => "is stopped; StartDialing comes first",
        group_state::UNLOADING => "is being unloaded, and waits for the records that it holds",
        _ => "is in a state that does not allow it",
    };
    let message = format!("{} is not possible now: campaign group {:?} {what}", verb.name(), target.name);
    Refusal::new(RefusalCode::Conflict, message).with(key::CAMPAIGN_GROUP_NAME, Value::text(&target.name))
}

fn apply<V: View>(plan: &Plan<'_>, verb: Verb, turn: &mut Turn<'_, '_, V>) {
    if plan.before != plan.after {
        groups::set_state(plan.target.dbid, plan.after, turn);
    }
    if verb == Verb::ForceUnloadCampaign {
        groups::give_back(plan.target.dbid, GIVEN_BACK_MAX, true, turn);
    }
    tell_ignored(&plan.target, &plan.ignored, turn.events);
}

/// Adds an event for every ignored key, under the name of the group.
pub(super) fn tell_ignored(target: &Target<'_>, ignored: &[String], events: &mut Vec<Event>) {
    let event = |key: &String| Event::KeyIgnored { list: target.name.clone(), key: key.clone() };
    events.extend(ignored.iter().map(event));
}

fn acknowledge<V: View>(request: &Request, plan: &Plan<'_>, turn: &Turn<'_, '_, V>) -> Reply {
    let is_unloading = plan.after == group_state::UNLOADING;
    let event = match request.verb {
        Verb::UnloadCampaign if is_unloading => "CampaignUnloading",
        verb => verb.event(),
    };
    let held = is_unloading.then(|| groups::held_count(turn.overlay, plan.target.dbid));
    let reply = with_group(Acknowledge::to(request), &plan.target).maybe(key::RECORDS, held.map(int));
    reply.ignored(&plan.ignored, turn.version).done(event)
}

/// Answers the state of a group.
pub(super) fn status(request: &Request, view: &impl View) -> Result<Reply, Refusal> {
    let declared = lookup::declared(view);
    let target = target(request, &declared)?;
    let state = groups::row(view, target.dbid).state;
    let event = match state {
        group_state::LOADED => "CampaignLoaded",
        group_state::RUNNING => "CampaignStarted",
        group_state::STOPPED => "CampaignStopped",
        group_state::UNLOADING => "CampaignUnloading",
        _ => "CampaignUnloaded",
    };
    let held = (state == group_state::UNLOADING).then(|| groups::held_count(view, target.dbid));
    let version = lookup::rules_version(view);
    let ignored = ignored_keys(request, &ListRow::default(), version);
    let reply = with_group(Acknowledge::to(request), &target).maybe(key::RECORDS, held.map(int));
    Ok(reply.ignored(&ignored, version).done(event))
}

/// Adds the keys of a campaign group.
pub(super) fn with_group(reply: Acknowledge, target: &Target<'_>) -> Acknowledge {
    reply
        .text(key::CAMPAIGN_NAME, &target.campaign.name)
        .text(key::CAMPAIGN_GROUP_NAME, &target.name)
        .pair(key::CAMPAIGN_GROUP_DBID, i64::from(target.dbid))
}

/// The campaign group that the path names, checked against the body.
///
/// # Errors GROUP_NOT_FOUND, for a group of another tenant too; BAD_VALUE where the body names another group; BAD_BODY for a
/// form that nobody understood.
pub(super) fn target<'a>(request: &Request, declared: &'a Declared) -> Result<Target<'a>, Refusal> {
    let Resource::CampaignGroup(identifier) = &request.resource else { return Err(wrong_resource(request)) };
    let unknown = || {
        let message = format!("There is no campaign group {identifier:?}");
        Refusal::new(RefusalCode::GroupNotFound, message).with(key::CAMPAIGN_GROUP_NAME, Value::text(identifier))
    };
    let group = declared.find_group(identifier).ok_or_else(unknown)?;
    let campaign = declared.find_campaign(&group.campaign).ok_or_else(unknown)?;
    let named = tenants::of_request(request, declared)?;
    if !tenants::is_visible(named.as_deref(), tenant_of(campaign)) {
        return Err(unknown());
    }
    let target = Target { dbid: group.dbid.unwrap_or(0), name: group_name(group), group, campaign };
    check_body(request, &target)?;
    Ok(target)
}

/// The tenant of a campaign, as rows name it.
fn tenant_of(campaign: &DeclaredCampaign) -> &str {
    campaign.tenant.as_deref().filter(|tenant| *tenant != DEFAULT_TENANT).unwrap_or_default()
}

fn check_body(request: &Request, target: &Target<'_>) -> Result<(), Refusal> {
    if request.attributes.sent.unknown_form {
        let message =
            format!("The body looks like a form none of whose keys is an attribute of {}", request.verb.name());
        return Err(Refusal::new(RefusalCode::BadBody, message));
    }
    let name = given::text(request, key::CAMPAIGN_GROUP_NAME, usize::MAX)?;
    if name.is_some_and(|name| name != target.name) {
        let why = format!("is not {:?}, which the path means", target.name);
        return Err(given::bad_value(key::CAMPAIGN_GROUP_NAME, &why));
    }
    let dbid = given::int(request, key::CAMPAIGN_GROUP_DBID, 0, i64::MAX)?;
    if dbid.is_some_and(|dbid| dbid != i64::from(target.dbid)) {
        let why = format!("is not {}, which the path means", target.dbid);
        return Err(given::bad_value(key::CAMPAIGN_GROUP_DBID, &why));
    }
    Ok(())
}
