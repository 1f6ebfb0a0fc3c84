//! The requests that client libraries really send (spec 4, MEASURED), as raw bytes over a real socket.

use ocs_proto::link::Configure;

use crate::support::{Node, acknowledge, configure};

const DONE: &str =
    "{\"GSW_USER_EVENT\":\"RecordProcessedAcknowledge\",\"GSW_RECORD_HANDLE\":15,\"GSW_CALL_RESULT\":33}";

fn post(headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /records/15?req=RecordProcessed HTTP/1.1\r\nHost: x:1\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn json_is_read_whatever_its_label() {
    let node = Node::acknowledging().await;
    for label in ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-8", "nonsense"] {
        let headers = format!("Content-Type: {label}\r\nAccept: text/plain\r\n");
        let answer = node.ask(post(&headers, "{\"GSW_CALL_RESULT\":\"Answer\"}")).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, DONE), "labelled {label}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }
    let unlabelled = node.ask(post("", "{\"GSW_CALL_RESULT\":33}")).await;
    assert_eq!(unlabelled.body, DONE);
}

#[tokio::test]
async fn a_form_is_read_whatever_its_label() {
    let node = Node::acknowledging().await;
    for headers in ["", "Content-Type: application/json\r\n"] {
        assert_eq!(node.ask(post(headers, "GSW_CALL_RESULT=Answer")).await.body, DONE);
    }
}

#[tokio::test]
async fn a_post_without_body_and_length_is_answered() {
    let node = Node::acknowledging().await;
    let answer = node.ask("POST /records/15?req=RecordProcessed HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn head_and_body_may_come_byte_by_byte() {
    let node = Node::acknowledging().await;
    let mut client = node.connect().await;
    for byte in post("", "{\"GSW_CALL_RESULT\":33}").bytes() {
        client.send([byte]).await;
    }
    assert_eq!(client.answer().await.unwrap().body, DONE);
}

#[tokio::test]
async fn chunked_bodies_are_read_and_the_connection_goes_on() {
    let node = Node::acknowledging().await;
    let mut client = node.connect().await;
    let head = "POST /records/15?req=RecordProcessed HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    for _ in 0..2 {
        client.send(head).await;
        client.send("9;ext=1\r\n{\"GSW_CAL\r\nd\r\nL_RESULT\":33}\r\n0\r\nTrailer: x\r\n\r\n").await;
        assert_eq!(client.answer().await.unwrap().body, DONE);
    }
}

#[tokio::test]
async fn who_expects_100_continue_gets_it_before_the_body_is_sent() {
    let node = Node::acknowledging().await;
    let mut client = node.connect().await;
    let head = "POST /records/15?req=RecordProcessed HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 22\r\n\r\n";
    client.send(head).await;
    assert!(client.head().await.unwrap().starts_with("HTTP/1.1 100 "));
    client.send("{\"GSW_CALL_RESULT\":33}").await;
    assert_eq!(client.answer().await.unwrap().body, DONE);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_sent() {
    let node = Node::acknowledging().await;
    let mut client = node.connect().await;
    let head = "POST /records/15?req=RecordProcessed HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9999999\r\n\r\n";
    client.send(head).await;
    assert_eq!(client.answer().await.unwrap().status, 413);
}

#[tokio::test]
async fn an_upgrade_to_h2c_is_ignored() {
    let node = Node::acknowledging().await;
    let mut client = node.connect().await;
    for _ in 0..2 {
        let headers = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
        client.send(post(headers, "GSW_CALL_RESULT=33")).await;
        let answer = client.answer().await.unwrap();
        assert!(answer.head.starts_with("HTTP/1.1 200 "), "{}", answer.head);
        assert_eq!(answer.body, DONE);
    }
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let node = Node::acknowledging().await;
    let mut client = node.connect().await;
    let requests: String = (1..=20)
        .map(|handle| {
            format!("POST /records/{handle}?req=RecordProcessed HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\na=1")
        })
        .collect();
    client.send(requests).await;
    for handle in 1..=20 {
        let body = client.answer().await.unwrap().body;
        assert!(body.contains(&format!("\"GSW_RECORD_HANDLE\":{handle},")), "{body}");
    }
}

#[tokio::test]
async fn http_1_0_without_host_is_answered_and_closed() {
    let node = Node::acknowledging().await;
    let mut client = node.connect().await;
    client.send("GET /records/15 HTTP/1.0\r\n\r\n").await;
    let answer = client.answer().await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.body.contains(&format!("\"GSW_RECORD_URI\":\"http://{}/records/15\"", node.address)), "{answer:?}");
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_client_that_half_closes_gets_its_answer() {
    let node = Node::acknowledging().await;
    let mut client = node.connect().await;
    client.send(post("", "GSW_CALL_RESULT=33")).await;
    client.finish().await;
    assert_eq!(client.answer().await.unwrap().body, DONE);
}

#[tokio::test]
async fn the_uri_of_a_record_names_the_host_that_the_client_named_or_the_advertised_one() {
    let node = Node::acknowledging().await;
    let answer = node.ask("GET /records/15 HTTP/1.1\r\nHost: proxy.example:8080\r\n\r\n").await;
    assert_eq!(
        answer.body,
        "{\"GSW_USER_EVENT\":\"Record\",\"GSW_RECORD_HANDLE\":15,\"GSW_RECORD_URI\":\"http://proxy.example:8080/records/15\"}"
    );
    let mut advertised = configure();
    advertised.advertised_url = "https://ocs.example.com/".into();
    let node = Node::with(advertised, acknowledge).await;
    let answer = node.ask("GET /records/15 HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.body.contains("\"https://ocs.example.com/records/15\""), "{answer:?}");
}

