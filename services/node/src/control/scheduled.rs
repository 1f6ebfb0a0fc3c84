//! `ScheduleSwitchover`: a switchover at a time to come, and its cancellation. The replicated state keeps the schedule, and a duty of the
//! primary carries the switchover out.
//!
//! The primary alone answers, since no other node knows the candidates. Called by the control API, and for the REST interface.

use std::sync::Arc;

use chassis::moment;
use consensus::Kind;
use ocs_proto::control::{Candidate, ScheduleSwitchoverReply, ScheduleSwitchoverRequest};
use outbound::{
    Body, RULES_WITH_SCHEDULED_SWITCHOVER, Refusal, RefusalCode, Reply, ReplyBody, SWITCHOVER_AHEAD_MAX_S,
    ScheduleSwitchover,
};
use pair::{Door, wall_us};

use super::{ControlApi, audited, switchover::not_primary};
use crate::{
    audit::Who,
    handover::candidates,
    role::{RoleService, Roster},
    to_wire,
};

/// Schedules or cancels, or says why not. A refusal before the command is noted in the audit here; a command notes itself.
pub(super) async fn schedule(api: &ControlApi, who: Who, asked: ScheduleSwitchoverRequest) -> ScheduleSwitchoverReply {
    let role = &api.sources.role;
    let view = role.ask().await;
    if let Some(reason) = not_primary(&role.roster().own().name, &view) {
        return ScheduleSwitchoverReply { reason, ..Default::default() };
    }
    let candidates = candidates(&role.roster().own().name, &role.peers());
    match checked(api, &asked, role) {
        Ok(door) if asked.dry_run => plan(door, &asked, candidates),
        Ok(door) if asked.cancel => cancel(api, door, &who).await,
        Ok(door) => order(api, door, &who, asked, candidates).await,
        Err(reason) => {
            if !asked.dry_run {
                let what = if asked.cancel { "CancelSwitchover" } else { "ScheduleSwitchover" };
                let refusal = Refusal::new(RefusalCode::Conflict, reason.as_str());
                api.note(who, audited::refused(what, &asked.to, &refusal)).await;
            }
            ScheduleSwitchoverReply { reason, candidates, ..Default::default() }
        }
    }
}

/// The door of a node that may take the order.
fn checked<'a>(
    api: &'a ControlApi,
    asked: &ScheduleSwitchoverRequest,
    role: &RoleService,
) -> Result<&'a Arc<Door>, String> {
    let door = api.door().map_err(|status| status.message().to_owned())?;
    let version = door.engine().state().rules_version();
    if version < RULES_WITH_SCHEDULED_SWITCHOVER {
        let needed = RULES_WITH_SCHEDULED_SWITCHOVER;
        return Err(refusal_of(dispatch::too_early(version, needed, RefusalCode::Conflict)).unwrap_or_default());
    }
    if !asked.cancel {
        check_target(&asked.to, role.roster())?;
        check_time(asked.at_s, wall_us() / 1_000_000)?;
    }
    Ok(door)
}

fn check_target(to: &str, roster: &Roster) -> Result<(), String> {
    let member = roster.members().iter().find(|member| member.name == to);
    match member {
        None if to.is_empty() => Ok(()),
        None => Err(format!("there is no node {to:?}")),
        Some(member) if member.kind == Kind::Witness => Err(format!("{to} is a witness: it never serves")),
        Some(member) if member.name == roster.own().name => Err(format!("{to} is the primary now")),
        Some(_) => Ok(()),
    }
}

/// The state decides by the stamp once more.
fn check_time(at_s: u64, now_s: u64) -> Result<(), String> {
    if at_s <= now_s {
        return Err(format!("{} is past: it is {} on this node", moment::text_of(at_s), moment::text_of(now_s)));
    }
    if at_s - now_s > SWITCHOVER_AHEAD_MAX_S {
        return Err(format!("{} is more than a year ahead", moment::text_of(at_s)));
    }
    Ok(())
}

