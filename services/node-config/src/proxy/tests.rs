//! Settings of HTTP Proxy that cannot work, each named by its key.

use super::*;

#[test]
fn settings_that_cannot_work_are_named_by_key() {
    let wrong = ProxySettings {
        listen: "8080".into(),
        reconnect_timeout_ms: 99,
        body_bytes_max: 0,
        tls_key: Some("key.pem".into()),
        advertised_url: "ocs.example.com".into(),
        ..ProxySettings::default()
    };
    let keys: Vec<_> = wrong.problems().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["listen", "reconnect_timeout_ms", "body_bytes_max", "tls_certificate", "advertised_url"]);
    assert_eq!(ProxySettings::default().problems(), []);
}

#[test]
fn the_base_of_uris_is_scheme_host_and_port_alone() {
    let problems = |url: &str| ProxySettings { advertised_url: url.into(), ..ProxySettings::default() }.problems();
    for url in [
        "http://x.example",
        "https://x.example:8443/",
        "http://10.0.0.1:8080",
        "http://[2001:db8::1]:8080",
        "https://[::1]",
        "http://ocs_1",
    ] {
        assert_eq!(problems(url), [], "{url}");
    }
    for url in [
        "http://u:p@x.example/path/?q=1#f",
        "http://u@x.example",
        "http://x.example/ocs",
        "http://x.example/?q=1",
        "http://x.example?q=1",
        "http://x.example/#f",
        "http://x.example:http",
        "http://x.example:70000",
        "http://x.example:",
        "http://:8080",
        "http://",
        "http:///records",
        "http://x example",
        "http://x.example\r\nA: b",
        "http://[x]:1",
        "http://2001:db8::1",
        "ftp://x.example",
        "x.example",
    ] {
        let found = problems(url);
        assert!(
            matches!(&found[..], [(key, why)] if *key == "advertised_url" && why.contains("without a path")),
            "{url}: {found:?}"
        );
    }
}

#[test]
fn bounds_of_clients_that_make_no_sense_are_named_by_key() {
    let keys = |settings: ProxySettings| settings.problems().into_iter().map(|(key, _)| key).collect::<Vec<_>>();
    let wrong = ProxySettings { bodies_bytes_max: 1000, balancers: vec!["haproxy".into()], ..ProxySettings::default() };
    assert_eq!(keys(wrong), ["bodies_bytes_max", "balancers"]);
    let alone = ProxySettings { balancers: Vec::new(), proxy_protocol: true, ..ProxySettings::default() };
    assert_eq!(keys(alone), ["proxy_protocol"]);
}

#[test]
fn time_limits_of_clients_are_named_by_key_where_they_make_no_sense() {
    let wrong = ProxySettings {
        header_timeout_ms: 0,
        body_timeout_ms: 99,
        idle_timeout_ms: 3_600_001,
        write_timeout_ms: u32::MAX,
        ..ProxySettings::default()
    };
    let keys: Vec<_> = wrong.problems().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["header_timeout_ms", "body_timeout_ms", "idle_timeout_ms", "write_timeout_ms"]);
}
