//! A change of files is taken as a whole, or not at all.

use std::os::unix::fs::symlink;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::*;

type Ca = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Ca {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "ca");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// The texts of a certificate and its key.
fn pair(ca: &Ca, name: &str, until: i32) -> (String, String) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(until, 1, 1));
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, ca).unwrap().pem(), key.serialize_pem())
}

struct Stage {
    ca: Ca,
    home: TempDir,
    live: Arc<LiveCertificate>,
}

impl Stage {
    /// A node's certificate that ends in 2090.
    fn mutual() -> Self {
        Self::new(|files| Source::Mutual { files, name: Some("a".to_owned()) })
    }

    fn new(source: impl FnOnce(TlsFiles) -> Source) -> Self {
        let (ca, home) = (authority(), TempDir::new().unwrap());
        let path = |name: &str| home.path().join(name);
        let (certificate, key) = pair(&ca, "a", 2090);
        for (name, text) in [("ca.pem", ca.pem()), ("a.pem", certificate), ("a.key", key)] {
            fs::write(path(name), text).unwrap();
        }
        let files = TlsFiles { ca: path("ca.pem"), certificate: path("a.pem"), key: path("a.key") };
        let live = LiveCertificate::open("peer", source(files), &[b"h2"]).unwrap();
        Self { ca, home, live }
    }

    fn put(&self, file: &str, text: &str) {
        fs::write(self.home.path().join(file), text).unwrap();
    }

    fn end(&self) -> String {
        time_text(self.live.state().not_after_s)
    }

    fn look(&self) -> Reload {
        self.live.look(Look::ByTheClock)
    }

    /// Looks until unusable files count as a failure.
    fn look_until_told(&self) -> String {
        for _ in 0..SETTLED_LOOKS {
            assert!(matches!(self.look(), Reload::Kept(_)));
        }
        self.live.state().fault.expect("the fault is told")
    }
}

#[test]
fn files_that_stay_as_they_are_change_nothing_and_new_ones_are_taken_as_a_whole() {
    let stage = Stage::mutual();
    let before = stage.live.server();
    assert_eq!(stage.look(), Reload::Unchanged);
    assert!(Arc::ptr_eq(&before, &stage.live.server()));
    let (certificate, key) = pair(&stage.ca, "a", 2091);
    stage.put("a.key", &key);
    assert!(matches!(stage.look(), Reload::Kept(TlsError::KeyMismatch { .. })), "the certificate is still the old one");
    assert_eq!((stage.end(), stage.live.state().failures), ("2090-01-01T00:00:00Z".to_owned(), 0));
    stage.put("a.pem", &certificate);
    assert_eq!(stage.look(), Reload::Changed);
    assert_eq!((stage.end(), stage.live.state().failures), ("2091-01-01T00:00:00Z".to_owned(), 0));
    assert!(!Arc::ptr_eq(&before, &stage.live.server()) && stage.live.client().is_some());
}

#[test]
fn files_that_cannot_be_used_keep_the_former_certificate_and_are_told_once() {
    let stage = Stage::mutual();
    let (certificate, _) = pair(&stage.ca, "a", 2091);
    let good = fs::read_to_string(stage.home.path().join("a.pem")).unwrap();
    let (foreign, foreign_key) = pair(&authority(), "a", 2091);
    let (stranger, stranger_key) = pair(&stage.ca, "b", 2091);
    let (old, old_key) = pair(&stage.ca, "a", 2002);
    let own_key = fs::read_to_string(stage.home.path().join("a.key")).unwrap();
    for (number, (text, key, why)) in [
        (certificate.as_str(), own_key.as_str(), "does not belong to the certificate"),
        (&good[..good.len() / 2], own_key.as_str(), "a.pem"),
        ("", own_key.as_str(), "there is no certificate in it"),
        (foreign.as_str(), foreign_key.as_str(), "does not come from the authority"),
        (stranger.as_str(), stranger_key.as_str(), "does not carry the DNS name \"a\""),
        (old.as_str(), old_key.as_str(), "expired at 2002-01-01"),
    ]
    .into_iter()
    .enumerate()
    {
        stage.put("a.pem", text);
        stage.put("a.key", key);
        let told = stage.look_until_told();
        assert!(told.contains(why), "{why}: {told}");
        assert_eq!(stage.live.state().failures, number as u64 + 1, "{why}");
        assert!(matches!(stage.look(), Reload::Kept(_)));
        assert_eq!(stage.live.state().failures, number as u64 + 1, "once each: {why}");
        assert_eq!(stage.end(), "2090-01-01T00:00:00Z");
    }
    stage.put("a.pem", &good);
    stage.put("a.key", &own_key);
    assert_eq!((stage.look(), stage.live.state().fault), (Reload::Unchanged, None));
}

