//! Schemas of declared things and of the answers to operators, with every member that `things` writes; a test compares both.
//!
//! Other members are allowed everywhere, so that a client of today reads the answers of a later release.

use utoipa::openapi::{
    ArrayBuilder, ObjectBuilder, OneOfBuilder, Ref, Schema, Type,
    schema::{AdditionalProperties, SchemaType},
};

use super::{integer, string};
use crate::from_api::SERIES_NAMES;

/// The schemas by name.
pub(super) fn all() -> Vec<(&'static str, Schema)> {
    let all = [
        ("List", list()),
        ("ListDeclaration", list_declaration()),
        ("ListField", list_field()),
        ("Campaign", campaign()),
        ("CampaignList", object().property("list", string()).property("weight", integer())),
        ("CampaignGroup", campaign_group()),
        ("CampaignGroupDeclaration", campaign_group_declaration()),
        ("Cluster", cluster()),
        ("Peer", peer()),
        ("History", object().property("items", array_of("RoleChange")).property("confirmed", boolean())),
        ("RoleChange", role_change()),
        ("SwitchoverReport", switchover_report()),
        ("Candidate", candidate()),
        ("ScheduledSwitchover", scheduled_switchover()),
        ("OrderDone", object().property("done", boolean())),
        ("Backups", backups()),
        ("AuditEntry", audit_entry()),
        ("Series", series()),
        ("SeriesValues", series_values()),
    ];
    all.into_iter().map(|(name, schema)| (name, schema.into())).collect()
}

fn object() -> ObjectBuilder {
    ObjectBuilder::new().additional_properties(Some(AdditionalProperties::FreeForm(true)))
}

fn boolean() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean)
}

fn or_null(kind: Type) -> ObjectBuilder {
    ObjectBuilder::new().schema_type([kind, Type::Null].into_iter().collect::<SchemaType>())
}

fn array_of(name: &str) -> ArrayBuilder {
    ArrayBuilder::new().items(Ref::from_schema_name(name))
}

/// The object with these members of one kind.
fn with(object: ObjectBuilder, names: &[&str], kind: fn() -> ObjectBuilder) -> ObjectBuilder {
    names.iter().fold(object, |object, name| object.property(*name, kind()))
}

// === declared things ===

/// The keys of a list in the file of declarations (spec 11).
fn list_declaration() -> ObjectBuilder {
    let texts = ["name", "tenant", "time_zone", "customer_id", "calendar", "unique_phone", "unknown_keys"];
    let flags = ["zone_by_phone", "callbacks_any_time", "record_history"];
    with(with(with(object(), &texts, string), &flags, boolean), &["dbid", "attempts_max"], integer)
        .property("treatments", ArrayBuilder::new().items(string()))
        .property("send_attributes", ObjectBuilder::new().additional_properties(Some(string())))
        .property("fields", array_of("ListField"))
}

fn list() -> ObjectBuilder {
    let counters = ["records", "next_record_id", "next_chain_id", "windows", "windows_never_open"];
    let list = with(list_declaration(), &counters, integer).property("deleting", boolean());
    list.required("name").required("dbid")
}

fn list_field() -> ObjectBuilder {
    with(object(), &["name", "type", "default", "send_attribute"], string).required("name")
}

fn campaign() -> ObjectBuilder {
    with(object(), &["name", "tenant"], string)
        .property("dbid", integer())
        .property("lists", array_of("CampaignList"))
        .required("name")
}

fn campaign_group() -> ObjectBuilder {
    let group = with(object(), &["name", "campaign", "state"], string);
    with(group, &["dbid", "campaign_dbid", "held"], integer).required("name").required("dbid").required("state")
}

fn campaign_group_declaration() -> ObjectBuilder {
    let group = with(object(), &["campaign", "group"], string);
    with(group, &["dbid", "desktop_chains_limit"], integer).required("campaign").required("group")
}

// === operators ===

fn cluster() -> ObjectBuilder {
    let texts = ["node", "role", "primary", "mode", "cluster", "version", "survives", "loses", "updates_stopped"];
    let numbers = ["term", "epoch", "rules", "formats", "applied_index", "commit_index", "records", "uptime_ms"];
    with(with(with(object(), &texts, string), &numbers, integer), &["confirmed", "failover_paused"], boolean)
        .property("warnings", ArrayBuilder::new().items(string()))
        .property("peers", array_of("Peer"))
        .property("scheduled_switchover", schedule_or_null())
        .required("node")
        .required("role")
}

fn peer() -> ObjectBuilder {
    with(with(object(), &["node"], string), &["connected", "witness", "voter", "drained"], boolean)
        .property("lag_entries", or_null(Type::Integer))
        .property("last_heard_ms", or_null(Type::Integer))
        .required("node")
}

fn role_change() -> ObjectBuilder {
    with(with(object(), &["from", "to", "reason"], string), &["at_us", "term", "pause_ms"], integer)
        .property("note", or_null(Type::String))
}

fn switchover_report() -> ObjectBuilder {
    with(object(), &["from", "to", "reason"], string)
        .property("done", boolean())
        .property("duration_ms", integer())
        .property("candidates", array_of("Candidate"))
        .property("scheduled_switchover", schedule_or_null())
        .required("done")
}

fn scheduled_switchover() -> ObjectBuilder {
    let texts = ["to", "principal", "from"];
    let texts = texts.iter().fold(object(), |object, name| object.property(*name, or_null(Type::String)));
    texts.property("at", string()).property("asked_us", integer()).required("at")
}