/// The effect that the order would have.
fn plan(door: &Door, asked: &ScheduleSwitchoverRequest, candidates: Vec<Candidate>) -> ScheduleSwitchoverReply {
    let known = door.engine().state().scheduled_switchover();
    let to = if asked.to.is_empty() { "the node that can then take over" } else { asked.to.as_str() };
    let reason = match (&known, asked.cancel) {
        (Some(known), true) => format!("dry run: would cancel the switchover of {}", moment::text_of(known.at_s)),
        (None, true) => "dry run: no switchover is scheduled".to_owned(),
        (Some(known), false) => {
            format!("dry run: a switchover is scheduled already, for {}", moment::text_of(known.at_s))
        }
        (None, false) => format!("dry run: would hand over to {to} at {}", moment::text_of(asked.at_s)),
    };
    let (absent, scheduled) = (asked.cancel && known.is_none(), known.map(to_wire::scheduled_switchover));
    ScheduleSwitchoverReply { done: false, reason, candidates, scheduled, absent }
}

async fn cancel(api: &ControlApi, door: &Door, who: &Who) -> ScheduleSwitchoverReply {
    let known = door.engine().state().scheduled_switchover();
    let absent = known.is_none();
    let reply = door.answer_operator(&who.principal, &who.address, Body::CancelSwitchover, api.deadline()).await;
    match refusal_of(reply) {
        None => ScheduleSwitchoverReply {
            done: true,
            scheduled: known.map(to_wire::scheduled_switchover),
            ..Default::default()
        },
        Some(reason) => ScheduleSwitchoverReply { reason, absent, ..Default::default() },
    }
}

async fn order(
    api: &ControlApi,
    door: &Door,
    who: &Who,
    asked: ScheduleSwitchoverRequest,
    candidates: Vec<Candidate>,
) -> ScheduleSwitchoverReply {
    let body = Body::ScheduleSwitchover(ScheduleSwitchover { at_s: asked.at_s, to: asked.to });
    let reply = door.answer_operator(&who.principal, &who.address, body, api.deadline()).await;
    let refused = refusal_of(reply);
    let scheduled = door.engine().state().scheduled_switchover().map(to_wire::scheduled_switchover);
    ScheduleSwitchoverReply {
        done: refused.is_none(),
        reason: refused.unwrap_or_default(),
        candidates,
        scheduled,
        absent: false,
    }
}

/// Why a command was not done; none: the command was done.
fn refusal_of(reply: Reply) -> Option<String> {
    match reply.body {
        ReplyBody::Refused(refusal) => Some(refusal.message),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::tests::roster;

    #[test]
    fn a_target_is_another_data_node_of_the_group_or_none() {
        for (to, refused) in [
            ("", None),
            ("b", None),
            ("a", Some("a is the primary now")),
            ("w", Some("w is a witness: it never serves")),
            ("x", Some("there is no node \"x\"")),
        ] {
            assert_eq!(check_target(to, &roster()).err().as_deref(), refused, "{to}");
        }
    }

    #[test]
    fn a_time_is_later_than_now_and_within_a_year() {
        let now_s = 1_700_000_000;
        for (at_s, part) in [
            (now_s + 1, None),
            (now_s + SWITCHOVER_AHEAD_MAX_S, None),
            (now_s, Some("2023-11-14T22:13:20Z is past: it is 2023-11-14T22:13:20Z")),
            (0, Some("1970-01-01T00:00:00Z is past")),
            (now_s + SWITCHOVER_AHEAD_MAX_S + 1, Some("more than a year ahead")),
            (u64::MAX, Some("more than a year ahead")),
        ] {
            let told = check_time(at_s, now_s).err();
            assert_eq!(told.is_some(), part.is_some(), "{at_s}");
            assert!(part.is_none_or(|part| told.is_some_and(|told| told.contains(part))), "{at_s}");
        }
    }
}
