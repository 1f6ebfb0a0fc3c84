//! `campaign show`: campaigns with their lists, campaign groups and contact limits. Never changes anything.

use std::time::Duration;

use ocs_proto::{
    control::{GroupInfo, ShowDeclarationRequest},
    outbound::{Declaration, DeclaredCampaign},
};
use serde::Serialize;

use super::group_show::groups;
use crate::{
    cli::CampaignShowArgs,
    cluster::{Client, Cluster},
    failure::Failure,
    print::{self, Out},
};

/// How long to look for a node that answers, over a failover.
const RETRY_FOR: Duration = Duration::from_secs(15);
/// The weight of a list without a declared one (spec 9, Campaign groups).
const WEIGHT_BY_DEFAULT: u32 = 10;

#[derive(Debug, Serialize)]
struct View {
    name: String,
    dbid: u32,
    /// None: the default tenant.
    tenant: Option<String>,
    lists: Vec<ListView>,
    groups: Vec<GroupView>,
    /// Names of the campaign's own limits; limits of its tenant hold besides.
    contact_limits: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ListView {
    list: String,
    weight: u32,
}

#[derive(Debug, Serialize)]
struct GroupView {
    /// `Campaign@Group`.
    name: String,
    dbid: u32,
    state: String,
    /// Records that agents hold.
    held: u64,
}

/// Shows the campaigns, and of a single one its lists, groups and limits.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &CampaignShowArgs) -> Result<(), Failure> {
    let ask = |mut client: Client| async move {
        let reply = client.show_declaration(ShowDeclarationRequest {}).await?.into_inner();
        Ok(reply.declaration.unwrap_or_default())
    };
    let declaration: Declaration = cluster.on_any(RETRY_FOR, ask).await?;
    let groups = groups(cluster, "").await?;
    let views: Vec<View> = declaration.campaigns.iter().map(|one| view(one, &declaration, &groups)).collect();
    let Some(name) = &args.name else { return out.show(&views, |views| table(views)) };
    let named = views.iter().position(|view| view.name == *name);
    let found = named.or_else(|| views.iter().position(|view| view.dbid.to_string() == *name));
    match found {
        Some(at) => out.show(&views[at], details),
        None => Err(Failure::Refused(format!("there is no campaign {}", print::visible(name)))),
    }
}

fn view(campaign: &DeclaredCampaign, declaration: &Declaration, groups: &[GroupInfo]) -> View {
    let list = |list: &ocs_proto::outbound::CampaignList| ListView {
        list: list.list.clone(),
        weight: list.weight.unwrap_or(WEIGHT_BY_DEFAULT),
    };
    let group = |group: &GroupInfo| GroupView {
        name: group.name.clone(),
        dbid: group.dbid,
        state: group.state.clone(),
        held: group.held_total,
    };
    let of_campaign =
        declaration.contact_limits.iter().filter(|limit| limit.campaign.as_deref() == Some(campaign.name.as_str()));
    View {
        name: campaign.name.clone(),
        dbid: campaign.dbid.unwrap_or_default(),
        tenant: campaign.tenant.clone().filter(|tenant| !tenant.is_empty()),
        lists: campaign.lists.iter().flat_map(|lists| &lists.lists).map(list).collect(),
        groups: groups.iter().filter(|group| group.campaign == campaign.name).map(group).collect(),
        contact_limits: of_campaign.map(|limit| limit.name.clone()).collect(),
    }
}

fn table(views: &[View]) -> String {
    if views.is_empty() {
        return "no campaign is declared".to_owned();
    }
    let row = |view: &View| {
        let lists: Vec<&str> = view.lists.iter().map(|list| list.list.as_str()).collect();
        let [groups, limits] = [view.groups.len(), view.contact_limits.len()].map(|number| number.to_string());
        [shown(&view.name), view.dbid.to_string(), groups, limits, shown(&lists.join(", "))]
    };
    print::table(&["campaign", "dbid", "groups", "limits", "lists"], views.iter().map(row))
}

fn details(view: &View) -> String {
    let limits = if view.contact_limits.is_empty() { "none".to_owned() } else { view.contact_limits.join(", ") };
    let pairs = [
        ("campaign", shown(&view.name)),
        ("dbid", view.dbid.to_string()),
        ("tenant", shown(view.tenant.as_deref().unwrap_or("the default tenant"))),
        ("contact limits", shown(&limits)),
    ];
    let lists = view.lists.iter().map(|list| [shown(&list.list), list.weight.to_string()]);
    let groups = view
        .groups
        .iter()
        .map(|group| [shown(&group.name), group.dbid.to_string(), shown(&group.state), group.held.to_string()]);
    let lists = print::table(&["list", "weight"], lists);
    let groups = print::table(&["group", "dbid", "state", "held"], groups);
    format!("{}\n\n{lists}\n\n{groups}", print::pairs(&pairs))
}

fn shown(text: &str) -> String {
    print::visible(text).into_owned()
}