#[test]
fn an_order_tells_a_failure_at_once_and_each_time() {
    let stage = Stage::mutual();
    fs::remove_file(stage.home.path().join("a.key")).unwrap();
    for failures in 1..=2 {
        assert!(matches!(stage.live.look(Look::Ordered), Reload::Kept(TlsError::Unreadable { .. })));
        assert_eq!(stage.live.state().failures, failures);
    }
    assert!(stage.live.state().fault.is_some_and(|fault| fault.contains("a.key: cannot be read")));
}

#[test]
fn another_authority_is_taken_with_a_certificate_of_its_own() {
    let stage = Stage::mutual();
    let other = authority();
    let (certificate, key) = pair(&other, "a", 2092);
    stage.put("ca.pem", &other.pem());
    assert!(matches!(stage.look(), Reload::Kept(TlsError::OtherCa { .. })));
    stage.put("a.pem", &certificate);
    stage.put("a.key", &key);
    assert_eq!((stage.look(), stage.end()), (Reload::Changed, "2092-01-01T00:00:00Z".to_owned()));
}

#[test]
fn a_link_that_is_turned_to_another_directory_is_a_change() {
    let (ca, home) = (authority(), TempDir::new().unwrap());
    for (generation, until) in [("1", 2091), ("2", 2092)] {
        let directory = home.path().join(generation);
        fs::create_dir(&directory).unwrap();
        let (certificate, key) = pair(&ca, "a", until);
        fs::write(directory.join("tls.crt"), certificate).unwrap();
        fs::write(directory.join("tls.key"), key).unwrap();
    }
    let link = home.path().join("now");
    symlink("1", &link).unwrap();
    let files =
        HttpsFiles { certificate: link.join("tls.crt"), key: link.join("tls.key"), clients: HttpsClients::Anyone };
    let live = LiveCertificate::open("http", Source::Https(files), &[b"http/1.1"]).unwrap();
    assert!(live.client().is_none() && live.names("a"));
    let next = home.path().join("next");
    symlink("2", &next).unwrap();
    fs::rename(&next, &link).unwrap();
    assert_eq!(live.look(Look::ByTheClock), Reload::Changed);
    assert_eq!(time_text(live.state().not_after_s), "2092-01-01T00:00:00Z");
}

#[test]
fn https_starts_with_an_expired_certificate_and_never_changes_to_one() {
    let stage = Stage::new(|files| {
        Source::Https(HttpsFiles {
            certificate: files.certificate,
            key: files.key,
            clients: HttpsClients::Required(files.ca),
        })
    });
    let (old, old_key) = pair(&stage.ca, "a", 2002);
    stage.put("a.pem", &old);
    stage.put("a.key", &old_key);
    assert!(matches!(stage.look(), Reload::Kept(TlsError::Expired { .. })));
    let home = stage.home.path();
    let files = HttpsFiles { certificate: home.join("a.pem"), key: home.join("a.key"), clients: HttpsClients::Anyone };
    let live = LiveCertificate::open("http", Source::Https(files), &[]).unwrap();
    assert_eq!(time_text(live.state().not_after_s), "2002-01-01T00:00:00Z", "clients judge the date");
}

#[tokio::test]
async fn several_certificates_are_looked_at_in_their_order() {
    let (same, changed) = (Stage::mutual(), Stage::mutual());
    let (certificate, key) = pair(&changed.ca, "a", 2091);
    changed.put("a.pem", &certificate);
    changed.put("a.key", &key);
    let found = look_at(vec![same.live.clone(), changed.live.clone()], Look::Ordered).await;
    assert_eq!(found, [Reload::Unchanged, Reload::Changed]);
}
