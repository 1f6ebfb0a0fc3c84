//! The REST interface on real processes: a tour of its paths at both nodes, its credentials, its rows of the audit, a cursor of a dead
//! primary.

use ocs_ha_tests::{Answer, Client, Cluster, until};

const API: &str = "http_proxy.api=true";
const V1: &str = "/api/v1";

fn phone(number: usize) -> String {
    format!(r#"{{"GSW_PHONE":"+99961{number:04}"}}"#)
}

fn patch(client: &mut Client, target: &str, tag: &str, body: &str) -> Answer {
    let condition = [("If-Match", tag)];
    client.must("PATCH", &format!("{V1}{target}"), &condition[..usize::from(!tag.is_empty())], body)
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.attribute("code").as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_tour_of_the_paths_holds_at_both_nodes() {
    let cluster = Cluster::with(&[API]);
    for (at, node) in ["a", "b"].into_iter().enumerate() {
        let mut http = cluster.http(node);
        let list = format!("list{at}");
        let made = http
            .post(&format!("{V1}/lists"), &format!(r#"{{"name":"{list}","fields":[{{"name":"AGE","type":"int"}}]}}"#));
        assert_eq!(
            (made.status, made.header("location")),
            (201, Some(format!("{V1}/lists/{list}").as_str())),
            "{made:?}"
        );
        let again = http.post(&format!("{V1}/lists"), &format!(r#"{{"name":"{list}"}}"#));
        assert_eq!(code(&again), (409, "CONFLICT".to_owned()), "{again:?}");
        let changed = patch(&mut http, &format!("/lists/{list}"), "", r#"{"attempts_max":3}"#);
        assert_eq!(changed.status, 200, "{changed:?}");
        let shown = http.get(&format!("{V1}/lists/{list}"));
        assert_eq!((shown.status, shown.attribute("attempts_max").as_u64()), (200, Some(3)));
        let by_dbid = format!("/lists/{}", shown.attribute("dbid"));
        assert_eq!(patch(&mut http, &by_dbid, "", r#"{"attempts_max":4}"#).status, 200);
        assert_eq!(http.get(&format!("{V1}{by_dbid}")).attribute("attempts_max"), 4);
        assert!(http.get(&format!("{V1}/lists")).attribute("items").as_array().unwrap().len() > at);

        let added = http.post(&format!("{V1}/lists/{list}/records"), &phone(at));
        assert_eq!(added.status, 201, "{added:?}");
        let location = added.header("location").unwrap().to_owned();
        let record = http.get(&location);
        assert_eq!((record.status, record.attribute("record_id").as_u64()), (200, Some(1)));
        let tag = record.header("etag").unwrap().to_owned();
        let one = format!("/lists/{list}/records/1");
        assert_eq!(http.get(&format!("{V1}{one}")).header("etag"), Some(tag.as_str()));
        let patched = patch(&mut http, &one, &tag, r#"{"GSW_FROM":3600,"AGE":7}"#);
        assert_eq!(patched.status, 200, "{patched:?}");
        assert_eq!(code(&patch(&mut http, &one, &tag, r#"{"AGE":8}"#)), (412, "PRECONDITION_FAILED".to_owned()));
        let moved = http.post(&format!("{V1}{one}/reschedule"), r#"{"GSW_DATE_TIME":"12/31/2099 10:00"}"#);
        assert_eq!(moved.status, 200, "{moved:?}");
        let due = http.get(&format!("{V1}/lists/{list}/records?due_before=4102444800"));
        assert_eq!(due.attribute("items").as_array().unwrap().len(), 1, "{due:?}");
        assert_eq!(http.post(&format!("{V1}{one}/cancel"), "").status, 200);
        assert_eq!(code(&patch(&mut http, &one, "", r#"{"AGE":8}"#)), (409, "RECORD_FINALISED".to_owned()));
        let another = [("Idempotency-Key", format!("cancel again {at}"))];
        let again = http.must(
            "POST",
            &format!("{V1}{one}/cancel"),
            &another.each_ref().map(|(name, value)| (*name, value.as_str())),
            "",
        );
        assert_eq!(code(&again), (404, "RECORD_FINALISED".to_owned()), "another request, no repeat");

        let campaign = format!(r#"{{"name":"c{at}","lists":[{{"list":"{list}"}}]}}"#);
        assert_eq!(http.post(&format!("{V1}/campaigns"), &campaign).status, 201);
        let group = format!(r#"{{"campaign":"c{at}","group":"Agents"}}"#);
        assert_eq!(http.post(&format!("{V1}/campaign-groups"), &group).status, 201);
        let group = format!("{V1}/campaign-groups/c{at}%40Agents");
        for (action, state) in [("load", "Loaded"), ("start", "Running"), ("stop", "Stopped")] {
            assert_eq!(http.post(&format!("{group}/{action}"), "").status, 200, "{action}");
            assert_eq!(http.get(&group).attribute("state"), state);
        }

        let entry = format!("{V1}/do-not-call?phone=%2B99962000{at}");
        let entered = http.post(&format!("{V1}/do-not-call"), &format!(r#"{{"GSW_PHONE":"+99962000{at}"}}"#));
        assert_eq!(entered.status, 200, "{entered:?}");
        assert_eq!(http.get(&entry).attribute("items").as_array().unwrap().len(), 1);
        assert_eq!(http.must("DELETE", &entry, &[], "").status, 204);
        assert_eq!(http.must("DELETE", &entry, &[], "").status, 404);
        let batch = r#"{"entries":[{"GSW_PHONE":"+999630001"},{"GSW_PHONE":"no"}]}"#;
        let outcome = http.post(&format!("{V1}/do-not-call/batch"), batch);
        assert_eq!(outcome.attribute("rejected").as_array().unwrap().len(), 1, "{outcome:?}");

        let shown = http.get(&format!("{V1}/cluster"));
        assert_eq!(shown.attribute("node"), node);
        assert!(!http.get(&format!("{V1}/history")).attribute("items").as_array().unwrap().is_empty());
        let plan = http.get(&format!("{V1}/switchover"));
        let is_primary = cluster.primary() == node;
        assert_eq!(plan.status == 200, is_primary, "{plan:?}");
        assert!(is_primary || code(&plan) == (409, "CONFLICT".to_owned()), "{plan:?}");
        assert_eq!(http.get(&format!("{V1}/backups")).status, 200);
        assert_eq!(http.get("/api/openapi.json").status, 200);
    }
    cluster.assert_equal();
}

#[test]
fn tokens_bound_the_rest_interface() {
    let cluster = Cluster::with(&[API, "http_proxy.auth=tokens"]);
    cluster.create_list("demo");
    cluster.create_list("other");
    let token = |words: &[&str]| {
        let made = cluster.ctl(&[&["token", "create"][..], words, &["-o", "json"]].concat());
        made.json()["token"].as_str().unwrap().to_owned()
    };
    let (reader, admin) =
        (token(&["desk", "--scopes", "read", "--list", "demo"]), token(&["ops", "--scopes", "admin"]));
    let ask = |token: &str, method: &str, target: &str| {
        let bearer = format!("Bearer {token}");
        cluster.http(cluster.primary()).must(method, &format!("{V1}{target}"), &[("Authorization", &bearer)], "")
    };
    until("the primary knows both tokens", || ask(&admin, "GET", "/cluster").status == 200);
    assert_eq!(ask(&reader, "GET", "/lists/demo/records").status, 200);
    let seen = ask(&reader, "GET", "/lists").attribute("items");
    assert_eq!(seen.as_array().unwrap().len(), 1, "{seen}");
    for (token, method, target) in [
        (&reader, "GET", "/lists/other/records"),
        (&reader, "GET", "/campaigns"),
        (&reader, "GET", "/cluster"),
        (&reader, "POST", "/lists/demo/records"),
        (&admin, "GET", "/lists"),
    ] {
        assert_eq!(code(&ask(token, method, target)), (403, "FORBIDDEN".to_owned()), "{method} {target}");
    }
}

#[test]
fn a_client_learns_of_no_record_beyond_its_credential() {
    let cluster = Cluster::with(&[API, "http_proxy.auth=tokens"]);
    cluster.create_list("demo");
    cluster.create_list("other");
    let token = |words: &[&str]| {
        let made = cluster.ctl(&[&["token", "create"][..], words, &["--scopes", "update", "-o", "json"]].concat());
        made.json()["token"].as_str().unwrap().to_owned()
    };
    let (clerk, dialer) = (token(&["clerk"]), token(&["dialer", "--list", "demo"]));
    let ask = |token: &str, target: &str, body: &str| {
        let bearer = format!("Bearer {token}");
        cluster.http(cluster.primary()).must("POST", &format!("{V1}{target}"), &[("Authorization", &bearer)], body)
    };
    until("the primary knows both tokens", || ask(&dialer, "/lists/demo/records/9/cancel", "").status == 404);
    assert_eq!(ask(&clerk, "/lists/other/records", &phone(1)).status, 201);
    let unknown = format!("ocs_{}", "0".repeat(64));
    for target in ["/lists/other/records/1/cancel", "/lists/other/records/9/cancel", "/lists/none/records/1/cancel"] {
        assert_eq!(code(&ask(&dialer, target, "")), (403, "FORBIDDEN".to_owned()), "{target}");
        assert_eq!(code(&ask(&unknown, target, "")), (401, "UNAUTHENTICATED".to_owned()), "{target}");
    }
    assert_eq!(ask(&clerk, "/lists/other/records/1/cancel", "").status, 200);
}

#[test]
fn a_tenant_sees_its_own_lists_campaigns_and_groups_alone() {
    const DECLARED: &str = r#"
[[tenants]]
name = "north"
[[lists]]
name = "demo"
[[lists]]
name = "northern"
tenant = "north"
[[campaigns]]
name = "spring"
lists = [{ list = "demo" }]
[[campaign_groups]]
campaign = "spring"
group = "Agents"
"#;
    let cluster = Cluster::with(&[API]);
    let file = cluster.path("declared.toml");
    std::fs::write(&file, DECLARED).unwrap();
    cluster.ctl(&["apply", "-f", file.to_str().unwrap()]).fine();
    let mut http = cluster.http("a");
    for (target, seen) in [
        ("/lists?tenant=north", &["northern"][..]),
        ("/lists?tenant=default", &["demo"]),
        ("/lists", &["demo", "northern"]),
        ("/campaigns?tenant=north", &[]),
        ("/campaigns?tenant=default", &["spring"]),
        ("/campaign-groups?tenant=north", &[]),
        ("/campaign-groups", &["spring@Agents"]),
    ] {
        let items = http.get(&format!("{V1}{target}")).attribute("items");
        let names: Vec<&str> = items.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
        assert_eq!(names, seen, "{target}");
    }
    let refused = |http: &mut Client, target: &str| code(&http.get(&format!("{V1}{target}")));
    assert_eq!(refused(&mut http, "/lists?tenant=south"), (404, "TENANT_NOT_FOUND".to_owned()));
    assert_eq!(refused(&mut http, "/campaign-groups/spring@Agents?tenant=north"), (404, "GROUP_NOT_FOUND".to_owned()));
}

#[test]
fn orders_and_changes_over_rest_have_their_rows_in_the_audit_which_is_read_in_pages() {
    let cluster = Cluster::with(&[API, "http_proxy.auth=tokens"]);
    let made = cluster.ctl(&["token", "create", "ops", "--scopes", "admin", "-o", "json"]).json();
    let bearer = format!("Bearer {}", made["token"].as_str().unwrap());
    let ask = |method: &str, target: &str, body: &str| {
        cluster.http(cluster.primary()).must(method, &format!("{V1}{target}"), &[("Authorization", &bearer)], body)
    };
    until("the primary knows the token", || ask("GET", "/cluster", "").status == 200);
    assert_eq!(ask("POST", "/lists", r#"{"name":"demo"}"#).status, 201);
    assert_eq!(ask("POST", "/pause", "").status, 200);
    assert_eq!(ask("POST", "/resume", "").status, 200);
    let (mut shown, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = ask("GET", &format!("/audit?principal=ops&limit=1{cursor}"), "");
        assert_eq!(page.status, 200, "{page:?}");
        for row in page.attribute("items").as_array().unwrap() {
            assert!(row["address"].as_str().is_some_and(|address| address.starts_with("127.")), "{row}");
            shown.push(["what", "outcome"].map(|key| row[key].as_str().unwrap_or("-").to_owned()));
        }
        match page.attribute("next").as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(shown, ["ApplyDeclaration", "Pause", "Resume"].map(|what| [what.to_owned(), "done".to_owned()]));
    assert_eq!(code(&ask("GET", "/audit?cursor=AQ", "")), (400, "BAD_VALUE".to_owned()));
}

#[test]
fn a_cursor_of_the_dead_primary_goes_on_at_the_other_node() {
    let mut cluster = Cluster::with(&[API]);
    cluster.create_list("demo");
    let primary = cluster.primary();
    let mut http = cluster.http(primary);
    for number in 0..10 {
        http.post("/lists/demo?req=AddRecord", &phone(number));
    }
    let first = http.get(&format!("{V1}/lists/demo/records?limit=4"));
    let next = first.attribute("next").as_str().unwrap().to_owned();
    let other = cluster.other(primary);
    cluster.kill(primary);
    let target = format!("{V1}/lists/demo/records?limit=100&cursor={next}");
    until("the other node answers", || cluster.http(other).get(&target).status == 200);
    let rest = cluster.http(other).get(&target);
    let ids: Vec<u64> =
        rest.attribute("items").as_array().unwrap().iter().map(|item| item["record_id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [5, 6, 7, 8, 9, 10]);
    let cut = cluster.http(other).get(&format!("{V1}/lists/demo/records?cursor={}", &next[1..]));
    assert_eq!(code(&cut), (400, "BAD_VALUE".to_owned()));
}

/// The values of a figure of the last hour at a node; intervals without a value are left out.
fn values(cluster: &Cluster, node: &str, name: &str) -> Vec<f64> {
    let series = cluster.http(node).get(&format!("{V1}/series?names={name}")).attribute("series");
    series[name].as_array().unwrap().iter().filter_map(|value| value.as_f64()).collect()
}

#[test]
fn both_nodes_have_series_of_the_groups_updates_which_go_on_after_a_failover() {
    let mut cluster = Cluster::with(&[API]);
    cluster.create_list("demo");
    let primary = cluster.primary();
    let other = cluster.other(primary);
    let (mut http, mut number) = (cluster.http(primary), 0);
    until("both nodes have sampled updates, and the primary their durations", || {
        http.post(&format!("{V1}/lists/demo/records"), &phone(number));
        number += 1;
        let have = |node: &str| values(&cluster, node, "updates").iter().any(|rate| *rate > 0.0);
        have(primary) && have(other) && !values(&cluster, primary, "latency_p99_ms").is_empty()
    });
    assert!(values(&cluster, other, "latency_p99_ms").is_empty(), "no client asked that node");
    assert!(!values(&cluster, primary, "lag_entries").is_empty() && values(&cluster, other, "lag_entries").is_empty());
    cluster.kill(primary);
    until("the other node is primary", || cluster.http(other).get(&format!("{V1}/lists")).status == 200);
    assert!(values(&cluster, other, "updates").iter().any(|rate| *rate > 0.0), "the curve goes on");
}
