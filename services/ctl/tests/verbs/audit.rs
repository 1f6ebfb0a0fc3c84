//! The audit, and the history of a record.

use ocs_proto::{
    control::{AuditEntry, AuditRequest, GetRecordReply, RecordChange},
    outbound::{Done, Reply, reply::Body},
};

use crate::{Double, ocsctl};

fn row(number: u64, what: &str) -> AuditEntry {
    AuditEntry {
        at_us: 1_700_000_000_000_000 + number,
        number,
        principal: "maria".into(),
        address: "10.0.0.9:4711".into(),
        what: what.into(),
        outcome: "done".into(),
        ..AuditEntry::default()
    }
}

#[tokio::test]
async fn the_audit_is_a_table_for_a_person_and_a_line_a_row_for_a_program() {
    let double = Double::start().await;
    double.state().audit = vec![row(1, "CreateToken"), row(2, "Switchover")];
    let shown = ocsctl(&double, &["audit"]).await;
    assert_eq!(shown.code, 0, "{}", shown.err);
    for part in ["2023-11-14T22:13:20.000Z", "maria", "Switchover", "from 10.0.0.9:4711"] {
        assert!(shown.out.contains(part), "{part}: {}", shown.out);
    }
    let lines = ocsctl(&double, &["audit", "-o", "json"]).await;
    let rows: Vec<serde_json::Value> = lines.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.iter().map(|row| row["number"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((&rows[0]["what"], &rows[0]["about"]), (&"CreateToken".into(), &serde_json::Value::Null));
}

#[tokio::test]
async fn the_filters_of_the_audit_reach_the_node_and_a_missing_quorum_is_said() {
    let double = Double::start().await;
    let words = ["audit", "--since", "2023-11-14", "--until", "2023-11-15T00:00:00Z", "--principal", "maria"];
    let asked = ocsctl(&double, &[&words[..], &["--what", "createtoken"]].concat()).await;
    assert_eq!((asked.code, asked.out.trim()), (0, "the audit has no such row"), "{}", asked.err);
    let wanted = AuditRequest {
        since_us: Some(1_699_920_000_000_000),
        until_us: Some(1_700_006_400_000_000),
        principal: Some("maria".into()),
        what: Some("createtoken".into()),
        rows_max: 0,
    };
    assert_eq!(double.state().audit_asked, [wanted]);
    double.state().audit_unconfirmed = true;
    let unconfirmed = ocsctl(&double, &["audit", "-o", "json"]).await;
    assert_eq!((unconfirmed.code, unconfirmed.out.as_str()), (0, ""), "{}", unconfirmed.err);
    assert!(unconfirmed.err.contains("no quorum answers"), "{}", unconfirmed.err);
    assert_eq!(ocsctl(&double, &["audit", "--since", "soon"]).await.code, 2);
}

#[tokio::test]
async fn a_record_is_shown_with_its_history_where_that_is_asked_for() {
    let double = Double::start().await;
    let done = Done { event: "Record".into(), attributes: Vec::new(), records: None };
    let change = RecordChange {
        at_us: 1_700_000_000_000_000,
        principal: "crm".into(),
        what: "RecordProcessed".into(),
        record_status: outbound::record_status::UPDATED,
    };
    double.state().record = Some(GetRecordReply {
        reply: Some(Reply { body: Some(Body::Done(done)), replayed: false, stale: false }),
        changes: vec![change],
        ..GetRecordReply::default()
    });
    let plain = ocsctl(&double, &["record", "get", "15"]).await;
    assert!(!plain.out.contains("RecordProcessed"), "{}", plain.out);
    let shown = ocsctl(&double, &["record", "get", "15", "--history"]).await;
    assert!(shown.out.contains("crm") && shown.out.contains("RecordProcessed  Updated"), "{}", shown.out);
    let json = ocsctl(&double, &["record", "get", "15", "--history", "-o", "json"]).await.json();
    assert_eq!(json["history"][0]["principal"], "crm");
}
