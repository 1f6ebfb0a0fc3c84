//! Credentials at the port: carried to the node as sent, asked for where there are none, and refused in a URI.

use ocs_proto::link::Configure;
use outbound::{Refusal, RefusalCode, Reply, Request, Value, key};

use crate::support::{Answer, Node, acknowledge, configure, start};

const GET: &str = "GET /records/15 HTTP/1.1\r\nHost: x\r\n";
const TOKEN: &str = "ocs_0101010101010101010101010101010101010101010101010101010101010101";

fn asking(auth: &str) -> Configure {
    Configure { auth: auth.into(), ..configure() }
}

fn shows(answer: &Answer, status: u16, code: &str, challenge: Option<&str>) {
    assert_eq!((answer.status, answer.code().as_str()), (status, code), "{answer:?}");
    assert_eq!(answer.header("www-authenticate"), challenge, "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn without_a_mode_no_credential_is_asked_for_or_carried() {
    for auth in ["", "none"] {
        let node = Node::with(asking(auth), acknowledge).await;
        let asked = format!("{GET}Authorization: Bearer {TOKEN}\r\n\r\n");
        assert_eq!(node.ask(asked).await.status, 200);
        assert_eq!(node.ask("GET /records/15?access_token=1 HTTP/1.1\r\nHost: x\r\n\r\n").await.status, 200);
        assert_eq!(node.heard.lock().unwrap().credentials, vec![(String::new(), String::new()); 2], "{auth:?}");
    }
}

#[tokio::test]
async fn a_token_is_carried_to_the_node_as_sent() {
    let node = Node::with(asking("tokens"), acknowledge).await;
    assert_eq!(node.ask(format!("{GET}authorization: bearer {TOKEN}\r\n\r\n")).await.status, 200);
    assert_eq!(node.heard.lock().unwrap().credentials, [(TOKEN.to_owned(), String::new())]);
}

#[tokio::test]
async fn a_request_without_a_credential_is_asked_for_one_before_its_body_is_read() {
    for (auth, challenge) in [
        ("tokens", "Bearer realm=\"ocs\""),
        ("certificates", "Certificate realm=\"ocs\""),
        ("tokens_or_certificates", "Bearer realm=\"ocs\""),
    ] {
        let node = Node::with(asking(auth), acknowledge).await;
        let mut client = node.connect().await;
        client.send("POST /records/15?req=RecordProcessed HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n").await;
        let answer = client.answer().await.expect("an answer before the body");
        shows(&answer, 401, "UNAUTHENTICATED", Some(challenge));
        assert_eq!(answer.header("connection"), Some("close"));
        shows(&node.ask("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n").await, 401, "UNAUTHENTICATED", Some(challenge));
        drop(client);
        let heard = node.heard.clone();
        node.drain();
        node.ended().await.unwrap();
        let heard = heard.lock().unwrap();
        assert_eq!((heard.unfit, heard.credentials.len()), ((2, 0), 0), "{auth}");
    }
}

#[tokio::test]
async fn a_token_in_a_uri_or_beside_another_is_400_and_goes_no_further() {
    let node = Node::with(asking("tokens"), acknowledge).await;
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    for asked in [
        format!("GET /records/15?access_token={TOKEN} HTTP/1.1\r\nHost: x\r\n{bearer}\r\n"),
        format!("GET /records/15?ACCESS_TOKEN=x HTTP/1.1\r\nHost: x\r\n{bearer}\r\n"),
        format!("GET /lists/{TOKEN} HTTP/1.1\r\nHost: x\r\n{bearer}\r\n"),
        format!("{GET}{bearer}{bearer}\r\n"),
    ] {
        let answer = node.ask(asked).await;
        shows(&answer, 400, "BAD_VALUE", None);
        assert!(!answer.body.contains(TOKEN), "{answer:?}");
    }
    let heard = node.heard.clone();
    node.drain();
    node.ended().await.unwrap();
    let heard = heard.lock().unwrap();
    assert_eq!((heard.unfit, heard.credentials.len()), ((0, 4), 0));
}

#[tokio::test]
async fn health_checks_and_options_need_no_credential() {
    let node = Node::with(asking("tokens"), acknowledge).await;
    for path in ["/livez", "/readyz", "/primary", "/backup"] {
        let status = node.ask(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await.status;
        assert!([200, 503].contains(&status), "{path}: {status}");
    }
    assert_eq!(node.ask("OPTIONS /records/15 HTTP/1.1\r\nHost: x\r\n\r\n").await.status, 204);
    for path in ["/livez", "/readyz", "/records/15"] {
        let asked = format!("GET {path}?access_token={TOKEN} HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_eq!(node.ask(asked).await.status, 400, "{path}: a token in a URI is refused everywhere");
    }
}

#[tokio::test]
async fn a_token_in_a_wrong_header_or_under_a_wrong_scheme_is_asked_for_and_counted_as_misplaced() {
    let node = Node::with(asking("tokens"), acknowledge).await;
    for line in [format!("X-Api-Key: {TOKEN}"), format!("Authorization: Token {TOKEN}")] {
        let answer = node.ask(format!("{GET}{line}\r\n\r\n")).await;
        shows(&answer, 401, "UNAUTHENTICATED", Some("Bearer realm=\"ocs\""));
        assert!(answer.body.contains("Authorization: Bearer TOKEN") && !answer.body.contains(TOKEN), "{answer:?}");
    }
    let heard = node.heard.clone();
    node.drain();
    node.ended().await.unwrap();
    let heard = heard.lock().unwrap();
    assert_eq!((heard.unfit, heard.credentials.len()), ((0, 2), 0));
    assert!(heard.logs.iter().all(|record| !record.message.contains(TOKEN)), "{:?}", heard.logs);
}

/// Knows no token, and refuses every change.
fn refuse(request: &Request) -> Option<Reply> {
    let refusal = match request.verb.reads() {
        true => Refusal::new(RefusalCode::Unauthenticated, "the API token is unknown"),
        false => {
            Refusal::new(RefusalCode::Forbidden, "it needs the scope update").with(key::SCOPE, Value::text("update"))
        }
    };
    Some(refusal.into())
}

#[tokio::test]
async fn a_refusal_of_the_node_has_its_challenge() {
    let node = Node::with(asking("tokens"), refuse).await;
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    let unknown = node.ask(format!("{GET}{bearer}\r\n")).await;
    shows(&unknown, 401, "UNAUTHENTICATED", Some("Bearer realm=\"ocs\", error=\"invalid_token\""));
    let asked = format!("POST /records/15?req=RecordProcessed HTTP/1.1\r\nHost: x\r\n{bearer}\r\n");
    let lacking = node.ask(asked).await;
    let challenge = "Bearer realm=\"ocs\", error=\"insufficient_scope\", scope=\"update\"";
    shows(&lacking, 403, "FORBIDDEN", Some(challenge));
    assert!(lacking.body.contains("\"GSW_SCOPE\":\"update\""), "{lacking:?}");
}

#[tokio::test]
async fn a_mode_of_a_newer_node_keeps_the_port_closed() {
    let (listening, node) = start(asking("kerberos"), acknowledge).await;
    assert_eq!(listening.error, "auth: \"kerberos\" is not known");
    assert!(node.ended().await.is_err());
}
