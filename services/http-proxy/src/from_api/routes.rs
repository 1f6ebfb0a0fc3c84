//! The one table of operations of the REST interface: method, path, scope (spec 13). The translation and the OpenAPI description read
//! this table alone.

use outbound::AccessScope;

/// An operation of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// All lists.
    Lists,
    /// A new list.
    MakeList,
    /// One list.
    List,
    /// Another declaration of a list.
    ChangeList,
    /// A page of a list's records.
    Records,
    /// A new record.
    AddRecord,
    /// One record.
    Record,
    /// Fields, window, zone and phone type of a record.
    PatchRecord,
    /// RecordReschedule.
    Reschedule,
    /// RequestRecordCancel.
    Cancel,
    /// DoNotCall of a record.
    StopRecord,
    /// RecordProcessed.
    Processed,
    /// All campaigns.
    Campaigns,
    /// A new campaign.
    MakeCampaign,
    /// One campaign.
    Campaign,
    /// Another declaration of a campaign.
    ChangeCampaign,
    /// All campaign groups.
    Groups,
    /// A new campaign group.
    MakeGroup,
    /// One campaign group.
    Group,
    /// LoadCampaign.
    Load,
    /// StartDialing.
    Start,
    /// StopDialing.
    Stop,
    /// UnloadCampaign.
    Unload,
    /// PreviewRecordRequest.
    Preview,
    /// Do-Not-Call entries of a phone or a customer.
    Entries,
    /// A Do-Not-Call entry.
    Enter,
    /// Takes a Do-Not-Call entry back.
    Remove,
    /// Do-Not-Call entries, up to 500.
    EnterBatch,
    /// State of the node and its group.
    Cluster,
    /// Changes of the role.
    History,
    /// A planned switchover, now or at a time to come.
    Switchover,
    /// Cancels the scheduled switchover.
    CancelSwitchover,
    /// Pauses automatic failover.
    Pause,
    /// Resumes automatic failover.
    Resume,
    /// The backups in the node's directory.
    Backups,
    /// A backup into the node's directory.
    MakeBackup,
    /// Actions of operators and administrators.
    Audit,
    /// Figures of the last hour or day.
    Series,
}

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// GET, POST, PATCH or DELETE.
    pub method: &'static str,
    /// Behind `/api/v1`; a segment in braces is a variable.
    pub path: &'static str,
    /// The operation.
    pub operation: Operation,
    /// The scope that a credential must have.
    pub scope: AccessScope,
    /// Unique, for generated clients.
    pub id: &'static str,
    /// A sentence for a person.
    pub summary: &'static str,
}

const fn route(
    (method, path): (&'static str, &'static str),
    operation: Operation,
    scope: AccessScope,
    (id, summary): (&'static str, &'static str),
) -> Route {
    Route { method, path, operation, scope, id, summary }
}

const ONE: &str = "/lists/{list}/records/{record_id}";
const HANDLE: &str = "/records/{handle}";

