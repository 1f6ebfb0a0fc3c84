//! Certificates that must be refused, each with one line, and a handshake over real sockets.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

type Ca = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Ca {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn params(node: &str) -> CertificateParams {
    CertificateParams::new(vec![node.to_owned()]).unwrap()
}

/// Writes the TLS files of a node of `ca`.
fn files(directory: &Path, ca: &Ca, node: &str, params: CertificateParams) -> TlsFiles {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, ca).unwrap();
    let put = |name: String, text: String| {
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    TlsFiles {
        ca: put(format!("{node}-ca.pem"), ca.pem()),
        certificate: put(format!("{node}.pem"), certificate.pem()),
        key: put(format!("{node}.key"), key.serialize_pem()),
    }
}

fn refusal(files: &TlsFiles) -> String {
    let said = TlsIdentity::load(files).unwrap_err().to_string();
    assert!(!said.contains('\n'), "{said}");
    said
}

#[test]
fn an_expired_certificate_is_refused_with_its_date() {
    let (directory, ca) = (tempfile::tempdir().unwrap(), authority("ca"));
    let mut old = params("a");
    (old.not_before, old.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 2, 3));
    let said = refusal(&files(directory.path(), &ca, "a", old));
    assert!(said.ends_with("a.pem: the certificate expired at 2002-02-03T00:00:00Z: make a new one"), "{said}");
}

#[test]
fn a_certificate_of_tomorrow_is_refused_with_its_date() {
    let (directory, ca) = (tempfile::tempdir().unwrap(), authority("ca"));
    let mut early = params("a");
    (early.not_before, early.not_after) = (date_time_ymd(2999, 1, 1), date_time_ymd(3000, 1, 1));
    let said = refusal(&files(directory.path(), &ca, "a", early));
    assert!(said.contains("a.pem: the certificate is not valid before 2999-01-01T00:00:00Z"), "{said}");
}

#[test]
fn the_dates_of_a_certificate_are_told_whatever_authority_it_comes_from() {
    let (directory, ca) = (tempfile::tempdir().unwrap(), authority("ca"));
    let (mut old, mut early) = (params("old"), params("early"));
    (old.not_before, old.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 2, 3));
    (early.not_before, early.not_after) = (date_time_ymd(2999, 1, 1), date_time_ymd(3000, 1, 1));
    let check = |node: &str, params| check_dates(&files(directory.path(), &ca, node, params).certificate);
    assert_eq!(check("good", params("good")), Ok(()));
    assert!(matches!(check("old", old), Err(TlsError::Expired { since, .. }) if since == "2002-02-03T00:00:00Z"));
    assert!(matches!(check("early", early), Err(TlsError::NotYetValid { .. })));
    assert!(matches!(check_dates(Path::new("/nowhere/a.pem")), Err(TlsError::Unreadable { .. })));
}

#[test]
fn a_certificate_of_another_authority_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let theirs = files(directory.path(), &authority("ca"), "b", params("b"));
    let ours = files(directory.path(), &authority("ca"), "a", params("a"));
    let said = refusal(&TlsFiles { ca: theirs.ca, ..ours });
    assert!(said.contains("a.pem: the certificate does not come from the authority in "), "{said}");
}

#[test]
fn the_key_of_another_certificate_is_refused() {
    let (directory, ca) = (tempfile::tempdir().unwrap(), authority("ca"));
    let other = files(directory.path(), &ca, "b", params("b"));
    let own = files(directory.path(), &ca, "a", params("a"));
    let said = refusal(&TlsFiles { key: other.key, ..own });
    assert!(said.contains("b.key: the key does not belong to the certificate in "), "{said}");
}

#[test]
fn every_cipher_suite_is_aead() {
    let provider = provider();
    assert!(!provider.cipher_suites.is_empty());
    for suite in &provider.cipher_suites {
        let name = format!("{:?}", suite.suite());
        assert!(name.contains("GCM") || name.contains("POLY1305"), "{name}");
    }
}