fn schedule_or_null() -> OneOfBuilder {
    OneOfBuilder::new().item(Ref::from_schema_name("ScheduledSwitchover")).item(or_null_only())
}

fn or_null_only() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Null)
}

fn candidate() -> ObjectBuilder {
    with(object(), &["node", "reason"], string).property("eligible", boolean())
}

/// Without a schedule `scheduled` stands alone.
fn backups() -> ObjectBuilder {
    let made = with(object(), &["created_us", "bytes", "index", "records", "took_ms"], integer);
    let made = made.property("file", string()).schema_type(object_or_null());
    let missed = object().property("at_us", integer()).property("reason", string()).schema_type(object_or_null());
    with(with(object(), &["scheduled", "running"], boolean), &["every_ms", "keep", "failures"], integer)
        .property("directory", string())
        .property("last", made)
        .property("last_failure", missed)
        .required("scheduled")
}

fn object_or_null() -> SchemaType {
    [Type::Object, Type::Null].into_iter().collect()
}

fn audit_entry() -> ObjectBuilder {
    let row = with(with(object(), &["at_us", "number"], integer), &["what", "outcome"], string);
    let texts = ["principal", "address", "about", "details", "node"];
    let row = texts.iter().fold(row, |row, name| row.property(*name, or_null(Type::String)));
    row.property("acted_us", or_null(Type::Integer)).required("at_us").required("number")
}

fn series() -> ObjectBuilder {
    let means = "UTC seconds of the end of the first interval; each further value is step_s later";
    let series = with(object(), &["node"], string)
        .property("step_s", integer())
        .property("from_s", integer().description(Some(means)))
        .property("series", Ref::from_schema_name("SeriesValues"));
    ["node", "step_s", "from_s", "series"].into_iter().fold(series, ObjectBuilder::required)
}

/// The values of each figure; null: the node did not run, or does not know the figure.
fn series_values() -> ObjectBuilder {
    let values = || ArrayBuilder::new().items(or_null(Type::Number));
    SERIES_NAMES.iter().fold(object(), |object, name| object.property(*name, values()))
}

#[cfg(test)]
mod tests {
    use ocs_proto::{
        control::{
            AuditEntry, BackupMade, BackupMissed, BackupSchedule, Candidate, GroupInfo, HistoryEntry, HistoryReply,
            ListInfo, PeerLag, ScheduledSwitchover, StatusReply, SwitchoverReply,
        },
        link::{ApiBackups, ApiSeries, ApiSeriesValues},
        outbound::{CampaignList, CampaignLists, DeclaredCampaign, UserField},
    };
    use serde_json::{Map, Value};

    use super::*;
    use crate::to_api::things;

    /// The members that a schema describes, and the members of a thing.
    #[track_caller]
    fn compare(schema: &str, thing: &Value) {
        let described = all().into_iter().find(|(name, _)| *name == schema).unwrap().1;
        let described = serde_json::to_value(described).unwrap();
        let names = |members: &Map<String, Value>| {
            let mut names: Vec<String> = members.keys().cloned().collect();
            names.sort_unstable();
            names
        };
        let (described, written) = (&described["properties"], thing.as_object().unwrap());
        assert_eq!(names(described.as_object().unwrap()), names(written), "{schema}");
    }

    #[test]
    fn the_description_names_every_member_of_declared_things() {
        let list = things::list(ListInfo { fields: vec![UserField::default()], ..ListInfo::default() });
        compare("List", &list);
        compare("ListField", &list["fields"][0]);
        let lists = Some(CampaignLists { lists: vec![CampaignList::default()] });
        let campaign = things::campaign(DeclaredCampaign { lists, ..DeclaredCampaign::default() });
        compare("Campaign", &campaign);
        compare("CampaignList", &campaign["lists"][0]);
        compare("CampaignGroup", &things::group(GroupInfo::default()));
    }

    #[test]
    fn the_description_names_every_member_of_answers_to_operators() {
        let role = ocs_proto::control::GetRoleReply { peers: vec![PeerLag::default()], ..Default::default() };
        let scheduled_switchover = Some(ScheduledSwitchover::default());
        let cluster = things::cluster(StatusReply { role: Some(role), scheduled_switchover, ..StatusReply::default() });
        compare("Cluster", &cluster);
        compare("ScheduledSwitchover", &cluster["scheduled_switchover"]);
        compare("Peer", &cluster["peers"][0]);
        let entries = vec![HistoryEntry::default()];
        let history = things::history(HistoryReply { entries, ..HistoryReply::default() });
        compare("History", &history);
        compare("RoleChange", &history["items"][0]);
        let candidates = vec![Candidate::default()];
        let report = things::switchover(SwitchoverReply { done: true, candidates, ..Default::default() }, false);
        let report: Value = serde_json::from_slice(&report.body).unwrap();
        compare("SwitchoverReport", &report);
        compare("Candidate", &report["candidates"][0]);
        let (last, last_failure) = (Some(BackupMade::default()), Some(BackupMissed::default()));
        let schedule = Some(BackupSchedule { last, last_failure, ..BackupSchedule::default() });
        compare("Backups", &things::backups(ApiBackups { schedule }));
        compare("AuditEntry", &things::audit_entry(AuditEntry::default()));
        let values = |name: &&str| ApiSeriesValues { name: (*name).to_owned(), values: vec![f64::NAN] };
        let series = SERIES_NAMES.iter().map(values).collect();
        let series = things::series(ApiSeries { series, ..ApiSeries::default() });
        compare("Series", &series);
        compare("SeriesValues", &series["series"]);
    }
}