/// Every operation. A record is named by list and record_id, or by its handle.
pub const ROUTES: [Route; 45] = {
    use AccessScope::{Admin, Read, Update};
    use Operation as To;
    [
        route(("GET", "/lists"), To::Lists, Read, ("listLists", "The calling lists")),
        route(("POST", "/lists"), To::MakeList, Admin, ("makeList", "Declares a new list, as ocsctl apply would")),
        route(("GET", "/lists/{list}"), To::List, Read, ("getList", "A calling list by name or DBID")),
        route(
            ("PATCH", "/lists/{list}"),
            To::ChangeList,
            Admin,
            ("changeList", "Declares a list again; absent keys stay"),
        ),
        route(("GET", "/lists/{list}/records"), To::Records, Read, ("listRecords", "A page of a list's records")),
        route(("POST", "/lists/{list}/records"), To::AddRecord, Update, ("addRecord", "Adds a record (AddRecord)")),
        route(("GET", ONE), To::Record, Read, ("getRecordOfList", "A record by list and record_id")),
        route(
            ("PATCH", ONE),
            To::PatchRecord,
            Update,
            ("patchRecordOfList", "Changes an open record that no agent holds"),
        ),
        route(
            ("POST", "/lists/{list}/records/{record_id}/reschedule"),
            To::Reschedule,
            Update,
            ("rescheduleRecordOfList", "RecordReschedule"),
        ),
        route(
            ("POST", "/lists/{list}/records/{record_id}/cancel"),
            To::Cancel,
            Update,
            ("cancelRecordOfList", "RequestRecordCancel"),
        ),
        route(
            ("POST", "/lists/{list}/records/{record_id}/do-not-call"),
            To::StopRecord,
            Update,
            ("stopRecordOfList", "DoNotCall"),
        ),
        route(
            ("POST", "/lists/{list}/records/{record_id}/processed"),
            To::Processed,
            Update,
            ("processRecordOfList", "RecordProcessed"),
        ),
        route(("GET", HANDLE), To::Record, Read, ("getRecord", "A record by handle")),
        route(
            ("PATCH", HANDLE),
            To::PatchRecord,
            Update,
            ("patchRecord", "Changes an open record that no agent holds"),
        ),
        route(
            ("POST", "/records/{handle}/reschedule"),
            To::Reschedule,
            Update,
            ("rescheduleRecord", "RecordReschedule"),
        ),
        route(("POST", "/records/{handle}/cancel"), To::Cancel, Update, ("cancelRecord", "RequestRecordCancel")),
        route(("POST", "/records/{handle}/do-not-call"), To::StopRecord, Update, ("stopRecord", "DoNotCall")),
        route(("POST", "/records/{handle}/processed"), To::Processed, Update, ("processRecord", "RecordProcessed")),
        route(("GET", "/campaigns"), To::Campaigns, Read, ("listCampaigns", "The declared campaigns")),
        route(("POST", "/campaigns"), To::MakeCampaign, Admin, ("makeCampaign", "Declares a new campaign")),
        route(("GET", "/campaigns/{campaign}"), To::Campaign, Read, ("getCampaign", "A campaign by name")),
        route(
            ("PATCH", "/campaigns/{campaign}"),
            To::ChangeCampaign,
            Admin,
            ("changeCampaign", "Declares a campaign again"),
        ),
        route(("GET", "/campaign-groups"), To::Groups, Read, ("listGroups", "Campaign groups with their states")),
        route(("POST", "/campaign-groups"), To::MakeGroup, Admin, ("makeGroup", "Declares a new campaign group")),
        route(
            ("GET", "/campaign-groups/{id}"),
            To::Group,
            Read,
            ("getGroup", "A campaign group by DBID or Campaign@Group"),
        ),
        route(("POST", "/campaign-groups/{id}/load"), To::Load, Admin, ("loadGroup", "LoadCampaign")),
        route(("POST", "/campaign-groups/{id}/start"), To::Start, Admin, ("startGroup", "StartDialing")),
        route(("POST", "/campaign-groups/{id}/stop"), To::Stop, Admin, ("stopGroup", "StopDialing")),
        route(("POST", "/campaign-groups/{id}/unload"), To::Unload, Admin, ("unloadGroup", "UnloadCampaign")),
        route(("POST", "/campaign-groups/{id}/preview"), To::Preview, Update, ("previewGroup", "PreviewRecordRequest")),
        route(("GET", "/do-not-call"), To::Entries, Read, ("getDoNotCall", "Entries of a phone or a customer")),
        route(("POST", "/do-not-call"), To::Enter, Update, ("enterDoNotCall", "Enters a phone or a customer")),
        route(("DELETE", "/do-not-call"), To::Remove, Admin, ("removeDoNotCall", "Takes an entry back")),
        route(
            ("POST", "/do-not-call/batch"),
            To::EnterBatch,
            Update,
            ("enterDoNotCallBatch", "Enters up to 500 entries"),
        ),
        route(("GET", "/cluster"), To::Cluster, Admin, ("getCluster", "The node that answers, and its group")),
        route(("GET", "/history"), To::History, Admin, ("getHistory", "Changes of the role")),
        route(("POST", "/switchover"), To::Switchover, Admin, ("switchOver", "Hands the primary's role over")),
        route(("POST", "/pause"), To::Pause, Admin, ("pauseFailover", "Pauses automatic failover")),
        route(("POST", "/resume"), To::Resume, Admin, ("resumeFailover", "Resumes automatic failover")),
        route(("GET", "/backups"), To::Backups, Admin, ("getBackups", "The backups in the node's directory")),
        route(("GET", "/audit"), To::Audit, Admin, ("getAudit", "Actions of operators and administrators")),
        route(
            ("GET", "/switchover"),
            To::Switchover,
            Admin,
            ("planSwitchover", "The candidates of a switchover; changes nothing"),
        ),
        route(
            ("DELETE", "/switchover"),
            To::CancelSwitchover,
            Admin,
            ("cancelSwitchover", "Cancels the scheduled switchover"),
        ),
        route(("POST", "/backups"), To::MakeBackup, Admin, ("makeBackup", "Begins a backup into the node's directory")),
        route(("GET", "/series"), To::Series, Admin, ("getSeries", "Figures of the last hour or day, for plots")),
    ]
};