#[test]
fn what_a_tool_may_still_mend_passes_by_itself() {
    let file = || PathBuf::from("a.pem");
    for (error, passes) in [
        (TlsError::Unreadable { file: file(), reason: "no such file".into() }, true),
        (TlsError::Expired { file: file(), since: "2002-02-03".into() }, true),
        (TlsError::NotYetValid { file: file(), from: "2999-01-01".into() }, true),
        (TlsError::KeyMismatch { key: file(), certificate: file() }, true),
        (TlsError::OtherCa { file: file(), ca: file() }, false),
        (TlsError::Unusable { file: file(), reason: "another purpose".into() }, false),
    ] {
        assert_eq!(error.passes(), passes, "{error}");
    }
}

#[test]
fn files_that_are_missing_or_hold_something_else_are_named() {
    let (directory, ca) = (tempfile::tempdir().unwrap(), authority("ca"));
    let good = files(directory.path(), &ca, "a", params("a"));
    let missing = refusal(&TlsFiles { ca: directory.path().join("none.pem"), ..good.clone() });
    assert!(missing.contains("none.pem: cannot be read: "), "{missing}");
    let swapped = refusal(&TlsFiles { certificate: good.key.clone(), ..good.clone() });
    assert!(swapped.ends_with("a.key: there is no certificate in it (PEM expected)"), "{swapped}");
    let no_key = refusal(&TlsFiles { key: good.certificate.clone(), ..good });
    assert!(no_key.ends_with("a.pem: there is no private key in it (PEM expected)"), "{no_key}");
}

/// The client's certificate as seen by the server, and the bytes that the client read.
async fn meet(server: &TlsIdentity, client: &TlsIdentity, ask_for: &str) -> Result<(Option<String>, String), String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(server.server_config(Clients::WithCertificate, &[ALPN_H2]));
    let connector = tokio_rustls::TlsConnector::from(client.client_config(&[ALPN_H2]));
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = acceptor.accept(stream).await.map_err(|error| error.to_string())?;
        let shown = stream.get_ref().1.peer_certificates().unwrap_or_default();
        let name = ["a", "b", "w"].into_iter().find(|name| names(shown, name)).map(str::to_owned);
        assert!(name.is_none() || name_shown(shown).is_some(), "a certificate that names a node has a name");
        stream.write_all(b"hello").await.map_err(|error| error.to_string())?;
        stream.shutdown().await.map_err(|error| error.to_string())?;
        Ok::<_, String>(name)
    };
    let connect = async {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from(ask_for.to_owned()).unwrap();
        let mut stream = connector.connect(name, stream).await.map_err(|error| error.to_string())?;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(ALPN_H2));
        let mut text = String::new();
        stream.read_to_string(&mut text).await.map_err(|error| error.to_string())?;
        Ok::<_, String>(text)
    };
    let (name, text) = tokio::join!(serve, connect);
    Ok((name?, text?))
}

#[tokio::test]
async fn two_nodes_of_one_authority_know_each_other_by_name() {
    let (directory, ca) = (tempfile::tempdir().unwrap(), authority("ca"));
    let load = |node: &str| TlsIdentity::load(&files(directory.path(), &ca, node, params(node))).unwrap();
    let (a, b, stranger) = (load("a"), load("b"), load("stranger"));
    assert_eq!(
        a.server_config(Clients::WithCertificate, &[]).send_tls13_tickets,
        0,
        "no session outlives its certificate"
    );
    assert!(a.names("a") && !a.names("b"));
    assert_eq!(meet(&a, &b, "a").await, Ok((Some("b".into()), "hello".into())));
    assert_eq!(meet(&a, &stranger, "a").await, Ok((None, "hello".into())));
    assert!(meet(&a, &b, "w").await.is_err(), "the server's certificate does not name w");
}

#[tokio::test]
async fn a_client_of_another_authority_does_not_get_in() {
    let directory = tempfile::tempdir().unwrap();
    let ours = files(directory.path(), &authority("ours"), "a", params("a"));
    let theirs = files(directory.path(), &authority("theirs"), "b", params("b"));
    let (a, b) = (TlsIdentity::load(&ours).unwrap(), TlsIdentity::load(&theirs).unwrap());
    assert!(meet(&a, &b, "a").await.is_err());
}
