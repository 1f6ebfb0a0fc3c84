//! The REST interface: every operation of the table is translated, and every kind of answer has its status, headers and JSON.

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_proxy::{
    charset::Charset,
    from_api::{Call, Operation, ROUTES, Translated, VERSION_PREFIX, cursor_text, from_api, request_of},
    from_http::Incoming,
    to_api::to_api,
    to_http::{Answer, Content},
};
use ocs_proto::{
    control::{
        AuditEntries, AuditEntry, Candidate, PauseReply, ScheduleSwitchoverReply, ScheduledSwitchover, ShowGroupsReply,
        ShowListReply, StatusReply, SwitchoverReply,
    },
    link::{
        ApiAnswer, ApiOrder, ApiSeries, ApiSeriesValues, Configure, api_answer::Told, api_call::Asked, api_order::Order,
    },
    outbound::records_query::By,
};
use outbound::{Imported, Refusal, RefusalCode, RejectedRow, Reply, ReplyBody, Value, key, wire};

use crate::support::{Node, acknowledge, configure};

/// The translation of a call; `target`: path and query behind `/api/v1`.
pub(crate) fn translated(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Call, (RefusalCode, String)> {
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let header =
        |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    let headers: HeaderMap = headers.iter().map(header).collect();
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let path = format!("{VERSION_PREFIX}{path}");
    let incoming = Incoming {
        method: &method,
        path: &path,
        query,
        headers: &headers,
        body: body.as_bytes(),
        encoding: Charset::UTF_8,
    };
    match from_api(&incoming) {
        Ok(Translated::Call(call)) => Ok(*call),
        Ok(Translated::Options(allow)) => Err((RefusalCode::Method, allow.to_owned())),
        Err(rejected) => Err((rejected.refusal.code, rejected.refusal.message)),
    }
}

fn call(method: &str, target: &str, body: &str) -> Call {
    translated(method, target, &[], body).unwrap_or_else(|refused| panic!("{method} {target}: {refused:?}"))
}

#[track_caller]
fn code(method: &str, target: &str, body: &str) -> RefusalCode {
    translated(method, target, &[], body).unwrap_err().0
}

/// A target and a body that each operation takes.
fn example(operation: Operation) -> (&'static str, &'static str) {
    use Operation as Of;
    match operation {
        Of::MakeList | Of::ChangeList => {
            ("", r#"{"name":"demo","attempts_max":3,"fields":[{"name":"AGE","type":"int"}]}"#)
        }
        Of::MakeCampaign | Of::ChangeCampaign => ("", r#"{"name":"demo","lists":[{"list":"demo","weight":10}]}"#),
        Of::MakeGroup => ("", r#"{"campaign":"demo","group":"Agents"}"#),
        Of::AddRecord | Of::Enter => ("", r#"{"GSW_PHONE":"+9991"}"#),
        Of::EnterBatch => ("", r#"{"entries":[{"GSW_PHONE":"+9991"},{"GSW_CUSTOMER_ID":"c","expires":7}]}"#),
        Of::Entries | Of::Remove => ("?phone=%2B9991", ""),
        Of::Reschedule => ("", r#"{"GSW_DATE_TIME":"12/31/2099 10:00"}"#),
        _ => ("", ""),
    }
}

#[test]
fn every_operation_of_the_table_is_translated() {
    let names = [
        ("{list}", "demo"),
        ("{record_id}", "3"),
        ("{handle}", "7"),
        ("{campaign}", "demo"),
        ("{id}", "demo%40Agents"),
    ];
    for route in &ROUTES {
        let (query, body) = example(route.operation);
        let path = names.iter().fold(route.path.to_owned(), |path, (name, value)| path.replace(name, value));
        let call = call(route.method, &format!("{path}{query}"), body);
        assert_eq!(call.route.id, route.id);
        let refused = translated("PUT", &path, &[], "").unwrap_err();
        assert_eq!(refused.0, RefusalCode::Method, "PUT {path}");
        let options = translated("OPTIONS", &path, &[], "").unwrap_err();
        assert!(options.1.contains(route.method) && options.1.contains("OPTIONS"), "{path}: {options:?}");
        assert_eq!(
            code(route.method, &format!("{path}{}nonsense=1", if query.is_empty() { "?" } else { "?phone=1&" }), body),
            RefusalCode::BadValue,
            "{path}"
        );
    }
}

#[test]
fn a_record_is_named_by_its_handle_or_by_its_list_and_record_id() {
    let Some(Asked::Record(name)) = call("GET", "/lists/a%2Fb/records/3", "").asked else { panic!("a record") };
    assert_eq!((name.list.as_str(), name.record_id, name.handle), ("a/b", 3, 0));
    let Some(Asked::Record(name)) = call("GET", "/records/7", "").asked else { panic!("a record") };
    assert_eq!((name.list.as_str(), name.handle), ("", 7));
    for path in ["/records/x", "/lists/demo/records/-1", "/lists/demo/records/1.5"] {
        assert_eq!(code("GET", path, ""), RefusalCode::BadResource, "{path}");
    }
    assert_eq!(code("GET", "/records/99999999999999999999", ""), RefusalCode::RecordNotFound);
    let of_list = call("POST", "/lists/demo/records/3/processed", r#"{"GSW_CALL_RESULT":"Busy","record_id":3}"#);
    let request = request_of(&of_list).unwrap();
    assert_eq!((request.verb.name(), request.attributes.len()), ("RecordProcessed", 1));
    let Some(Asked::Request(asked)) = of_list.asked else { panic!("a request") };
    assert_eq!(asked.record.map(|name| (name.list, name.record_id)), Some(("demo".to_owned(), 3)));
}

#[test]
fn a_record_id_that_differs_from_that_of_the_path_is_refused() {
    for (body, same) in [
        (r#"{"record_id":3}"#, true),
        (r#"{"record_id":"3"}"#, true),
        (r#"{"record_id":null}"#, true),
        (r#"{"record_id":4}"#, false),
        (r#"{"record_id":-3}"#, false),
        (r#"{"record_id":"three"}"#, false),
    ] {
        let translated = translated("PATCH", "/lists/demo/records/3", &[], body);
        assert_eq!(
            translated.map(|_| ()).map_err(|(code, _)| code),
            if same { Ok(()) } else { Err(RefusalCode::BadValue) },
            "{body}"
        );
    }
    assert!(translated("PATCH", "/records/7", &[], r#"{"record_id":4}"#).is_ok(), "only the node knows the number");
}

#[test]
fn a_page_has_one_order_any_conditions_a_limit_and_a_cursor() {
    let query = "phone=+49+30&status=Ready,2&type=6&result=Busy,NoAnswer&limit=7&tenant=north&cursor=AQ";
    let page = call("GET", &format!("/lists/demo/records?{query}"), "");
    assert_eq!((page.limit, page.cursor.as_slice(), page.tenant.as_str()), (7, &[1][..], "north"));
    let Some(Asked::Records(asked)) = page.asked else { panic!("a page") };
    assert_eq!(asked.by, Some(By::Phone("+49+30".to_owned())), "a bare plus of a phone is no space");
    assert_eq!((asked.statuses, asked.types, asked.results), (vec![1, 2], vec![6], vec![6, 7]));
    for wrong in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "cursor=%3D",
        "cursor=A",
        "phone=1&chain=2",
        "customer=a&due_before=1",
        "chain=x",
        "due_before=soon",
        "status=99",
        "type=Nothing",
        "phone=1&phone=2",
        "phones=1",
        "tenant=%ff",
    ] {
        assert_eq!(code("GET", &format!("/lists/demo/records?{wrong}"), ""), RefusalCode::BadValue, "{wrong}");
    }
}

#[test]
fn a_patch_carries_its_condition() {
    let patched = |tag: &str| translated("PATCH", "/records/7", &[("If-Match", tag)], r#"{"GSW_FROM":1}"#);
    for (tag, wanted) in
        [("\"a1\"", &["a1"][..]), ("*", &["*"]), ("\"a\", \"b\"", &["a", "b"]), ("W/\"a\"", &["W/\"a\""])]
    {
        let request = request_of(&patched(tag).unwrap()).unwrap();
        assert_eq!(request.attributes.sent.if_match, wanted, "{tag}");
    }
    for tag in ["a1", "\"a", "\"a\"b\""] {
        assert_eq!(patched(tag).unwrap_err().0, RefusalCode::BadValue, "{tag}");
    }
}

#[test]
fn a_condition_that_the_operation_does_not_look_at_is_refused() {
    let body = r#"{"GSW_FROM":1}"#;
    for (method, target, header, is_taken) in [
        ("PATCH", "/records/7", ("If-Match", "\"a1\""), true),
        ("PATCH", "/records/7", ("If-Match", ""), false),
        ("PATCH", "/records/7", ("If-Match", " , "), false),
        ("PATCH", "/records/7", ("If-None-Match", "\"a1\""), false),
        ("PATCH", "/lists/demo", ("If-Match", "\"a1\""), false),
        ("POST", "/records/7/cancel", ("If-Match", "*"), false),
        ("DELETE", "/do-not-call?phone=1", ("If-Match", "\"a1\""), false),
        ("GET", "/records/7", ("If-None-Match", "\"a1\""), true),
    ] {
        let body = if method == "PATCH" && target.starts_with("/records") { body } else { "" };
        let code = translated(method, target, &[header], body).map(|_| ()).map_err(|(code, _)| code);
        assert_eq!(code, if is_taken { Ok(()) } else { Err(RefusalCode::BadValue) }, "{method} {target} {header:?}");
    }
}

#[test]
fn a_body_where_none_is_read_is_refused() {
    for (method, target) in [
        ("DELETE", "/do-not-call?phone=1"),
        ("DELETE", "/switchover"),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("GET", "/lists/demo/records"),
    ] {
        assert_eq!(code(method, target, r#"{"GSW_CALLING_LIST":"demo"}"#), RefusalCode::BadBody, "{method} {target}");
        for body in ["", " \n", "{}"] {
            assert!(translated(method, target, &[], body).is_ok(), "{method} {target} {body:?}");
        }
    }
    assert!(translated("GET", "/switchover", &[], r#"{"to":"b"}"#).is_ok());
}

#[test]
fn a_misspelt_member_of_do_not_call_entries_is_refused() {
    for (target, body) in [
        ("/do-not-call", r#"{"GSW_PHONE":"1","expires":7,"list":"demo"}"#),
        ("/do-not-call/batch", r#"{"entries":[{"GSW_PHONE":"1"}],"list":"demo"}"#),
        ("/do-not-call/batch", r#"{"entries":[{"GSW_PHONE":"1","expire":7}]}"#),
        ("/do-not-call/batch", r#"{"entries":[{"GSW_PHONE":"1","GSW_CALLING_LIST":"demo"}]}"#),
    ] {
        let refused = translated("POST", target, &[], body).unwrap_err();
        assert_eq!(refused.0, RefusalCode::BadValue, "{body}");
        assert!(refused.1.contains("is no member of this body"), "{refused:?}");
    }
    let narrowed = r#"{"entries":[{"GSW_PHONE":"1","GSW_MESSAGE":"m","expires":7}],"GSW_CALLING_LIST":"demo"}"#;
    assert!(translated("POST", "/do-not-call/batch", &[], narrowed).is_ok());
}

#[test]
fn names_in_a_query_are_no_longer_than_in_a_path_and_values_are_compared_once() {
    let name = |bytes: usize| "9".repeat(bytes);
    for (target, longest) in [
        ("/lists/demo/records?phone=", 1024),
        ("/lists/demo/records?customer=", 1024),
        ("/lists?tenant=", 255),
        ("/do-not-call?phone=", 1024),
        ("/do-not-call?customer=", 1024),
    ] {
        assert!(translated("GET", &format!("{target}{}", name(longest)), &[], "").is_ok(), "{target}");
        assert_eq!(code("GET", &format!("{target}{}", name(longest + 1)), ""), RefusalCode::Limit, "{target}");
    }
    let removal = format!("/do-not-call?phone=1&list={}", name(1025));
    assert_eq!(code("DELETE", &removal, ""), RefusalCode::Limit);
    let repeated = format!("/lists/demo/records?status=Ready{}", ",2,Ready,1".repeat(5000));
    let Some(Asked::Records(asked)) = call("GET", &repeated, "").asked else { panic!("a page") };
    assert_eq!(asked.statuses, [1, 2]);
}

#[test]
fn a_change_of_a_page_of_another_site_is_refused() {
    let foreign = [("Host", "x"), ("Origin", "https://evil.example")];
    for (method, target) in [("POST", "/pause"), ("DELETE", "/switchover"), ("POST", "/lists/demo/records")] {
        let body = if target.ends_with("records") { r#"{"GSW_PHONE":"1"}"# } else { "" };
        let refused = translated(method, target, &foreign, body).unwrap_err();
        assert_eq!(refused.0, RefusalCode::Forbidden, "{method} {target}");
        let with_token = [foreign[0], foreign[1], ("Authorization", "Bearer t")];
        assert!(translated(method, target, &with_token, body).is_ok(), "{method} {target}");
    }
    assert!(translated("GET", "/cluster", &foreign, "").is_ok());
}

#[test]
fn a_body_that_is_no_json_object_is_refused() {
    for body in ["[]", "GSW_PHONE=1", "\"x\"", "{", "{\"GSW_PHONE\":[]}"] {
        let refused = code("POST", "/lists/demo/records", body);
        assert!(matches!(refused, RefusalCode::BadBody | RefusalCode::BadValue), "{body}: {refused:?}");
    }
    for (path, body) in [
        ("/lists", "{}"),
        ("/lists", r#"{"name":7}"#),
        ("/lists", r#"{"name":"x","colour":"red"}"#),
        ("/lists", r#"{"name":"x","attempts_max":-1}"#),
        ("/campaigns", r#"{"name":"x","lists":[{"weight":1}]}"#),
        ("/campaign-groups", r#"{"campaign":"x"}"#),
        ("/do-not-call", "{}"),
        ("/do-not-call", r#"{"GSW_PHONE":"1","GSW_CUSTOMER_ID":"2"}"#),
        ("/do-not-call/batch", r#"{"entries":[]}"#),
        ("/do-not-call/batch", r#"{"entries":[{"GSW_PHONE":"1","expires":"soon"}]}"#),
    ] {
        assert!(translated("POST", path, &[], body).is_err(), "{path} {body}");
    }
    assert_eq!(code("PATCH", "/lists/demo", r#"{"name":"other"}"#), RefusalCode::BadValue);
}

#[test]
fn an_entry_of_a_client_is_a_request_and_one_with_an_end_or_a_campaign_is_an_operators() {
    let entered = call("POST", "/do-not-call", r#"{"GSW_PHONE":"+49 30","GSW_MESSAGE":"asked"}"#);
    let request = request_of(&entered).unwrap();
    assert_eq!((request.verb.name(), request.resource.identifier().as_str()), ("DoNotCall", "+49 30"));
    assert_eq!(request.attributes.len(), 1);
    for body in [r#"{"GSW_PHONE":"1","expires":7}"#, r#"{"GSW_CUSTOMER_ID":"c","GSW_CAMPAIGN_NAME":"x"}"#] {
        assert!(matches!(call("POST", "/do-not-call", body).asked, Some(Asked::Enter(batch)) if batch.rows.len() == 1));
    }
}

#[test]
fn a_switchover_is_planned_by_get_and_by_dry_run() {
    let dry = |call: Call| match call.asked {
        Some(Asked::Order(ApiOrder { order: Some(Order::Switchover(asked)) })) => (asked.dry_run, asked.to),
        other => panic!("{other:?}"),
    };
    assert_eq!(dry(call("GET", "/switchover", "")), (true, String::new()));
    assert_eq!(dry(call("POST", "/switchover?dry_run", r#"{"to":"b"}"#)), (true, "b".to_owned()));
    assert_eq!(dry(call("POST", "/switchover?dry_run=false", "")), (false, String::new()));
}

#[test]
fn a_plan_names_the_candidates_where_none_is_eligible_and_an_order_is_refused() {
    let candidate = Candidate { node: "b".into(), eligible: false, reason: "is drained".into() };
    let reply = |candidates: &[Candidate]| {
        let reason = "no node can take over".into();
        Told::Switchover(SwitchoverReply { reason, candidates: candidates.to_vec(), ..Default::default() })
    };
    for (method, target, candidates, status) in [
        ("GET", "/switchover", std::slice::from_ref(&candidate), 200),
        ("POST", "/switchover?dry_run", std::slice::from_ref(&candidate), 200),
        ("POST", "/switchover", std::slice::from_ref(&candidate), 409),
        ("GET", "/switchover", &[], 409),
    ] {
        let answer = answered(&call(method, target, ""), reply(candidates), &[]);
        assert_eq!(answer.status.as_u16(), status, "{method} {target}");
    }
    let plan = json(&answered(&call("GET", "/switchover", ""), reply(&[candidate]), &[]));
    assert_eq!((&plan["to"], &plan["candidates"][0]["reason"]), (&"".into(), &"is drained".into()));
}

#[test]
fn a_switchover_with_a_time_is_scheduled_and_a_misspelt_key_hands_nothing_over() {
    let order = |method: &str, target: &str, body: &str| match call(method, target, body).asked {
        Some(Asked::Order(ApiOrder { order: Some(Order::ScheduleSwitchover(asked)) })) => asked,
        other => panic!("{other:?}"),
    };
    let asked = order("POST", "/switchover", r#"{"at":"2023-11-14T23:13:20+01:00","to":"b"}"#);
    assert_eq!((asked.at_s, asked.to.as_str(), asked.dry_run, asked.cancel), (1_700_000_000, "b", false, false));
    assert!(order("POST", "/switchover?dry_run", r#"{"at":"2023-11-14T22:13:20Z"}"#).dry_run);
    assert!(order("DELETE", "/switchover", "").cancel);
    for body in [
        r#"{"at":"2023-11-14T22:13:20"}"#,
        r#"{"at":"tonight"}"#,
        r#"{"at":1700000000}"#,
        r#"{"att":"2023-11-14T22:13:20Z"}"#,
        r#"{"at":["2023-11-14T22:13:20Z"]}"#,
    ] {
        assert_eq!(code("POST", "/switchover", body), RefusalCode::BadValue, "{body}");
    }
    let refused = translated("POST", "/switchover", &[], r#"{"at":"2023-11-14T22:13:20"}"#).unwrap_err();
    assert!(refused.1.contains("has no zone"), "{refused:?}");
}

#[test]
fn a_backup_is_ordered_at_the_primary_only_on_request() {
    let order = |body: &str| match call("POST", "/backups", body).asked {
        Some(Asked::Order(ApiOrder { order: Some(Order::MakeBackup(asked)) })) => asked.at_primary,
        other => panic!("{other:?}"),
    };
    assert_eq!([order(""), order("{}"), order(r#"{"at_primary":true}"#)], [false, false, true]);
    for body in [r#"{"at_primary":"yes"}"#, r#"{"directory":"/tmp"}"#] {
        assert_eq!(code("POST", "/backups", body), RefusalCode::BadValue, "{body}");
    }
}

// === answers ===

fn answered(call: &Call, told: Told, next: &[u8]) -> Answer {
    to_api(call, ApiAnswer { id: 1, next: next.to_vec().into(), told: Some(told) }, || "http://x".to_owned())
}

fn json(answer: &Answer) -> serde_json::Value {
    serde_json::from_slice(&answer.body).unwrap()
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.iter().find(|(known, _)| known.as_str() == name).map(|(_, value)| value.to_str().unwrap())
}

fn told(reply: Reply) -> Told {
    Told::Reply(wire::reply_into_wire(reply))
}

fn pairs(pairs: &[(&str, Value)]) -> Vec<(String, Value)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

#[test]
fn a_page_has_items_and_a_next_unless_it_is_the_last() {
    let page = call("GET", "/lists/demo/records", "");
    let record = || pairs(&[(key::RECORD_ID, Value::Int(1)), (key::ROW_VERSION, Value::text("a1"))]);
    let records = || Told::Records(wire::records_to_wire(vec![record(), record()]));
    let answer = answered(&page, records(), &[1, 2]);
    assert_eq!((answer.status.as_u16(), answer.content), (200, Content::Json));
    let body = json(&answer);
    assert_eq!((body["items"].as_array().unwrap().len(), &body["next"]), (2, &cursor_text(&[1, 2]).into()));
    assert!(json(&answered(&page, records(), &[])).get("next").is_none());
    let one = answered(&call("GET", "/records/1", ""), Told::Records(wire::records_to_wire(vec![record()])), &[]);
    assert_eq!((header(&one, "etag"), json(&one)["record_id"].as_i64()), (Some("\"a1\""), Some(1)));
    for (target, told) in [
        ("/lists", Told::Lists(ShowListReply { lists: vec![Default::default()] })),
        ("/campaign-groups", Told::Groups(ShowGroupsReply { groups: vec![Default::default()] })),
    ] {
        assert_eq!(json(&answered(&call("GET", target, ""), told.clone(), &[]))["items"].as_array().unwrap().len(), 1);
        let one = answered(&call("GET", &format!("{target}/x"), ""), told, &[]);
        assert!(json(&one).get("items").is_none(), "{target}");
    }
}

#[test]
fn each_outcome_has_its_status() {
    let done = |pairs: Vec<(String, Value)>| told(Reply::done("Acknowledge", pairs));
    let refused = |code| told(Refusal::new(code, "no").into());
    let handle = || pairs(&[(key::RECORD_HANDLE, Value::Int(7)), (key::ROW_VERSION, Value::text("a1"))]);
    let removed = |count| pairs(&[(key::PHONE, Value::text("1")), ("removed", Value::Int(count))]);
    let list = r#"{"name":"a b"}"#;
    for (method, target, body, told, status, location) in [
        ("POST", "/lists/demo/records", "", done(handle()), 201, Some("/api/v1/records/7")),
        ("POST", "/lists", list, done(Vec::new()), 201, Some("/api/v1/lists/a%20b")),
        ("PATCH", "/records/7", "", done(handle()), 200, None),
        ("POST", "/records/7/cancel", "", done(handle()), 200, None),
        ("DELETE", "/do-not-call?phone=1", "", done(removed(1)), 204, None),
        ("DELETE", "/do-not-call?phone=1", "", done(removed(0)), 404, None),
        ("PATCH", "/records/7", "", refused(RefusalCode::RecordFinalised), 409, None),
        ("POST", "/records/7/cancel", "", refused(RefusalCode::RecordFinalised), 404, None),
        ("PATCH", "/records/7", "", refused(RefusalCode::PreconditionFailed), 412, None),
        ("GET", "/lists/x", "", refused(RefusalCode::ListNotFound), 404, None),
        ("POST", "/pause", "", Told::Pause(PauseReply { done: true, reason: String::new() }), 200, None),
        ("POST", "/pause", "", Told::Pause(PauseReply { done: false, reason: "not here".into() }), 409, None),
        (
            "POST",
            "/switchover",
            "",
            Told::Switchover(SwitchoverReply { reason: "no".into(), ..Default::default() }),
            409,
            None,
        ),
    ] {
        let answer = answered(&call(method, target, body), told, &[]);
        assert_eq!((answer.status.as_u16(), header(&answer, "location")), (status, location), "{method} {target}");
    }
    let etag = answered(&call("PATCH", "/records/7", ""), done(handle()), &[]);
    assert_eq!(header(&etag, "etag"), Some("\"a1\""));
}

#[test]
fn a_scheduled_switchover_is_shown_and_its_refusals_are_conflicts() {
    let known = || ScheduledSwitchover { at_s: 1_700_000_000, to: "b".into(), ..ScheduledSwitchover::default() };
    let reply = |done, reason: &str| ScheduleSwitchoverReply {
        done,
        reason: reason.into(),
        scheduled: Some(known()),
        ..ScheduleSwitchoverReply::default()
    };
    let post = call("POST", "/switchover", r#"{"at":"2023-11-14T22:13:20Z"}"#);
    let delete = call("DELETE", "/switchover", "");
    for (call, told, status) in [
        (&post, reply(true, ""), 200),
        (&post, reply(false, "dry run: would hand over to b"), 200),
        (&post, reply(false, "it is past"), 409),
        (&delete, reply(true, ""), 204),
        (&delete, reply(false, "a is not the primary: ask b"), 409),
        (&delete, ScheduleSwitchoverReply { absent: true, ..reply(false, "nothing") }, 404),
    ] {
        let answer = answered(call, Told::ScheduledSwitchover(told.clone()), &[]);
        assert_eq!(answer.status.as_u16(), status, "{told:?}");
    }
    let shown = json(&answered(&post, Told::ScheduledSwitchover(reply(true, "")), &[]));
    assert_eq!(shown["scheduled_switchover"]["at"], "2023-11-14T22:13:20Z");
    let status = StatusReply { scheduled_switchover: Some(known()), ..StatusReply::default() };
    let cluster = json(&answered(&call("GET", "/cluster", ""), Told::Cluster(status), &[]));
    assert_eq!(
        (&cluster["scheduled_switchover"]["to"], &cluster["scheduled_switchover"]["from"]),
        (&"b".into(), &().into())
    );
    let none = json(&answered(&call("GET", "/cluster", ""), Told::Cluster(StatusReply::default()), &[]));
    assert!(none["scheduled_switchover"].is_null());
}

#[test]
fn a_batch_tells_the_outcome_of_its_entries() {
    let rejected = vec![RejectedRow { row: 2, reason: "no number".into() }];
    let imported = Imported { added: 3, duplicates: 1, rejected, ..Imported::default() };
    let reply = Reply { body: ReplyBody::Imported(imported), replayed: true, stale: false };
    let batch = call("POST", "/do-not-call/batch", r#"{"entries":[{"GSW_PHONE":"1"}]}"#);
    let answer = answered(&batch, told(reply), &[]);
    assert!(answer.replayed);
    let wanted = serde_json::json!({"entered": 3, "stood": 1, "rejected": [{"entry": 2, "reason": "no number"}]});
    assert_eq!(json(&answer), wanted);
}

#[test]
fn the_audit_is_asked_for_by_time_principal_and_name_and_comes_in_pages() {
    let page = call("GET", "/audit?since_us=7&principal=crm&what=CreateToken&limit=2&cursor=AQ", "");
    assert_eq!((page.limit, page.cursor.as_slice()), (2, &[1][..]));
    let Some(Asked::Order(ApiOrder { order: Some(Order::Audit(asked)) })) = &page.asked else { panic!("{page:?}") };
    assert_eq!((asked.since_us, asked.until_us), (Some(7), None));
    assert_eq!((asked.principal.as_deref(), asked.what.as_deref()), (Some("crm"), Some("CreateToken")));
    assert_eq!(code("GET", "/audit?until_us=soon", ""), RefusalCode::BadValue);
    let row = AuditEntry { number: 3, what: "CreateToken".into(), outcome: "done".into(), ..AuditEntry::default() };
    let body = json(&answered(&page, Told::Audit(AuditEntries { entries: vec![row], confirmed: true }), &[1]));
    let shown = &body["items"][0];
    assert_eq!((shown["number"].as_u64(), shown["outcome"].as_str()), (Some(3), Some("done")));
    assert!(shown["principal"].is_null() && shown["acted_us"].is_null(), "{shown}");
    assert_eq!(body["next"], cursor_text(&[1]));
}

#[test]
fn series_are_asked_for_by_range_and_names_and_an_interval_without_a_value_is_null() {
    let asked = |target: &str| match call("GET", target, "").asked {
        Some(Asked::Order(ApiOrder { order: Some(Order::Series(asked)) })) => (asked.day, asked.names),
        other => panic!("{target}: {other:?}"),
    };
    let all = Vec::<String>::new();
    assert_eq!(asked("/series"), (false, all.clone()));
    assert_eq!(asked("/series?range=hour&names="), (false, all.clone()));
    assert_eq!(asked("/series?range=day&tenant=north"), (true, all));
    let two = vec!["updates".to_owned(), "lag_entries".to_owned()];
    assert_eq!(asked("/series?names=updates,+lag_entries"), (false, two));
    for wrong in
        ["range=week", "range=Hour", "names=update", "names=updates,", "names=,", "name=updates", "range=day&range=day"]
    {
        assert_eq!(code("GET", &format!("/series?{wrong}"), ""), RefusalCode::BadValue, "{wrong}");
    }
    let series = vec![ApiSeriesValues { name: "updates".into(), values: vec![f64::NAN, 12.5, 0.0] }];
    let told = Told::Series(ApiSeries { node: "a".into(), step_s: 10, from_s: 1_767_225_600, series });
    let wanted = serde_json::json!({
        "node": "a", "step_s": 10, "from_s": 1_767_225_600, "series": { "updates": [null, 12.5, 0.0] },
    });
    assert_eq!(json(&answered(&call("GET", "/series", ""), told, &[])), wanted);
}

// === on the port ===

#[tokio::test]
async fn the_interface_is_served_where_it_is_switched_on_and_describes_itself() {
    let on = Node::with(Configure { api: true, ..configure() }, acknowledge).await;
    let page = on.ask("GET /api/ HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    let document = on.ask("GET /api/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(document.body.starts_with('{') && document.body.contains("\"3.1.0\""));
    let unknown = on.ask("GET /api/v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((unknown.status, unknown.header("content-type")), (404, Some("application/problem+json")));
    let body: serde_json::Value = serde_json::from_str(&unknown.body).unwrap();
    assert_eq!(body["code"], "BAD_RESOURCE");
    let off = Node::with(configure(), acknowledge).await;
    let refused = off.ask("GET /api/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((refused.status, refused.code().as_str()), (404, "BAD_RESOURCE"));
}

#[tokio::test]
async fn answers_are_kept_by_no_cache_and_another_method_hears_which_there_are() {
    let node = Node::with(Configure { api: true, ..configure() }, acknowledge).await;
    let other = node.ask("PUT /api/v1/cluster HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((other.status, other.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    let options = node.ask("OPTIONS /api/v1/do-not-call HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((options.status, options.header("allow")), (204, Some("GET, HEAD, POST, DELETE, OPTIONS")));
    for answer in [other, options] {
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:?}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{answer:?}");
    }
    let page = node.ask("GET /api/page.css HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let mut client = node.connect().await;
    client
        .send("HEAD /api/v1/nothing HTTP/1.1\r\nHost: x\r\n\r\nGET /api/v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n")
        .await;
    assert!(client.head().await.unwrap().starts_with("HTTP/1.1 404 "));
    assert_eq!(client.answer().await.unwrap().status, 404, "HEAD has no body");
}

#[tokio::test]
async fn a_call_without_a_credential_is_a_problem_with_its_challenge() {
    let node = Node::with(Configure { api: true, auth: "tokens".into(), ..configure() }, acknowledge).await;
    let missing = node.ask("GET /api/v1/lists HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!((missing.status, missing.header("content-type")), (401, Some("application/problem+json")));
    assert_eq!(missing.header("www-authenticate"), Some("Bearer realm=\"ocs\""));
    let described = node.ask("GET /api/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(described.status, 200);
}
