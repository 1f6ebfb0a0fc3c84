//! The authority of requests: an ambiguous target or `Host` is refused, and the connection ends (spec 10).

use crate::support::{Node, configure, hold};

#[tokio::test]
async fn a_target_that_names_another_host_than_the_host_header_is_refused_and_ends_the_connection() {
    let mut node = Node::with(configure(), hold).await;
    for (target, host) in [
        ("http://other.example:1234/lists/demo?req=AddRecord", "ocs.example"),
        ("http://ocs.example:1234/lists/demo?req=AddRecord", "ocs.example"),
        ("http://ocs.example/lists/demo?req=AddRecord", ""),
        ("ftp://ocs.example/lists/demo?req=AddRecord", "ocs.example"),
        ("http://user@ocs.example/lists/demo?req=AddRecord", "ocs.example"),
        ("http://user:word@ocs.example/lists/demo?req=AddRecord", "ocs.example"),
        ("/lists/demo?req=AddRecord", "%41"),
        ("/lists/demo?req=AddRecord", ":::"),
        ("/lists/demo?req=AddRecord", "x:99999"),
        ("/lists/demo?req=AddRecord", "x:0"),
        ("/lists/demo?req=AddRecord", "[::1"),
        ("/lists/demo?req=AddRecord", ":8080"),
    ] {
        let mut client = node.connect().await;
        let body = "GSW_PHONE=5";
        let length = body.len();
        client.send(format!("POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{body}")).await;
        let answer = client.answer().await.unwrap();
        assert_eq!((answer.status, answer.code().as_str()), (400, "BAD_VALUE"), "{target} {host}: {answer:?}");
        assert_eq!(answer.header("connection"), Some("close"), "{target} {host}");
        assert!(client.is_closed().await, "{target} {host}");
    }
    assert!(node.requests.try_recv().is_err(), "a request was handed over");
}

#[tokio::test]
async fn a_target_that_agrees_with_the_host_header_is_what_a_records_uri_starts_with() {
    let node = Node::acknowledging().await;
    for (target, host, base) in [
        ("http://ocs.example:8080/records/15", "Host: ocs.example:8080\r\n", "http://ocs.example:8080"),
        ("http://OCS.example/records/15", "Host: ocs.example:80\r\n", "http://OCS.example"),
        ("/records/15", "Host: [::1]:8080\r\n", "http://[::1]:8080"),
        ("/records/15", "Host: ocs.example:\r\n", "http://ocs.example"),
    ] {
        let answer = node.ask(format!("GET {target} HTTP/1.1\r\n{host}\r\n")).await;
        let uri = format!("\"GSW_RECORD_URI\":\"{base}/records/15\"");
        assert!(answer.status == 200 && answer.body.contains(&uri), "{target} {host}: {answer:?}");
    }
}

#[tokio::test]
async fn a_path_that_is_no_resource_is_told_those_that_are_answered() {
    let node = Node::acknowledging().await;
    for path in ["/", "/records", "/nonsense/1", "/ui/"] {
        let answer = node.ask(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert_eq!((answer.status, answer.code().as_str()), (404, "BAD_RESOURCE"), "{path}: {answer:?}");
        let told: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let valid = told["GSW_ERROR"].as_str().unwrap().strip_prefix("No such resource. Valid: ").unwrap().to_owned();
        assert_eq!(valid.split(", ").count(), 9, "{valid}");
        for offered in valid.split(", ") {
            let (request, method, query) = match offered.split('<').next().unwrap() {
                "/records/" => ("/records/15", "GET", ""),
                "/phones/" => ("/phones/+12125550100", "POST", "?req=DoNotCall"),
                "/customer_ids/" => ("/customer_ids/K-7", "POST", "?req=DoNotCall"),
                "/lists/" => ("/lists/demo", "POST", "?req=AddRecord"),
                "/campaigngroups/" => ("/campaigngroups/101", "GET", ""),
                check => (check, "GET", ""),
            };
            let asked = node.ask(format!("{method} {request}{query} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
            assert!(matches!(asked.status, 200 | 503), "{offered}: {asked:?}");
        }
    }
}

#[tokio::test]
async fn a_path_of_nul_or_of_10_000_letters_is_refused_or_is_for_the_rules_to_look_up() {
    let node = Node::acknowledging().await;
    let lengths = [("LONG", "n".repeat(10_000)), ("DIGITS", "1".repeat(10_000)), ("MOST", "n".repeat(1024))];
    for (path, query, status, code) in [
        ("/records/%00", "RecordProcessed", 404, "BAD_RESOURCE"),
        ("/records/%0015", "RecordProcessed", 404, "BAD_RESOURCE"),
        ("/lists/%00", "AddRecord", 200, ""),
        ("/phones/%00", "DoNotCall", 200, ""),
        ("/customer_ids/%00", "DoNotCall", 200, ""),
        ("/campaigngroups/%00", "LoadCampaign", 200, ""),
        ("/%00/15", "RecordProcessed", 404, "BAD_RESOURCE"),
        ("/lists/%00%FF", "AddRecord", 404, "BAD_RESOURCE"),
        ("/lists/%", "AddRecord", 200, ""),
        ("/lists/%ZZ", "AddRecord", 200, ""),
        ("/LONG", "AddRecord", 404, "BAD_RESOURCE"),
        ("/LONG/15", "AddRecord", 404, "BAD_RESOURCE"),
        ("/records/DIGITS", "RecordProcessed", 400, "LIMIT"),
        ("/lists/LONG", "AddRecord", 400, "LIMIT"),
        ("/phones/LONG", "DoNotCall", 400, "LIMIT"),
        ("/customer_ids/LONG", "RequestRecordCancel", 400, "LIMIT"),
        ("/campaigngroups/LONG", "StartDialing", 400, "LIMIT"),
        ("/lists/MOST", "AddRecord", 200, ""),
    ] {
        let whole = lengths.iter().fold(path.to_owned(), |path, (word, text)| path.replace(word, text));
        let answer = node.ask(format!("POST {whole}?req={query} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}: {answer:?}");
    }
}
