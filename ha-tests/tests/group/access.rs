//! The rights of clients and operators, on real processes: API tokens at both nodes, and certificates over control.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ocs_ha_tests::{Answer, Cluster, NODES, until};
use ocs_proto::control::{HistoryRequest, StatusRequest, SwitchoverRequest, control_client::ControlClient};
use tonic::{
    Code,
    transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity},
};

const ADD: &str = "/lists/demo?req=AddRecord";

/// A token, by its id and its text.
struct Token {
    id: String,
    text: String,
}

fn token(cluster: &Cluster, words: &[&str]) -> Token {
    let made = cluster.ctl(&[&["token", "create"][..], words, &["-o", "json"]].concat());
    assert_eq!(made.code, 0, "{}", made.err);
    let text = |name: &str| made.json()[name].as_str().unwrap().to_owned();
    Token { id: text("id"), text: text("token") }
}

/// The answer of a node to a request with this token; empty: without one.
fn ask(cluster: &Cluster, node: &str, token: &str, method: &str, target: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("Authorization", bearer.as_str())];
    let sent = usize::from(!token.is_empty());
    cluster.http(node).must(method, target, &headers[..sent], body)
}

fn phone(number: u32) -> String {
    format!(r#"{{"GSW_PHONE":"+99960{number:04}"}}"#)
}

#[test]
fn tokens_bound_their_clients_at_both_nodes_until_they_are_revoked() {
    let cluster = Cluster::with(&["http_proxy.auth=tokens"]);
    cluster.create_list("demo");
    cluster.create_list("other");
    let crm = token(&cluster, &["crm", "--scopes", "update", "--list", "demo"]);
    let desk = token(&cluster, &["desk", "--scopes", "read,update"]);
    let all = ["a", "b"];
    for node in all {
        until("the node knows both tokens", || {
            [&crm, &desk].iter().all(|token| ask(&cluster, node, &token.text, "POST", ADD, "").status != 401)
        });
    }
    let nobody = format!("ocs_{}", "0".repeat(64));
    let mut handle = 0;
    for (number, node) in (1..).zip(all) {
        let of = |token: &str, method: &str, target: &str| ask(&cluster, node, token, method, target, &phone(number));
        let missing = of("", "POST", ADD);
        assert_eq!(missing.verdict(), (401, "UNAUTHENTICATED".to_owned()), "{missing:?}");
        assert_eq!(missing.header("www-authenticate"), Some("Bearer realm=\"ocs\""));
        assert_eq!(of(&nobody, "POST", ADD).verdict(), (401, "UNAUTHENTICATED".to_owned()));
        let in_uri = of(&crm.text, "POST", &format!("{ADD}&access_token={}", crm.text));
        assert_eq!(in_uri.verdict(), (400, "BAD_VALUE".to_owned()), "{in_uri:?}");
        let misplaced = cluster.http(node).must("POST", ADD, &[("X-Api-Key", crm.text.as_str())], &phone(number));
        assert_eq!(misplaced.verdict(), (401, "UNAUTHENTICATED".to_owned()), "{misplaced:?}");
        assert_eq!(misplaced.header("www-authenticate"), Some("Bearer realm=\"ocs\""));
        let added = of(&crm.text, "POST", ADD);
        assert_eq!(added.status, 200, "{added:?}");
        handle = added.handle();
        let scope = of(&crm.text, "GET", &format!("/records/{handle}"));
        assert_eq!((scope.verdict(), scope.attribute("GSW_SCOPE")), ((403, "FORBIDDEN".to_owned()), "read".into()));
        let list = of(&crm.text, "POST", "/lists/other?req=AddRecord");
        assert_eq!(
            (list.verdict(), list.attribute("GSW_CALLING_LIST")),
            ((403, "FORBIDDEN".to_owned()), "other".into())
        );
        assert_eq!(of(&crm.text, "POST", "/records/999999?req=RecordProcessed").verdict().1, "RECORD_NOT_FOUND");
        assert_eq!(of(&desk.text, "GET", &format!("/records/{handle}")).status, 200);
        assert_eq!(cluster.http(node).get("/livez").status, 200, "health checks need none");
        for reason in ["missing", "unknown", "misplaced", "scope", "list"] {
            let name = format!("ocs_access_refused_total{{reason=\"{reason}\"}}");
            until("each refusal is counted", || cluster.metric(node, &name) >= 1.0);
        }
    }
    // A token that is taken back counts no longer, wherever its record is known.
    cluster.ctl(&["token", "revoke", &crm.id]).fine();
    for node in all {
        until("the node has heard of it", || ask(&cluster, node, &crm.text, "POST", ADD, &phone(9)).status == 401);
        assert_eq!(ask(&cluster, node, &desk.text, "GET", &format!("/records/{handle}"), "").status, 200);
    }
    let listed = cluster.ctl(&["token", "list"]).fine();
    assert!(listed.contains("desk") && !listed.contains("crm") && !listed.contains(&desk.text), "{listed}");
    for node in NODES {
        let log = cluster.log(node);
        for text in [&crm.text, &desk.text, &nobody] {
            assert!(!log.contains(text.as_str()), "a token stands in the log of {node}");
        }
    }
    cluster.assert_equal();
}

#[test]
fn a_key_belongs_to_its_token_and_a_token_ends_at_its_time() {
    let cluster = Cluster::with(&["http_proxy.auth=tokens"]);
    cluster.create_list("demo");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let soon = (now + 20).to_string();
    let one = token(&cluster, &["one", "--scopes", "update"]);
    let other = token(&cluster, &["other", "--scopes", "update", "--expires", &soon]);
    let node = cluster.primary();
    let keyed = |token: &Token, number: u32| {
        let bearer = format!("Bearer {}", token.text);
        let headers = [("Authorization", bearer.as_str()), ("Idempotency-Key", "k1")];
        cluster.http(node).must("POST", ADD, &headers, &phone(number))
    };
    until("the primary knows both tokens", || {
        [&one, &other].iter().all(|token| ask(&cluster, node, &token.text, "POST", ADD, "").status != 401)
    });
    let first = keyed(&one, 1);
    assert_eq!(first.status, 200, "{first:?}");
    let again = keyed(&one, 1);
    assert_eq!((again.handle(), again.header("idempotent-replayed")), (first.handle(), Some("true")));
    let of_other = keyed(&other, 2);
    assert_eq!((of_other.status, of_other.header("idempotent-replayed")), (200, None), "{of_other:?}");
    assert_ne!(of_other.handle(), first.handle());
    until("the token ends", || keyed(&other, 2).status == 401);
    assert_eq!(keyed(&one, 1).handle(), first.handle());
}

/// A connection to a node's control port that shows a certificate of the group's authority.
async fn channel(cluster: &Cluster, node: &str, name: &str) -> Channel {
    let read = |file: String| fs::read(cluster.settings().certs().join(file)).unwrap();
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(read("ca.pem".to_owned())))
        .identity(Identity::from_pem(read(format!("{name}.pem")), read(format!("{name}.key"))))
        .domain_name("a");
    let endpoint = format!("https://{}", cluster.settings().address(node, "control"));
    Endpoint::from_shared(endpoint).unwrap().tls_config(tls).unwrap().connect().await.unwrap()
}

