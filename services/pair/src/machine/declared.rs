//! Declarations, campaign groups, and the reason why a record is not dialable, each from one state. Called by the reader.

use outbound::{
    Answer, ApplyDeclaration, DeclarationFault, DeclarationPlan, GroupInfo, Handle, HeldRecord, NotDialable, Refusal,
    RefusalCode, Value, key,
};
use records::{
    Fault, GroupState, Key, Plan, Row, View, declaration_of, group_state, plan_declaration, why_not_dialable,
};

/// The declaration that would make the state.
pub(super) fn declaration(state: &impl View) -> Answer {
    let revision = match state.get(&Key::Declared) {
        Some(Row::Declared(declared)) => declared.revision(),
        _ => 0,
    };
    Answer::Declaration { revision, declaration: Box::new(declaration_of(state)) }
}

/// The effect of a declaration.
pub(super) fn plan(state: &impl View, apply: &ApplyDeclaration) -> Answer {
    let Plan { revision, differences, faults, .. } = plan_declaration(state, apply);
    let fault = |Fault { path, message, .. }: Fault| DeclarationFault { path, message };
    Answer::Plan(DeclarationPlan { revision, differences, faults: faults.into_iter().map(fault).collect() })
}

/// All campaign groups, or the group of an identifier.
///
/// # Errors
/// GROUP_NOT_FOUND: no group has the identifier.
pub(super) fn groups(state: &impl View, identifier: Option<&str>) -> Result<Answer, Refusal> {
    let all = records::groups(state).into_iter().map(info);
    let Some(identifier) = identifier else { return Ok(Answer::Groups(all.collect())) };
    let found: Vec<GroupInfo> = all.filter(|group| is_meant(group, identifier)).collect();
    if found.is_empty() { Err(unknown_group(identifier)) } else { Ok(Answer::Groups(found)) }
}

/// Digits are always a DBID (spec 2).
fn is_meant(group: &GroupInfo, identifier: &str) -> bool {
    let digits = !identifier.is_empty() && identifier.bytes().all(|byte| byte.is_ascii_digit());
    if digits { identifier.parse() == Ok(group.dbid) } else { group.name == identifier }
}

fn unknown_group(identifier: &str) -> Refusal {
    let message = format!("There is no campaign group {identifier:?}");
    Refusal::new(RefusalCode::GroupNotFound, message).with(key::CAMPAIGN_GROUP_NAME, Value::text(identifier))
}

fn info(group: GroupState) -> GroupInfo {
    let held = |(agent, handle, since_us)| HeldRecord { agent, handle, since_us };
    GroupInfo {
        dbid: group.dbid,
        state: state_name(group.state),
        name: group.name,
        campaign: group.campaign,
        campaign_dbid: group.campaign_dbid,
        held: group.held.into_iter().map(held).collect(),
        held_total: group.held_total,
    }
}

/// The name of a state (spec 9, Campaign groups); a number of a newer release has no name.
const fn state_name(state: u32) -> &'static str {
    match state {
        group_state::NOT_LOADED => "NotLoaded",
        group_state::LOADED => "Loaded",
        group_state::RUNNING => "Running",
        group_state::STOPPED => "Stopped",
        group_state::UNLOADING => "Unloading",
        _ => "unknown",
    }
}

/// The reason why no group gets a record at a moment.
pub(super) fn not_dialable(state: &impl View, handle: Handle, now_us: u64) -> Answer {
    let found = why_not_dialable(state, handle, now_us);
    let reason =
        |why: records::NotDialable| NotDialable { condition: why.condition, reason: why.reason, until_s: why.until_s };
    Answer::NotDialable(found.map(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_name_a_group_by_its_dbid_alone() {
        let group = GroupInfo { dbid: 7, name: "7".into(), ..GroupInfo::default() };
        let other = GroupInfo { dbid: 8, name: "A@B".into(), ..GroupInfo::default() };
        assert!(is_meant(&group, "7") && !is_meant(&other, "7") && is_meant(&group, "07"));
        assert!(is_meant(&other, "A@B") && !is_meant(&other, "a@b") && !is_meant(&group, ""));
    }

    #[test]
    fn every_state_has_the_name_of_its_acknowledging_event() {
        let names = [0, 1, 2, 3, 4, 5].map(state_name);
        assert_eq!(names, ["NotLoaded", "Loaded", "Running", "Stopped", "Unloading", "unknown"]);
    }
}