#[tokio::test]
async fn a_body_in_another_charset_is_transcoded() {
    let node = Node::acknowledging().await;
    let head = "POST /records/15?req=RecordProcessed HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n";
    let named =
        [head.as_bytes(), b"Content-Type: text/plain; charset=iso-8859-1\r\n\r\n{\"city\": \"K\xf6\"}"].concat();
    assert!(node.ask(named).await.body.contains("\"city\":\"Kö\""));
    let node = Node::with(encoded("windows-1252"), acknowledge).await;
    let unnamed = [head.as_bytes(), b"\r\n{\"city\": \"K\xf6\"}"].concat();
    let answer = node.ask(unnamed).await;
    assert!(answer.bytes.windows(10).any(|bytes| bytes == b"\"city\":\"K\xf6"), "{answer:?}");
}

/// The configuration with a charset of bodies and answers.
fn encoded(charset: &str) -> Configure {
    Configure { encoding: charset.into(), ..configure() }
}

#[tokio::test]
async fn every_answer_is_in_the_charset_of_the_option_and_says_so() {
    let head =
        "POST /records/15?req=RecordProcessed HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain; charset=utf-8\r\n";
    let body = "{\"city\":\"K\u{f6}ln \u{20ac}\u{1f600}\"}";
    let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    let table: [(&str, &str, &[u8]); 4] = [
        ("", "application/json", "K\u{f6}ln \u{20ac}\u{1f600}".as_bytes()),
        ("utf8", "application/json", "K\u{f6}ln \u{20ac}\u{1f600}".as_bytes()),
        ("latin1", "application/json; charset=ISO-8859-1", b"K\xf6ln \\u20ac\\ud83d\\ude00"),
        ("windows-1252", "application/json; charset=windows-1252", b"K\xf6ln \x80\\ud83d\\ude00"),
    ];
    for (charset, content_type, city) in table {
        let node = Node::with(encoded(charset), acknowledge).await;
        let answer = node.ask(&request).await;
        let wanted = [&b"\"city\":\""[..], city, b"\"}"].concat();
        assert!(answer.bytes.ends_with(&wanted), "{charset}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some(content_type), "{charset}");
        let refused = node.ask("POST /records/K%C3%B6ln?req=RecordProcessed HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!((refused.status, refused.header("content-type")), (404, Some(content_type)), "{charset}");
        let garbage = node.ask("garbage\r\n\r\n").await;
        assert_eq!((garbage.status, garbage.header("content-type")), (400, Some(content_type)), "{charset}");
    }
}

#[tokio::test]
async fn a_text_of_every_byte_comes_back_in_its_charset() {
    for charset in ["iso-8859-1", "windows-1252"] {
        let node = Node::with(encoded(charset), acknowledge).await;
        let letters: Vec<u8> = (0xa0..=0xff).collect();
        let body = [&b"{\"city\":\""[..], &letters, b"\"}"].concat();
        let head = format!(
            "POST /records/15?req=RecordProcessed HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let answer = node.ask([head.as_bytes(), &body].concat()).await;
        assert_eq!(answer.status, 200, "{charset}: {answer:?}");
        assert!(answer.bytes.ends_with(&body[1..]), "{charset}: {answer:?}");
    }
}