#[test]
fn a_nodes_certificate_reads_and_an_operators_hands_the_role_over_and_is_named() {
    let mut cluster = Cluster::start();
    let (first, node) = (cluster.primary(), cluster.other(cluster.primary()));
    let certs = cluster.settings().certs().display().to_string();
    let tls = format!("control.tls={{ca=\"{certs}/ca.pem\",certificate=\"{certs}/a.pem\",key=\"{certs}/a.key\"}}");
    assert_eq!(cluster.stop(node), 0);
    cluster.start_node(node, &["--set", &tls]);
    until("it is ready", || {
        cluster.admin(node).send("GET", "/readyz", &[], "").is_ok_and(|answer| answer.status == 200)
    });
    // The other node still speaks plainly: every user of this machine is an operator there.
    until("the role is handed over", || {
        cluster.admin(node).get("/primary").status == 200 || cluster.ctl(&["switchover", "--to", node]).code == 0
    });
    until("the node is primary", || cluster.admin(node).get("/primary").status == 200);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut as_node = ControlClient::new(channel(&cluster, node, "b").await);
        as_node.status(StatusRequest {}).await.unwrap();
        let refused = as_node.switchover(SwitchoverRequest::default()).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
        assert!(refused.message().contains("needs an operator's certificate"), "{refused}");
        let mut as_operator = ControlClient::new(channel(&cluster, node, "operator").await);
        let handed_over = async {
            while !as_operator.switchover(SwitchoverRequest::default()).await.unwrap().into_inner().done {
                tokio::time::sleep(Duration::from_millis(100)).await; // the other node catches up
            }
        };
        tokio::time::timeout(Duration::from_secs(40), handed_over).await.expect("the role is handed over");
        let history = as_node.history(HistoryRequest {}).await.unwrap().into_inner();
        assert!(
            history.entries.iter().any(|entry| entry.reason.starts_with("switchover asked by an operator without"))
        );
    });
    assert_eq!(cluster.metric(node, "ocs_access_refused_total{reason=\"operator\"}"), 1.0);
    until("the history names the operator and the address", || {
        let history = cluster.ctl(&["history", "-o", "json"]);
        let reasons = history.json()["changes"].as_array().cloned().unwrap_or_default();
        let named = |change: &serde_json::Value| {
            let reason = change["reason"].as_str().unwrap_or_default();
            reason.starts_with("switchover asked by operator (127.") && change["to"] == first
        };
        reasons.iter().any(named)
    });
    let log = cluster.log(node);
    let is_order = |line: &&str| ["operator order", "Switchover", "127."].iter().all(|part| line.contains(part));
    assert!(log.lines().any(|line| is_order(&line)), "{log}");
}
