//! A port with a router of the test's, certificates, and clients that speak byte by byte.

use std::{fs, net::SocketAddr, sync::Arc};

use axum::{Router, routing::get};
use chassis::{
    tasks::Tasks,
    tls::{LiveCertificate, Source, TlsFiles, TlsIdentity},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ClientConfig, RootCertStore};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, Semaphore},
};

use super::super::{Entrance, Limits, Places, Protocol, Refusals};

/// The greeting of HTTP/2 with empty settings.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// One port that is served.
pub(super) struct Port {
    address: SocketAddr,
    pub(super) places: Places,
    pub(super) requests: Arc<Semaphore>,
    pub(super) refusals: Arc<Refusals>,
    pub(super) tasks: Tasks,
}

impl Port {
    pub(super) async fn open(
        protocol: Protocol,
        limits: Limits,
        router: Router,
        tls: Option<Arc<LiveCertificate>>,
    ) -> Self {
        Self::behind(Entrance::new("test", protocol, limits), router, tls).await
    }

    pub(super) async fn behind(entrance: Entrance, router: Router, tls: Option<Arc<LiveCertificate>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, tasks) = (listener.local_addr().unwrap(), Tasks::new());
        let (places, requests, refusals) =
            (entrance.places.clone(), entrance.requests.clone(), entrance.refusals.clone());
        entrance.serve(listener, tls, router, &tasks);
        Self { address, places, requests, refusals, tasks }
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

pub(super) fn limits() -> Limits {
    Limits::fitting(65_536)
}

pub(super) fn hello() -> Router {
    Router::new().route("/", get(async || "hello"))
}

/// Answers when told.
pub(super) fn waiting(leave: &Arc<Notify>) -> Router {
    let leave = leave.clone();
    let answer = move || async move {
        leave.notified().await;
        "hello"
    };
    Router::new().route("/", get(answer))
}

/// The other side hangs up, with or without a reset.
pub(super) async fn assert_closed(stream: &mut TcpStream) {
    let mut scrap = [0; 4096];
    while stream.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
}

pub(super) async fn ask(stream: &mut TcpStream, request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    read_answer(stream).await
}

/// An answer of HTTP/1.1 with a length.
pub(super) async fn read_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() == length.parse::<usize>().unwrap() {
                return String::from_utf8(answer).unwrap();
            }
        }
        let mut chunk = [0; 4096];
        let count = stream.read(&mut chunk).await.unwrap();
        assert!(count > 0, "cut off: {text}");
        answer.extend_from_slice(&chunk[..count]);
    }
}

/// A request for "/" as the first of an HTTP/2 connection.
pub(super) fn get_over_http2() -> Vec<u8> {
    let mut heads = Vec::new();
    for (name, value) in [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")] {
        heads.extend([0, name.len() as u8]);
        heads.extend(name.as_bytes());
        heads.push(value.len() as u8);
        heads.extend(value.as_bytes());
    }
    let mut frame = vec![0, 0, heads.len() as u8, 1, 5, 0, 0, 0, 1]; // HEADERS, the last of its stream, stream 1
    frame.extend(heads);
    frame
}

/// The certificates of a test: that of "a", which a port shows, and its clients.
pub(super) struct Certificates {
    pub(super) live: Arc<LiveCertificate>,
    /// Shows the certificate of "a".
    pub(super) client: Arc<ClientConfig>,
    /// Trusts the authority, and shows no certificate.
    pub(super) stranger: Arc<ClientConfig>,
}

pub(super) fn certificates() -> Certificates {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["a".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let put = |file: &str, text: String| {
        let path = directory.path().join(file);
        fs::write(&path, text).unwrap();
        path
    };
    let (certificate, key) = (put("own.pem", own.pem()), put("own.key", key.serialize_pem()));
    let files = TlsFiles { ca: put("ca.pem", ca.pem()), certificate, key };
    let client = TlsIdentity::load(&files).unwrap().client_config(&[b"http/1.1"]);
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Certificates {
        live: LiveCertificate::open("test", Source::Mutual { files, name: None }, &[b"http/1.1"]).unwrap(),
        client,
        stranger: Arc::new(builder.with_root_certificates(roots).with_no_client_auth()),
    }
}