/// The methods of a path, as `Allow` lists them; empty: no such path.
pub(super) fn allow(segments: &[String]) -> &'static str {
    let methods: Vec<&str> =
        ROUTES.iter().filter(|route| fits(route.path, segments)).map(|route| route.method).collect();
    ALLOWS.iter().find(|(known, _)| methods.as_slice() == *known).map_or("", |(_, allow)| allow)
}

/// The sets of methods that paths have, in the order of the table.
const ALLOWS: [(&[&str], &str); 7] = [
    (&["GET"], "GET, HEAD, OPTIONS"),
    (&["POST"], "POST, OPTIONS"),
    (&["GET", "POST"], "GET, HEAD, POST, OPTIONS"),
    (&["GET", "PATCH"], "GET, HEAD, PATCH, OPTIONS"),
    (&["GET", "POST", "DELETE"], "GET, HEAD, POST, DELETE, OPTIONS"),
    (&["POST", "GET"], "GET, HEAD, POST, OPTIONS"),
    (&["POST", "GET", "DELETE"], "GET, HEAD, POST, DELETE, OPTIONS"),
];

/// The row of a method and a path. HEAD asks what GET asks, and its answer leaves the body out.
pub(super) fn find(method: &str, segments: &[String]) -> Option<&'static Route> {
    let method = if method == "HEAD" { "GET" } else { method };
    ROUTES.iter().find(|route| route.method == method && fits(route.path, segments))
}

/// Whether a path has the shape of a template.
fn fits(template: &str, segments: &[String]) -> bool {
    let mut wanted = template.split('/').skip(1);
    let is_of = |part: &str, segment: &str| if part.starts_with('{') { !segment.is_empty() } else { part == segment };
    let all = segments.iter().all(|segment| wanted.next().is_some_and(|part| is_of(part, segment)));
    all && wanted.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(path: &str) -> Vec<String> {
        path.split('/').skip(1).map(str::to_owned).collect()
    }

    #[test]
    fn every_operation_is_found_by_its_method_and_path_and_has_an_id_of_its_own() {
        for route in &ROUTES {
            let found = find(route.method, &segments(route.path)).unwrap();
            assert_eq!((found.id, found.operation), (route.id, route.operation));
            assert!(!allow(&segments(route.path)).is_empty(), "{} has no Allow", route.path);
            assert_eq!(ROUTES.iter().filter(|other| other.id == route.id).count(), 1, "{}", route.id);
        }
        assert_eq!(find("HEAD", &segments("/cluster")).map(|route| route.id), Some("getCluster"));
        assert!(find("HEAD", &segments("/pause")).is_none() && !allow(&segments("/pause")).contains("HEAD"));
        for path in ["/", "/lists/", "/lists/a/records/1/processed/x", "/nothing", "/records"] {
            let found = find("GET", &segments(path)).map(|route| route.id);
            assert_eq!(found, None, "{path}");
        }
    }
}
