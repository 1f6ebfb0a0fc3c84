//! A body that is not understood changes nothing: its request never reaches the node, and the connection goes on (spec 4).

use crate::support::{Node, configure, hold};
use outbound::Value;

/// A request with this body, as bytes.
fn post(target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {target} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

const TARGETS: [&str; 4] = [
    "/records/15?req=RecordProcessed",
    "/records/15?req=UpdateCallCompletionStats",
    "/records/15?req=DoNotCall",
    "/lists/demo?req=AddRecord",
];

#[tokio::test]
async fn a_body_that_nobody_understood_never_reaches_the_node() {
    const JSON: &str = "Content-Type: application/json\r\n";
    const LATIN_1: &str = "Content-Type: application/json; charset=iso-8859-1\r\n";
    let table: [(&str, String, &[u8], &str); 17] = [
        (
            "a multipart form",
            "Content-Type: multipart/form-data; boundary=XX\r\n".into(),
            b"--XX\r\nContent-Disposition: form-data; name=\"GSW_PHONE\"\r\n\r\n1\r\n--XX--\r\n",
            "multipart",
        ),
        ("JSON encoded twice", JSON.into(), br#""{\"GSW_PHONE\":1}""#, "quoted JSON"),
        ("an array", JSON.into(), br#"[{"GSW_PHONE":1}]"#, "array"),
        ("single quotes", String::new(), br#"'{"GSW_PHONE":1}'"#, "single quotes"),
        ("XML elements", "Content-Type: application/xml\r\n".into(), b"<r><GSW_PHONE>1</GSW_PHONE></r>", "XML"),
        ("XML attributes", "Content-Type: application/xml\r\n".into(), b"<r GSW_PHONE=\"1\"/>", "XML"),
        ("a content coding", format!("{LATIN_1}Content-Encoding: gzip\r\n"), b"\x1f\x8b\x08\0\0\0=", "gzip"),
        ("another coding", format!("{LATIN_1}Content-Encoding: deflate\r\n"), b"x^\xabVr\x0e=", "deflate"),
        ("a coding that is not told", LATIN_1.into(), b"\x1f\x8b\x08\0\0\0=", "compressed"),
        ("a number", "Content-Type: text/plain\r\n".into(), b"33", "no object"),
        ("null", JSON.into(), b"null", "no object"),
        ("a comment first", JSON.into(), b"// note\n{\"GSW_PHONE\":1}", "comment"),
        ("two byte order marks", JSON.into(), b"\xef\xbb\xbf\xef\xbb\xbf{\"GSW_PHONE\":1}", "byte order mark"),
        ("a no-break space first", JSON.into(), b"\xc2\xa0{\"GSW_PHONE\":1}", "not ASCII"),
        ("a NUL first", JSON.into(), b"\0{\"GSW_PHONE\":1}", "binary"),
        ("YAML", "Content-Type: application/yaml\r\n".into(), b"GSW_PHONE: 1\n", "YAML"),
        ("text", "Content-Type: text/plain\r\n".into(), b"hello", "key=value"),
    ];
    let mut node = Node::with(configure(), hold).await;
    let mut client = node.connect().await;
    for (claim, headers, body, told) in &table {
        for target in TARGETS {
            client.send(post(target, headers, body)).await;
            let answer = client.answer().await.unwrap();
            assert_eq!((answer.status, answer.code().as_str()), (400, "BAD_BODY"), "{claim}, {target}: {answer:?}");
            assert!(answer.body.contains(told), "{claim}, {target}: {answer:?}");
            assert_eq!(answer.header("connection"), None, "{claim}, {target}");
        }
    }
    assert!(node.requests.try_recv().is_err(), "a request was handed over");
}

#[tokio::test]
async fn the_node_is_told_of_a_form_whose_keys_the_protocols_do_not_know() {
    let mut node = Node::with(configure(), hold).await;
    let table: [(&[u8], bool); 7] = [
        (b"gsw_date_time=1", true),
        (b"data={%22GSW_CALL_RESULT%22:33}", true),
        (b"interested=yes", true),
        (b"interested=yes&gsw_call_result=33", false),
        (b"GSW_RECORD_HANDLE=15", false),
        (br#"{"interested":"yes"}"#, false),
        (b"", false),
    ];
    for (body, unknown_form) in table {
        let mut client = node.connect().await;
        client.send(post("/records/15?req=RecordProcessed&_=17&GSW_ATTEMPTS=1", "", body)).await;
        let (_, request) = node.requests.recv().await.unwrap();
        let (sent, shown) = (&request.attributes.sent, String::from_utf8_lossy(body));
        assert_eq!(sent.unknown_form, unknown_form, "{shown}");
        assert_eq!(sent.query_keys, ["_"], "{shown}");
    }
}

#[tokio::test]
async fn an_empty_text_is_an_absent_attribute_in_json_form_and_query() {
    let names = [
        "PHONE_TYPE",
        "TZ_NAME",
        "FROM",
        "UNTIL",
        "RECORD_TYPE",
        "RECORD_STATUS",
        "CALL_RESULT",
        "ATTEMPTS",
        "DATE_TIME",
        "CALL_TIME",
        "AGENT_ID",
        "CAMPAIGN_NAME",
        "CHAIN_ID",
        "REFERENCE_ID",
        "APPLICATION_ID",
    ];
    let mut node = Node::with(configure(), hold).await;
    for name in names {
        let requests = [
            post("/lists/demo?req=AddRecord", "", format!("{{\"GSW_PHONE\":\"5\",\"GSW_{name}\":\"\"}}").as_bytes()),
            post("/lists/demo?req=AddRecord", "", format!("GSW_PHONE=5&GSW_{name}=").as_bytes()),
            post(&format!("/lists/demo?req=AddRecord&GSW_{name}="), "", b"GSW_PHONE=5"),
        ];
        for request in requests {
            let mut client = node.connect().await;
            client.send(&request).await;
            let (_, request) = node.requests.recv().await.unwrap();
            let given: Vec<_> = request.attributes.iter().collect();
            assert_eq!(given, [("GSW_PHONE", &Value::text("5"))], "GSW_{name}");
        }
    }
}
