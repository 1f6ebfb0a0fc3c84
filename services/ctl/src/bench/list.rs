//! The list of a load: made for the load, or the user's. Never changes a list of others. Called by the verb `bench`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ocs_proto::{
    control::{GroupInfo, ListInfo, ShowDeclarationRequest, ShowGroupsRequest, ShowListRequest},
    outbound::{CampaignLists, CreateList, Declaration, ImportRow, UserField},
};
use outbound::record_status;

use crate::{
    cluster::{Client, Cluster},
    export,
    failure::Failure,
    import, orders,
};

/// How long to look for a node that answers, over a failover.
const RETRY_FOR: Duration = Duration::from_secs(15);
/// Begins the names of lists that this verb makes.
const PREFIX: &str = "bench-";
/// The field of updates.
const NOTE: &str = "bench_note";
/// States of a campaign group in which previews are answered (spec 9).
const HANDS_OUT: [&str; 2] = ["Loaded", "Running"];

/// Makes a list with so many records, each a chain of its own, and returns its name. A list that cannot be filled is deleted.
pub(crate) async fn make(cluster: &Cluster, records: u32) -> Result<String, Failure> {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let name = format!("{PREFIX}{}", since_1970.as_millis());
    let (column, kind) = (NOTE.to_owned(), "varchar(255)".to_owned());
    let field = UserField { column, kind, default: String::new(), send_attribute: String::new() };
    let request = CreateList { name: name.clone(), time_zone: String::new(), fields: vec![field] };
    orders::create_list_as(cluster, request).await?;
    let rows = (1..=records).map(|number| vec![phone(number)]);
    if let Err(failure) = import::made::import(cluster, &name, &import::new_id(), &["contact_info"], rows).await {
        let _ = orders::delete_list(cluster, &name, true).await; // the first failure says more
        return Err(failure);
    }
    Ok(name)
}

/// Numbers of +999, a country code without a country.
fn phone(number: u32) -> String {
    format!("+9994{number:07}")
}

/// Fails if there is no such list, or if the list has records of others and the user has not agreed.
pub(crate) async fn refuse_of_others(cluster: &Cluster, name: &str, agreed: bool) -> Result<(), Failure> {
    let list = show(cluster, name).await?;
    let campaigns = if agreed { Vec::new() } else { campaigns(cluster, name).await };
    match refusal(&list, &campaigns, agreed) {
        Some(why) => Err(Failure::Refused(why)),
        None => Ok(()),
    }
}

/// Why a list is left alone; none: the list may be used.
fn refusal(list: &ListInfo, campaigns: &[String], agreed: bool) -> Option<String> {
    let made_here = list.name.starts_with(PREFIX) && campaigns.is_empty();
    if agreed || made_here || list.records == 0 {
        return None;
    }
    let (name, records) = (&list.name, list.records);
    let whose = match campaigns {
        [] => String::new(),
        names => format!(" of campaign {}", names.join(", ")),
    };
    Some(format!(
        "list {name} has {records} records{whose}, and a load is real: --create-list makes a list for it, --yes takes this one"
    ))
}

async fn show(cluster: &Cluster, name: &str) -> Result<ListInfo, Failure> {
    let request = ShowListRequest { name: name.to_owned(), count: false };
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { Ok(client.show_list(request).await?.into_inner().lists) }
    };
    let lists = cluster.on_any(RETRY_FOR, ask).await?;
    let found = lists.into_iter().find(|list| list.name == name);
    found.ok_or_else(|| Failure::Refused(format!("there is no list named {name}")))
}

async fn declaration(cluster: &Cluster) -> Result<Declaration, Failure> {
    let ask = |mut client: Client| async move {
        Ok(client.show_declaration(ShowDeclarationRequest {}).await?.into_inner().declaration.unwrap_or_default())
    };
    cluster.on_any(RETRY_FOR, ask).await
}

/// The campaigns that have a list; none where the rules have no campaigns.
async fn campaigns(cluster: &Cluster, list: &str) -> Vec<String> {
    declaration(cluster).await.map(|declared| campaigns_with(&declared, list)).unwrap_or_default()
}

fn campaigns_with(declared: &Declaration, list: &str) -> Vec<String> {
    let has = |lists: &CampaignLists| lists.lists.iter().any(|one| one.list == list);
    let with = declared.campaigns.iter().filter(|campaign| campaign.lists.as_ref().is_some_and(has));
    with.map(|campaign| campaign.name.clone()).collect()
}

/// Handles of the list's first records that an update may change, so many at most.
///
/// # Errors
/// The list has no such record.
pub(crate) async fn handles(cluster: &Cluster, list: &str, at_most: usize) -> Result<Vec<u64>, Failure> {
    let mut export = export::begin(cluster, list, &["handle".to_owned(), "record_status".to_owned()], None).await?;
    let mut handles = Vec::new();
    while handles.len() < at_most {
        let Some(rows) = export.rows().await.map_err(|error| error.into_failure("export"))? else { break };
        handles.extend(rows.iter().filter_map(handle_of_open));
    }
    handles.truncate(at_most);
    if handles.is_empty() {
        return Err(Failure::Refused(format!(
            "list {list} has no open records: --create-list makes a list that has some"
        )));
    }
    Ok(handles)
}

