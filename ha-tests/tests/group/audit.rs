//! The audit on real processes: orders of operators and of a token, over a failover, each with one row.

use std::fs;

use ocs_ha_tests::{Cluster, until};
use ocs_proto::{
    control::{ReloadRequest, control_client::ControlClient},
    outbound::{CreateList, Reply, RevokeToken, SetSettings, Setting, reply::Body},
};
use serde_json::Value;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

const ADD: &str = "/lists/demo?req=AddRecord";
/// A campaign group, for the token's order.
const SITE: &str = r#"
[[lists]]
name = "demo"
record_history = true

[[campaigns]]
name = "Renewals"
lists = [{ list = "demo" }]

[[campaign_groups]]
campaign = "Renewals"
group = "Agents"
"#;

/// The control API of a node for an operator of this name.
async fn operator(cluster: &Cluster, node: &str, name: &str) -> ControlClient<Channel> {
    let read = |file: String| fs::read_to_string(cluster.settings().certs().join(file)).unwrap();
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(read("ca.pem".to_owned())))
        .identity(Identity::from_pem(read(format!("{name}.pem")), read(format!("{name}.key"))))
        .domain_name("a");
    let endpoint = format!("https://{}", cluster.settings().address(node, "control"));
    ControlClient::new(Endpoint::from_shared(endpoint).unwrap().tls_config(tls).unwrap().connect().await.unwrap())
}

fn is_done(reply: Option<Reply>) -> bool {
    matches!(reply.and_then(|reply| reply.body), Some(Body::Done(_)))
}

fn pause_of(seconds: &str) -> SetSettings {
    SetSettings { settings: vec![Setting { key: "reject_pause".into(), value: seconds.into() }] }
}

/// The rows that `ocsctl audit` shows, a line each.
fn rows(cluster: &Cluster, words: &[&str]) -> Vec<Value> {
    let ran = cluster.ctl(&[&["audit", "-o", "json"][..], words].concat());
    ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Principal, name and outcome of each row.
fn shown(rows: &[Value]) -> Vec<[String; 3]> {
    let row = |row: &Value| ["principal", "what", "outcome"].map(|key| row[key].as_str().unwrap_or("-").to_owned());
    rows.iter().map(row).collect()
}

/// From now on the control port of a node asks for certificates.
fn secure_control(cluster: &mut Cluster, node: &'static str) {
    let certs = cluster.settings().certs().display().to_string();
    cluster.ctl(&["cert", "operator", "maria", "--dir", &certs]).fine();
    let tls = format!("control.tls={{ca=\"{certs}/ca.pem\",certificate=\"{certs}/a.pem\",key=\"{certs}/a.key\"}}");
    assert_eq!(cluster.stop(node), 0);
    cluster.start_node(node, &["--set", &tls]);
    until("it is ready", || {
        cluster.admin(node).send("GET", "/readyz", &[], "").is_ok_and(|answer| answer.status == 200)
    });
}

#[test]
fn orders_of_two_operators_and_a_token_over_a_failover_have_one_row_each_in_their_order() {
    let mut cluster = Cluster::with(&["http_proxy.auth=tokens"]);
    fs::write(cluster.path("site.toml"), SITE).unwrap();
    cluster.ctl(&["apply", "-f", "site.toml"]).fine();
    let token = cluster.ctl(&["token", "create", "desk", "--scopes", "admin,update", "-o", "json"]).json();
    let (id, bearer) =
        (token["id"].as_str().unwrap().to_owned(), format!("Bearer {}", token["token"].as_str().unwrap()));
    let (first, node) = (cluster.primary(), cluster.other(cluster.primary()));
    secure_control(&mut cluster, node);
    until("the audit is shown", || !rows(&cluster, &[]).is_empty());
    let before = rows(&cluster, &[]).len();
    let ask = |cluster: &Cluster, target: &str, body: &str| {
        cluster.http(node).must("POST", target, &[("Authorization", bearer.as_str())], body)
    };
    let group = "/campaigngroups/Renewals@Agents?req";
    until("the node knows the token", || ask(&cluster, ADD, "").status != 401);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut of_operator = operator(&cluster, node, "operator").await;
        let mut of_maria = operator(&cluster, node, "maria").await;
        assert!(is_done(of_operator.set_settings(pause_of("30")).await.unwrap().into_inner().reply));
        assert!(!is_done(of_maria.set_settings(pause_of("0")).await.unwrap().into_inner().reply));
        assert_eq!(ask(&cluster, &format!("{group}=LoadCampaign"), "").status, 200);
        assert!(of_maria.reload(ReloadRequest {}).await.unwrap().into_inner().done);
        let added = ask(&cluster, ADD, r#"{"GSW_PHONE":"+99981"}"#);
        assert_eq!(added.status, 200, "{added:?}");
    });
    cluster.kill(first);
    until("the other node takes over", || cluster.admin(node).get("/primary").status == 200);
    runtime.block_on(async {
        let mut of_operator = operator(&cluster, node, "operator").await;
        let mut of_maria = operator(&cluster, node, "maria").await;
        assert!(is_done(of_operator.revoke_token(RevokeToken { id: id.clone() }).await.unwrap().into_inner().reply));
        let second = CreateList { name: "second".into(), ..CreateList::default() };
        assert!(is_done(of_maria.create_list(second).await.unwrap().into_inner().reply));
    });
    cluster.start_node(first, &[]);
    let last = |cluster: &Cluster| rows(cluster, &[]).pop().unwrap_or_default();
    until("the node that was killed answers", || last(&cluster)["about"] == "second");

    let all = rows(&cluster, &[]);
    let numbers: Vec<u64> = all.iter().map(|row| row["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "no row is missing");
    let wanted = [
        ["operator", "SetSettings", "done"],
        ["maria", "SetSettings", "BAD_VALUE"],
        ["desk", "LoadCampaign", "done"],
        ["maria", "Reload", "done"],
        ["operator", "RevokeToken", "done"],
        ["maria", "CreateList", "done"],
    ];
    assert_eq!(shown(&all[before..]), wanted.map(|row| row.map(str::to_owned)));
    for row in &all[before..] {
        assert!(row["address"].as_str().is_some_and(|address| address.starts_with("127.")), "{row}");
    }
    assert_eq!((&all[before + 3]["node"], &all[before + 3]["about"]), (&node.into(), &node.into()));
    let begun = shown(&all[..before]);
    for what in ["RaiseRules", "ApplyDeclaration", "CreateToken"] {
        assert_eq!(begun.iter().filter(|[_, of_row, _]| of_row == what).count(), 1, "{what}: {begun:?}");
    }
    let text = format!("{all:?}");
    assert!(!text.contains(token["token"].as_str().unwrap()) && !text.contains("+99981"), "{text}");

    // Filters, and the history of the record that the token's client added.
    let of_maria = rows(&cluster, &["--principal", "maria", "--what", "createlist"]);
    assert_eq!(shown(&of_maria), [["maria", "CreateList", "done"].map(str::to_owned)]);
    assert!(rows(&cluster, &["--until", "2020-01-01"]).is_empty());
    let record = cluster.ctl(&["record", "get", "1", "--history", "-o", "json"]).json();
    assert_eq!(
        (&record["history"][0]["principal"], &record["history"][0]["what"]),
        (&"desk".into(), &"AddRecord".into())
    );
}
