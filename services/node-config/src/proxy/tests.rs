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
    assert_eq!(keys, ["listen", "tls_certificate", "reconnect_timeout_ms", "body_bytes_max", "advertised_url"]);
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

fn port(listen: &str) -> HttpPort {
    let (tls_certificate, tls_key, client_ca) = (None, None, None);
    HttpPort {
        listen: listen.into(),
        tls_certificate,
        tls_key,
        client_certificates: ClientCertificates::None,
        client_ca,
    }
}

fn https(listen: &str, client_certificates: ClientCertificates) -> HttpPort {
    let file = |name: &str| Some(PathBuf::from(name));
    let client_ca = file("ca.pem").filter(|_| client_certificates != ClientCertificates::None);
    HttpPort { tls_certificate: file("a.pem"), tls_key: file("a.key"), client_certificates, client_ca, ..port(listen) }
}

#[test]
fn ports_are_named_by_listen_or_by_listeners_and_never_by_both() {
    let listeners = vec![port("127.0.0.1:8080"), https("0.0.0.0:8443", ClientCertificates::Optional)];
    let several = ProxySettings { listen: String::new(), listeners, ..ProxySettings::default() };
    assert_eq!((several.problems(), several.addresses()), (Vec::new(), "127.0.0.1:8080, 0.0.0.0:8443".to_owned()));
    assert!(!several.is_off() && ProxySettings { listeners: Vec::new(), ..several.clone() }.is_off());
    for both in [
        ProxySettings { listen: "127.0.0.1:8080".into(), ..several.clone() },
        ProxySettings { tls_key: Some("a.key".into()), ..several.clone() },
        ProxySettings { client_certificates: ClientCertificates::Required, ..several.clone() },
    ] {
        let found = both.problems();
        assert!(
            matches!(&found[..], [(key, why)] if key == "listeners" && why.contains("stand beside listen")),
            "{found:?}"
        );
    }
    let wrong = vec![port("8080"), HttpPort { tls_key: None, ..https("a:1", ClientCertificates::None) }];
    let keys: Vec<_> =
        ProxySettings { listeners: wrong, ..several }.problems().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["listeners.0.listen", "listeners.1.tls_certificate"]);
}

#[test]
fn certificates_of_clients_need_https_and_their_authority() {
    let required = https("a:1", ClientCertificates::Required);
    assert_eq!(required.problems(), []);
    for (wrong, key) in [
        (HttpPort { client_ca: None, ..required.clone() }, "client_ca"),
        (HttpPort { tls_certificate: None, tls_key: None, ..required.clone() }, "client_certificates"),
        (HttpPort { client_certificates: ClientCertificates::None, ..required.clone() }, "client_ca"),
    ] {
        let found = wrong.problems();
        assert!(found.len() == 1 && found[0].0 == key, "{found:?}");
    }
    let files = required.https().unwrap();
    assert_eq!(files.clients, HttpsClients::Required("ca.pem".into()));
}

#[test]
fn an_http_proxy_that_does_not_know_a_setting_refuses_it_and_any_other_setting_works_with_an_older_one() {
    let single = ProxySettings::default().configure("a", "info");
    assert_eq!(
        (single.format, single.listen.as_str(), single.listeners.len()),
        (LINK_VERSIONS.min, "127.0.0.1:8080", 1)
    );
    let wanted = |listeners: Vec<HttpPort>| {
        let settings = ProxySettings { listen: String::new(), listeners, ..ProxySettings::default() };
        settings.configure("a", "info")
    };
    assert_eq!(wanted(vec![https("a:1", ClientCertificates::None)]).format, LINK_VERSIONS.min);
    let asks = wanted(vec![https("a:1", ClientCertificates::Required)]);
    assert_eq!((asks.format, asks.listeners[0].client_certificate_required), (LINK_WITH_LISTENERS, true));
    assert_eq!(wanted(vec![port("a:1"), port("a:2")]).format, LINK_WITH_LISTENERS);
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

#[test]
fn the_rest_interface_is_reached_from_other_machines_with_credentials_alone() {
    for (listen, auth, is_refused) in [
        ("127.0.0.1:8080", None, false),
        ("localhost:8080", Some(Auth::None), false),
        ("0.0.0.0:8080", None, true),
        ("0.0.0.0:8080", Some(Auth::None), true),
        ("ocs.example:8080", Some(Auth::None), true),
        ("0.0.0.0:8080", Some(Auth::Tokens), false),
    ] {
        let settings = ProxySettings { api: true, listen: listen.into(), auth, ..Default::default() };
        let found = settings.problems().iter().any(|(key, _)| key == "api");
        assert_eq!(found, is_refused, "{listen} {auth:?}");
        let off = ProxySettings { api: false, ..settings };
        assert!(off.problems().is_empty(), "{listen} {auth:?}");
    }
}

#[test]
fn rights_of_certificates_that_make_no_sense_are_named() {
    let certificate = |name: &str, scopes: &[&str]| CertificateAccess {
        name: name.into(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
        tenant: String::new(),
    };
    let problems = |auth: Auth, asks: bool, certificates: Vec<CertificateAccess>| {
        let clients = if asks { ClientCertificates::Optional } else { ClientCertificates::None };
        let listeners = vec![port("a:1"), https("a:2", clients)];
        let settings =
            ProxySettings { auth: Some(auth), certificates, listen: String::new(), listeners, ..Default::default() };
        settings.problems().into_iter().map(|(key, problem)| format!("{key}: {problem}")).collect::<Vec<_>>()
    };
    let good = || vec![certificate("crm", &["read", "update"])];
    assert_eq!(problems(Auth::Certificates, true, good()), Vec::<String>::new());
    assert_eq!(problems(Auth::Tokens, false, Vec::new()), Vec::<String>::new());
    for (auth, https, certificates, why) in [
        (Auth::Certificates, false, good(), "auth: no port asks for client certificates"),
        (Auth::TokensOrCertificates, true, Vec::new(), "certificates: is empty"),
        (Auth::Tokens, true, good(), "certificates: count with auth"),
        (Auth::Certificates, true, vec![certificate("", &["read"])], "certificates: a certificate has a name"),
        (Auth::Certificates, true, [good(), good()].concat(), "certificates: \"crm\" is there twice"),
        (Auth::Certificates, true, vec![certificate("crm", &["all"])], "certificates: \"crm\": \"all\" is no scope"),
        (Auth::Certificates, true, vec![certificate("crm", &[])], "certificates: \"crm\" has no scope"),
    ] {
        let found = problems(auth, https, certificates);
        assert!(found.len() == 1 && found[0].starts_with(why), "{why}: {found:?}");
    }
}
