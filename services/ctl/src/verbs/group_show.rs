//! `group show`: campaign groups, with the agents that hold records. Never changes anything.

use std::{collections::BTreeMap, time::Duration};

use ocs_proto::control::{GroupInfo, ShowGroupsRequest};
use serde::Serialize;

use crate::{
    cli::GroupShowArgs,
    cluster::{Client, Cluster},
    failure::Failure,
    print::{self, Out},
};

/// How long to look for a node that answers, over a failover.
const RETRY_FOR: Duration = Duration::from_secs(15);

#[derive(Debug, Serialize)]
struct View {
    dbid: u32,
    /// `Campaign@Group`.
    name: String,
    campaign: String,
    campaign_dbid: u32,
    state: String,
    /// Records that agents hold.
    held_total: u64,
    /// Agents by the time of their oldest record; of the first thousand records, where there are more.
    agents: Vec<AgentView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct AgentView {
    /// None: records that were handed out without an agent.
    agent: Option<String>,
    /// Records that the agent holds.
    records: u64,
    /// Time of the oldest hand-out, RFC 3339, UTC.
    since: String,
    /// Handles, the oldest hand-out first.
    handles: Vec<u64>,
}

/// The groups that a name or a DBID means, or all.
pub(super) async fn groups(cluster: &Cluster, group: &str) -> Result<Vec<GroupInfo>, Failure> {
    let request = ShowGroupsRequest { group: group.to_owned() };
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { Ok(client.show_groups(request).await?.into_inner().groups) }
    };
    cluster.on_any(RETRY_FOR, ask).await
}

/// Shows the groups, and of a single one its agents too.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &GroupShowArgs) -> Result<(), Failure> {
    let groups = groups(cluster, args.group.as_deref().unwrap_or_default()).await?;
    let with_agents = args.group.is_some();
    out.show(&groups.into_iter().map(view).collect(), |views: &Vec<View>| table(views, with_agents))
}

fn view(group: GroupInfo) -> View {
    View {
        dbid: group.dbid,
        name: group.name.clone(),
        campaign: group.campaign.clone(),
        campaign_dbid: group.campaign_dbid,
        state: group.state.clone(),
        held_total: group.held_total,
        agents: agents(&group),
    }
}

/// The agent of the oldest record first.
fn agents(group: &GroupInfo) -> Vec<AgentView> {
    let mut by_agent: BTreeMap<&str, Vec<(u64, u64)>> = BTreeMap::new();
    for held in &group.held {
        by_agent.entry(&held.agent).or_default().push((held.since_us, held.handle));
    }
    let mut agents: Vec<(u64, AgentView)> = Vec::new();
    for (agent, mut records) in by_agent {
        records.sort_unstable();
        let since_us = records.first().map_or(0, |(since_us, _)| *since_us);
        let agent = (!agent.is_empty()).then(|| agent.to_owned());
        let handles: Vec<u64> = records.into_iter().map(|(_, handle)| handle).collect();
        let view = AgentView { agent, records: handles.len() as u64, since: print::time(since_us), handles };
        agents.push((since_us, view));
    }
    agents.sort_by_key(|(since_us, _)| *since_us);
    agents.into_iter().map(|(_, view)| view).collect()
}

fn table(views: &[View], with_agents: bool) -> String {
    if views.is_empty() {
        return "no campaign group is declared".to_owned();
    }
    let row = |view: &View| {
        let oldest = view.agents.first().map_or("-", |agent| agent.since.as_str());
        let [name, state] = [&view.name, &view.state].map(|text| print::visible(text).into_owned());
        [name, view.dbid.to_string(), state, view.held_total.to_string(), oldest.to_owned()]
    };
    let mut text = print::table(&["group", "dbid", "state", "held", "oldest since"], views.iter().map(row));
    for view in views.iter().filter(|_| with_agents) {
        text.push_str(&agents_of(view));
    }
    text
}

fn agents_of(view: &View) -> String {
    if view.agents.is_empty() {
        return "\n\nno agent holds a record".to_owned();
    }
    let row = |agent: &AgentView| {
        let name = agent.agent.as_deref().unwrap_or("(no agent)");
        [print::visible(name).into_owned(), agent.records.to_string(), agent.since.clone()]
    };
    let mut text = format!("\n\n{}", print::table(&["agent", "holds", "since"], view.agents.iter().map(row)));
    let shown: u64 = view.agents.iter().map(|agent| agent.records).sum();
    if shown < view.held_total {
        text.push_str(&format!("\nthe first {shown} of {} records", view.held_total));
    }
    text
}

#[cfg(test)]
mod tests {
    use ocs_proto::control::HeldRecord;

    use super::*;

    fn held(agent: &str, handle: u64, since_s: u64) -> HeldRecord {
        HeldRecord { agent: agent.to_owned(), handle, since_us: since_s * 1_000_000 }
    }

    fn running(held: Vec<HeldRecord>) -> GroupInfo {
        let held_total = held.len() as u64;
        let (name, state) = ("Renewals@Agents".to_owned(), "Running".to_owned());
        GroupInfo { dbid: 101, name, state, held, held_total, ..GroupInfo::default() }
    }

    #[test]
    fn an_agent_is_a_line_with_the_oldest_record_first() {
        let group = running(vec![
            held("anna", 9, 1_700_000_100),
            held("ben", 4, 1_700_000_050),
            held("anna", 3, 1_700_000_000),
        ]);
        let text = table(&[view(group)], true);
        let wanted = [
            "GROUP            DBID  STATE    HELD  OLDEST SINCE",
            "Renewals@Agents  101   Running  3     2023-11-14T22:13:20Z",
            "",
            "AGENT  HOLDS  SINCE",
            "anna   2      2023-11-14T22:13:20Z",
            "ben    1      2023-11-14T22:14:10Z",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn records_beyond_those_that_came_and_records_without_an_agent_are_said() {
        let group = GroupInfo { held_total: 5_000, ..running(vec![held("", 1, 1)]) };
        let text = table(&[view(group)], true);
        assert!(text.contains("(no agent)") && text.ends_with("the first 1 of 5000 records"), "{text}");
        let text = table(&[view(running(Vec::new()))], true);
        assert!(text.ends_with("no agent holds a record") && text.contains("Running  0     -"), "{text}");
        assert_eq!(table(&[], false), "no campaign group is declared");
    }

    #[test]
    fn long_names_that_act_on_a_terminal_fit_into_eighty_columns() {
        let group = GroupInfo { name: "a\u{1b}[2J".repeat(30), ..running(vec![held(&"x".repeat(90), 1, 1)]) };
        let text = table(&[view(group)], true);
        assert!(text.lines().all(|line| line.chars().count() <= print::WIDTH), "{text}");
        assert!(!text.contains('\u{1b}'));
    }
}