/// The handle of an open record; a finalised record refuses updates.
fn handle_of_open(row: &ImportRow) -> Option<u64> {
    let [handle, status] = &row.values[..] else { return None };
    let status: i64 = status.parse().ok()?;
    matches!(status, record_status::READY | record_status::RETRIEVED).then(|| handle.parse().ok())?
}

/// The campaign group that previews ask: as named, else the only group of the campaigns that have the list.
///
/// # Errors
/// No group has the list, or several have, or the group hands nothing out in its state.
pub(crate) async fn group(cluster: &Cluster, list: &str, named: Option<&str>) -> Result<GroupInfo, Failure> {
    let request = ShowGroupsRequest { group: named.unwrap_or_default().to_owned() };
    let ask = |mut client: Client| {
        let request = request.clone();
        async move { Ok(client.show_groups(request).await?.into_inner().groups) }
    };
    let groups = cluster.on_any(RETRY_FOR, ask).await?;
    let campaigns = campaigns_with(&declaration(cluster).await?, list);
    chosen(groups, &campaigns, list).map_err(Failure::Usage)
}

fn chosen(groups: Vec<GroupInfo>, campaigns: &[String], list: &str) -> Result<GroupInfo, String> {
    let mut with_list: Vec<GroupInfo> =
        groups.into_iter().filter(|group| campaigns.contains(&group.campaign)).collect();
    let group = match with_list.len() {
        0 => return Err(format!("previews need a campaign group whose campaign has list {list}, and there is none")),
        1 => with_list.remove(0),
        _ => {
            let names: Vec<_> = with_list.iter().map(|group| group.name.as_str()).collect();
            return Err(format!("several campaign groups have list {list}: name one by --group: {}", names.join(", ")));
        }
    };
    if !HANDS_OUT.contains(&group.state.as_str()) {
        let (name, state) = (&group.name, &group.state);
        return Err(format!("{name} is {state} and hands nothing out: `ocsctl group load {name}` first"));
    }
    Ok(group)
}

#[cfg(test)]
mod tests {
    use ocs_proto::outbound::{CampaignList, DeclaredCampaign};

    use super::*;

    #[test]
    fn a_list_with_records_of_others_needs_an_agreement() {
        let list = |name: &str, records| ListInfo { name: name.to_owned(), records, ..ListInfo::default() };
        let demo = ["demo".to_owned()];
        assert_eq!(refusal(&list("customers", 0), &demo, false), None, "there is nothing to harm");
        assert_eq!(refusal(&list("customers", 7), &demo, true), None);
        assert_eq!(refusal(&list("bench-1", 7), &[], false), None, "a list of an earlier load");
        let said = refusal(&list("customers", 7), &demo, false).unwrap();
        assert!(
            said.starts_with("list customers has 7 records of campaign demo, ") && said.contains("--yes"),
            "{said}"
        );
        assert!(refusal(&list("customers", 7), &[], false).is_some(), "a program of others may use it");
        assert!(refusal(&list("bench-1", 7), &demo, false).is_some(), "a campaign has it");
    }

    fn info(name: &str, campaign: &str, state: &str) -> GroupInfo {
        GroupInfo { name: name.into(), campaign: campaign.into(), state: state.into(), ..GroupInfo::default() }
    }

    #[test]
    fn previews_ask_the_only_group_that_has_the_list_and_hands_records_out() {
        let campaigns = ["demo".to_owned()];
        let other = || info("x@y", "x", "Running");
        let chosen = |groups: Vec<GroupInfo>| chosen(groups, &campaigns, "customers").map(|group| group.name);
        assert_eq!(chosen(vec![other(), info("demo@demo", "demo", "Running")]).unwrap(), "demo@demo");
        assert!(chosen(vec![other()]).unwrap_err().contains("there is none"));
        let two = vec![info("demo@a", "demo", "Running"), info("demo@b", "demo", "Loaded")];
        assert!(chosen(two).unwrap_err().contains("by --group: demo@a, demo@b"));
        let stopped = chosen(vec![info("demo@a", "demo", "NotLoaded")]).unwrap_err();
        assert!(stopped.contains("demo@a is NotLoaded") && stopped.contains("group load demo@a"), "{stopped}");
    }

    #[test]
    fn a_campaign_has_the_lists_that_are_declared_for_it() {
        let list = |name: &str| CampaignList { list: name.to_owned(), weight: None };
        let lists = Some(CampaignLists { lists: vec![list("customers"), list("others")] });
        let campaign =
            |name: &str, lists| DeclaredCampaign { name: name.to_owned(), lists, ..DeclaredCampaign::default() };
        let campaigns = vec![campaign("demo", lists), campaign("empty", None)];
        let declared = Declaration { campaigns, ..Declaration::default() };
        assert_eq!(campaigns_with(&declared, "customers"), ["demo"]);
        assert_eq!(campaigns_with(&declared, "third"), [""; 0]);
    }
}
