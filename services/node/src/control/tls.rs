//! Certificates for operators: the order to read them again, and their form on the wire.
//!
//! Never reads a file: `certificates` does. Called by the control API and by `status`.

use ocs_proto::control::{CertificateInfo, TlsReloadReply};

use crate::certificates::{Certificates, Reloaded};

/// Reads every certificate of the node again, and answers with the certificates in use now.
pub(super) async fn reload(certificates: &Certificates, node: &str) -> TlsReloadReply {
    let reloaded = certificates.reload_all().await;
    TlsReloadReply { node: node.to_owned(), certificates: reloaded.iter().map(info).collect() }
}

/// The certificates in use, as status shows them.
pub(super) fn shown(certificates: &Certificates) -> Vec<CertificateInfo> {
    let states = certificates.states().into_iter();
    states.map(|state| info(&Reloaded { state, changed: false })).collect()
}

fn info(reloaded: &Reloaded) -> CertificateInfo {
    let state = &reloaded.state;
    CertificateInfo {
        usage: state.usage.clone(),
        file: state.file.display().to_string(),
        not_after_s: state.not_after_s,
        fault: state.fault.clone().unwrap_or_default(),
        changed: reloaded.changed,
    }
}

#[cfg(test)]
mod tests {
    use ocs_proto::link;

    use super::*;

    #[tokio::test]
    async fn a_node_without_certificates_reads_none() {
        let reply = reload(&Certificates::default(), "a").await;
        assert_eq!((reply.node.as_str(), reply.certificates), ("a", Vec::new()));
    }

    #[test]
    fn what_http_proxy_reports_is_shown_with_its_fault() {
        let certificates = Certificates::default();
        let (usage, file, fault) = ("http".to_owned(), "h.pem".to_owned(), "half a file".to_owned());
        let reported = link::Certificate { usage, file, not_after_s: 7, failures: 1, fault, changed: true };
        certificates.reported(link::Certificates { order: 0, certificates: vec![reported] });
        let shown = shown(&certificates);
        assert_eq!((shown[0].usage.as_str(), shown[0].not_after_s, shown[0].changed), ("http", 7, false));
        assert_eq!(shown[0].fault, "half a file");
    }
}
