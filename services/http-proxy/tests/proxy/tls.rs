//! HTTPS is HTTP over TLS on that port (spec 10.8): with the present certificate, with or without certificates of clients.

use std::{fs, path::Path, sync::Arc};

use crate::support::{Node, acknowledge, configure};
use ocs_proto::link::{Certificates, Configure, Listener};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

const ASK: &str = "GET /records/15 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

type Ca = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Ca {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate for localhost and its key, as PEM.
fn pair(ca: &Ca, until: i32) -> (String, String) {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(until, 1, 1));
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, ca).unwrap().pem(), key.serialize_pem())
}

/// Puts a port's certificate and the authority of clients into a directory.
fn write(directory: &Path, ca: &Ca, until: i32) {
    let (certificate, key) = pair(ca, until);
    for (name, text) in [("ca.pem", ca.pem()), ("cert.pem", certificate), ("key.pem", key)] {
        fs::write(directory.join(name), text).unwrap();
    }
}

/// A port with the files of [`write`].
fn secure(directory: &Path) -> Configure {
    let path = |name: &str| directory.join(name).display().to_string();
    Configure { tls_certificate: path("cert.pem"), tls_key: path("key.pem"), ..configure() }
}

/// A client that trusts the authority, and shows these PEM texts.
fn client(ca: &Ca, shows: Option<(String, String)>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match shows {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    })
}

/// One request over a new connection.
async fn ask(address: &str, client: Arc<ClientConfig>) -> std::io::Result<String> {
    let socket = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut socket = TlsConnector::from(client).connect(name, socket).await?;
    socket.write_all(ASK.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Waits until the node has heard this.
async fn hears(node: &Node, heard: impl Fn(&crate::support::Heard) -> bool) {
    while !heard(&node.heard.lock().unwrap()) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn https_is_served_while_a_plain_client_hangs_on_the_port() {
    let (directory, ca) = (tempfile::tempdir().unwrap(), authority());
    write(directory.path(), &ca, 2090);
    let node = Node::with(secure(directory.path()), acknowledge).await;
    let mut plain = node.connect().await;
    plain.send("GET /records/15 HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let _half_open = node.connect().await;
    let answer = ask(&node.address, client(&ca, None)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("\"https://localhost/records/15\""), "{answer}");
    hears(&node, |heard| heard.handshakes.iter().any(|count| count.reason == "plain_http")).await;
}

#[tokio::test]
async fn several_ports_are_open_at_once_and_each_names_its_own_scheme() {
    let (directory, ca) = (tempfile::tempdir().unwrap(), authority());
    write(directory.path(), &ca, 2090);
    let Configure { tls_certificate, tls_key, .. } = secure(directory.path());
    let plain = Listener { listen: "127.0.0.1:0".into(), ..Listener::default() };
    let https = Listener { tls_certificate, tls_key, ..plain.clone() };
    let node = Node::with(Configure { listeners: vec![plain, https], ..configure() }, acknowledge).await;
    let (plain, https) = node.address.split_once(", ").unwrap();
    let answer = ask(https, client(&ca, None)).await.unwrap();
    assert!(answer.contains("\"https://localhost/records/15\""), "{answer}");
    let mut socket = TcpStream::connect(plain).await.unwrap();
    socket.write_all(ASK.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("\"http://localhost/records/15\""), "{answer}");
}

#[tokio::test]
async fn certificates_of_clients_are_optional_or_required_as_configured_and_each_refusal_is_counted_by_its_reason() {
    let (directory, ca) = (tempfile::tempdir().unwrap(), authority());
    write(directory.path(), &ca, 2090);
    let other = authority();
    for required in [false, true] {
        let Configure { tls_certificate, tls_key, .. } = secure(directory.path());
        let client_ca = directory.path().join("ca.pem").display().to_string();
        let listen = "127.0.0.1:0".to_owned();
        let client_certificate_required = required;
        let listener = Listener { listen, tls_certificate, tls_key, client_ca, client_certificate_required };
        let node = Node::with(Configure { listeners: vec![listener], ..configure() }, acknowledge).await;
        assert!(ask(&node.address, client(&ca, Some(pair(&ca, 2090)))).await.unwrap().starts_with("HTTP/1.1 200"));
        assert_eq!(ask(&node.address, client(&ca, None)).await.is_ok(), !required);
        for (shown, reason) in [(pair(&ca, 2002), "expired"), (pair(&other, 2090), "other_authority")] {
            ask(&node.address, client(&ca, Some(shown))).await.unwrap_err();
            hears(&node, |heard| heard.handshakes.iter().any(|count| count.reason == reason)).await;
        }
        if required {
            hears(&node, |heard| heard.handshakes.iter().any(|count| count.reason == "no_certificate")).await;
        }
    }
}

#[tokio::test]
async fn new_files_count_for_new_connections_once_they_fit_and_the_node_hears_of_it() {
    let (directory, ca) = (tempfile::tempdir().unwrap(), authority());
    write(directory.path(), &ca, 2090);
    let node = Node::with(secure(directory.path()), acknowledge).await;
    let last = |heard: &crate::support::Heard, order: u64| {
        heard.certificates.iter().find(|report| report.order == order).cloned()
    };
    hears(&node, |heard| last(heard, 0).is_some()).await;
    let open = TcpStream::connect(&node.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut open = TlsConnector::from(client(&ca, None)).connect(name, open).await.unwrap();

    let (certificate, key) = pair(&ca, 2091);
    fs::write(directory.path().join("cert.pem"), &certificate).unwrap();
    node.reload(1);
    hears(&node, |heard| last(heard, 1).is_some()).await;
    let Certificates { certificates, .. } = last(&node.heard.lock().unwrap(), 1).unwrap();
    assert!(certificates[0].fault.contains("the key does not belong to the certificate"), "{certificates:?}");
    assert_eq!((certificates[0].usage.as_str(), certificates[0].changed), ("http", false));
    assert!(ask(&node.address, client(&ca, None)).await.unwrap().starts_with("HTTP/1.1 200"));

    fs::write(directory.path().join("key.pem"), &key).unwrap();
    node.reload(2);
    hears(&node, |heard| last(heard, 2).is_some()).await;
    let Certificates { certificates, .. } = last(&node.heard.lock().unwrap(), 2).unwrap();
    assert_eq!((certificates[0].fault.as_str(), certificates[0].failures), ("", 1), "{certificates:?}");
    assert!(ask(&node.address, client(&ca, None)).await.unwrap().starts_with("HTTP/1.1 200"));

    open.write_all(ASK.as_bytes()).await.unwrap();
    let mut answer = String::new();
    open.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "the connection is open: {answer}");
}
