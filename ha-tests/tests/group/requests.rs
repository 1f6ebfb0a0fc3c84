//! The product as clients see it: requests through either HTTP Proxy, answers of spec 6, Exactly once.

use ocs_ha_tests::{Answer, Client, Cluster};

const ADD: &str = "/lists/demo?req=AddRecord";

fn started() -> (Cluster, Client, Client) {
    let cluster = Cluster::start();
    cluster.create_list("demo");
    let (primary, backup) = (cluster.primary(), cluster.other(cluster.primary()));
    let (at_primary, at_backup) = (cluster.http(primary), cluster.http(backup));
    (cluster, at_primary, at_backup)
}

#[track_caller]
fn acknowledged(answer: &Answer, event: &str) {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.attribute("GSW_USER_EVENT"), event, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{answer:?}");
}

#[test]
fn either_proxy_takes_every_request_and_the_other_one_shows_it_at_once() {
    let (cluster, mut primary, mut backup) = started();

    // Added through the backup, read through the primary, and the other way round: linearizable.
    for round in 0..20 {
        let (writer, reader) = if round % 2 == 0 { (&mut backup, &mut primary) } else { (&mut primary, &mut backup) };
        let added = writer.post(ADD, &format!(r#"{{"GSW_PHONE":"+9991{round:04}","GSW_REFERENCE_ID":{round}}}"#));
        acknowledged(&added, "AddRecordAcknowledge");
        assert_eq!(added.attribute("GSW_REFERENCE_ID"), round);
        assert_eq!(added.attribute("GSW_CALLING_LIST"), "demo");
        let handle = added.handle();
        let shown = reader.get(&format!("/records/{handle}"));
        assert_eq!(shown.status, 200, "{shown:?}");
        assert_eq!(shown.handle(), handle);
        assert_eq!(shown.attribute("GSW_PHONE"), format!("+9991{round:04}"));

        let target = format!("/records/{handle}?req=UpdateCallCompletionStats");
        let updated = reader.post(&target, &format!(r#"{{"GSW_CALL_RESULT":33,"GSW_ATTEMPTS":{}}}"#, round + 1));
        acknowledged(&updated, "UpdateCallCompletionStatsAcknowledge");
        let shown = writer.get(&format!("/records/{handle}"));
        assert_eq!(shown.attribute("GSW_ATTEMPTS"), round + 1, "{shown:?}");
        assert_eq!(shown.attribute("GSW_CALL_RESULT"), 33);
    }

    // The returned URI names the proxy that the client asked, and works.
    let added = backup.post(ADD, r#"{"GSW_PHONE":"+99920001"}"#);
    let uri = added.attribute("GSW_RECORD_URI").as_str().unwrap().to_owned();
    let http = cluster.settings().address(cluster.other(cluster.primary()), "http");
    assert_eq!(uri, format!("http://{http}/records/{}", added.handle()));

    // The record is finalised once; the second attempt is refused.
    let target = format!("/records/{}?req=RecordProcessed", added.handle());
    acknowledged(&primary.must("POST", &target, &[], ""), "RecordProcessedAcknowledge");
    let again = backup.post(&target, r#"{"GSW_REFERENCE_ID":"again"}"#);
    assert_eq!(again.verdict(), (404, "RECORD_FINALISED".to_owned()), "{again:?}");
    assert_eq!(again.handle(), added.handle());

    // A phone on the Do-Not-Call list takes no new record, through neither proxy.
    let added = primary.post(ADD, r#"{"GSW_PHONE":"+99930001"}"#);
    acknowledged(&backup.post(&format!("/records/{}?req=DoNotCall", added.handle()), ""), "DoNotCallAcknowledge");
    for proxy in [&mut primary, &mut backup] {
        let refused = proxy.post(ADD, r#"{"GSW_PHONE":"+99930001","GSW_REFERENCE_ID":"dnc"}"#);
        assert_eq!(refused.verdict(), (409, "DO_NOT_CALL".to_owned()), "{refused:?}");
    }

    // Both nodes hold the same records under the same handles.
    cluster.assert_equal();
    assert_eq!(cluster.export_text("demo", "a"), cluster.export_text("demo", "b"));
    assert_eq!(cluster.export("demo", "a").len(), 22);
}

#[test]
fn errors_are_those_of_the_table_at_both_proxies_and_change_nothing() {
    let (cluster, mut primary, mut backup) = started();
    let handle = primary.post(ADD, r#"{"GSW_PHONE":"+99940001"}"#).handle();
    let record = format!("/records/{handle}");
    let before = cluster.export_text("demo", "a");
    let with = |req: &str| format!("{record}?req={req}");
    let table: [(&str, &str, &str, u16, &str); 17] = [
        ("POST", "/records/999999999?req=RecordProcessed", "", 404, "RECORD_NOT_FOUND"),
        ("GET", "/records/999999999", "", 404, "RECORD_NOT_FOUND"),
        ("POST", "/lists/nowhere?req=AddRecord", r#"{"GSW_PHONE":"+99940002"}"#, 404, "LIST_NOT_FOUND"),
        ("POST", ADD, "{", 400, "BAD_BODY"),
        ("POST", ADD, r#"[{"GSW_PHONE":"+99940002"}]"#, 400, "BAD_BODY"),
        ("POST", &with("RecordProcessed"), r#"<r GSW_CALL_RESULT="33"/>"#, 400, "BAD_BODY"),
        ("POST", ADD, r#"{"GSW_PHONE":"+99940002","GSW_PHONE_TYPE":true}"#, 400, "BAD_VALUE"),
        ("POST", ADD, r#"{"GSW_PHONE":["+99940002"]}"#, 400, "BAD_VALUE"),
        ("POST", ADD, r#"{"GSW_PHONE":"+99940002","GSW_ATTEMPTS":"many"}"#, 400, "BAD_VALUE"),
        ("POST", ADD, "{}", 400, "MISSING_ATTRIBUTE"),
        ("POST", "/lists/demo?req=Nonsense", "", 400, "BAD_REQUEST_NAME"),
        ("POST", "/lists/demo", "", 400, "BAD_REQUEST_NAME"),
        ("POST", "/lists/demo?req=RecordProcessed", "", 400, "BAD_REQUEST_NAME"),
        ("POST", "/nonsense/1?req=AddRecord", "", 404, "BAD_RESOURCE"),
        ("DELETE", &record, "", 405, "METHOD"),
        ("GET", &with("RecordProcessed"), "", 405, "METHOD"),
        ("POST", &with("DoNotCall"), r#"{"GSW_RECORD_HANDLE":1000000}"#, 400, "BAD_VALUE"),
    ];
    for (method, target, body, status, code) in table {
        for (proxy, name) in [(&mut primary, "primary"), (&mut backup, "backup")] {
            let answer = proxy.must(method, target, &[], body);
            assert_eq!(
                answer.verdict(),
                (status, code.to_owned()),
                "{method} {target} {body} at the {name}: {answer:?}"
            );
            assert_eq!(answer.attribute("GSW_USER_EVENT"), "Error", "{answer:?}");
            assert!(answer.attribute("GSW_ERROR").as_str().is_some_and(|text| !text.contains('\n')), "{answer:?}");
            assert_eq!(answer.header("allow").is_some(), status == 405, "{answer:?}");
            assert!(answer.header("x-ocs-node").is_some() && answer.header("x-ocs-role").is_some(), "{answer:?}");
        }
    }
    let too_large = format!(r#"{{"GSW_PHONE":"{}"}}"#, "9".repeat(1 << 20));
    assert_eq!(primary.must("POST", ADD, &[], &too_large).verdict(), (413, "LIMIT".to_owned()));
    let options = backup.must("OPTIONS", &record, &[], "");
    assert!(options.status == 204 && options.header("allow").is_some(), "{options:?}");
    assert_eq!(cluster.export_text("demo", "a"), before);
    cluster.assert_equal();
}

#[test]
fn a_request_is_applied_once_whichever_node_hears_it_again() {
    let (mut cluster, mut primary, mut backup) = started();
    let body = r#"{"GSW_PHONE":"+99950001","GSW_REFERENCE_ID":7}"#;

    // With a key: the first one's answer, through the other proxy too; other content is refused.
    let first = primary.post_keyed(ADD, "key-1", body);
    acknowledged(&first, "AddRecordAcknowledge");
    assert_eq!(first.header("idempotent-replayed"), None);
    let again = backup.post_keyed(ADD, "key-1", body);
    assert_eq!(again.header("idempotent-replayed"), Some("true"), "{again:?}");
    assert_eq!((again.status, again.handle()), (200, first.handle()));
    let other = backup.post_keyed(ADD, "key-1", r#"{"GSW_PHONE":"+99950002"}"#);
    assert_eq!(other.verdict(), (422, "KEY_REUSED".to_owned()), "{other:?}");

    // A refusal is remembered too.
    let refused = backup.post_keyed("/records/999999999?req=RecordProcessed", "key-2", "");
    assert_eq!(refused.verdict(), (404, "RECORD_NOT_FOUND".to_owned()));
    let again = primary.post_keyed("/records/999999999?req=RecordProcessed", "key-2", "");
    assert_eq!(again.verdict(), refused.verdict());
    assert_eq!(again.header("idempotent-replayed"), Some("true"), "{again:?}");

    // Without a key, a silent re-send inside the window gets the first one's answer: one record.
    let silent = r#"{"GSW_PHONE":"+99950003"}"#;
    let one = backup.post(ADD, silent);
    let two = primary.post(ADD, silent);
    assert_eq!(one.handle(), two.handle());
    // A request with a key takes no part in the window.
    let keyed = primary.post_keyed(ADD, "key-3", silent);
    assert_ne!(keyed.handle(), one.handle());

    // Both survive the death of the primary.
    let killed = cluster.primary();
    cluster.kill(killed);
    let again = backup.post_keyed(ADD, "key-1", body);
    assert_eq!(again.header("idempotent-replayed"), Some("true"), "{again:?}");
    assert_eq!((again.status, again.handle()), (200, first.handle()));
    let other = backup.post_keyed(ADD, "key-1", r#"{"GSW_PHONE":"+99950002"}"#);
    assert_eq!(other.verdict(), (422, "KEY_REUSED".to_owned()), "{other:?}");
    cluster.start_node(killed, &[]);
    cluster.assert_equal();
    let phones: Vec<String> =
        cluster.export("demo", killed).into_iter().map(|row| row["contact_info"].clone()).collect();
    assert_eq!(phones, ["+99950001", "+99950003", "+99950003"]);
}
