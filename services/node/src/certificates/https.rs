//! The certificates of HTTP Proxy, as HTTP Proxy reports them over its link, and orders to read them again.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use chassis::tls::CertificateState;
use ocs_proto::link;
use tokio::sync::watch;

use super::Reloaded;

/// How long an order waits for HTTP Proxy.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// The last report, and the last order.
#[derive(Debug, Default)]
pub(super) struct HttpsReports {
    /// The newest HTTP Proxy has a port with HTTPS.
    speaks_https: AtomicBool,
    orders: watch::Sender<u64>,
    last: watch::Sender<Report>,
}

#[derive(Debug, Clone, Default)]
struct Report {
    /// The last order that was answered.
    order: u64,
    certificates: Vec<Reloaded>,
}

impl HttpsReports {
    pub(super) fn new(speaks_https: bool) -> Self {
        Self { speaks_https: AtomicBool::new(speaks_https), ..Self::default() }
    }

    /// A new HTTP Proxy begins, with or without a port with HTTPS.
    pub(super) fn begins(&self, speaks_https: bool) {
        self.speaks_https.store(speaks_https, Ordering::Relaxed);
    }

    pub(super) fn orders(&self) -> watch::Receiver<u64> {
        self.orders.subscribe()
    }

    pub(super) fn take(&self, report: link::Certificates) {
        let certificates = report.certificates.into_iter().map(reloaded).collect();
        self.last.send_modify(|last| {
            last.order = last.order.max(report.order);
            last.certificates = certificates;
        });
    }

    pub(super) fn states(&self) -> Vec<CertificateState> {
        self.last.borrow().certificates.iter().map(|one| one.state.clone()).collect()
    }

    /// Has HTTP Proxy read its files again. An HTTP Proxy that does not answer is told as a fault of its certificates; without an HTTP
    /// Proxy nothing is read, since the next process reads its files itself.
    pub(super) async fn reload(&self) -> Vec<Reloaded> {
        if !self.speaks_https.load(Ordering::Relaxed) || self.orders.receiver_count() == 0 {
            return Vec::new();
        }
        let (mut reports, mut order) = (self.last.subscribe(), 0);
        self.orders.send_modify(|last| {
            *last += 1;
            order = *last;
        });
        let answered = reports.wait_for(|report| report.order >= order);
        match tokio::time::timeout(ANSWER_TIMEOUT, answered).await {
            Ok(Ok(report)) => report.certificates.clone(),
            Ok(Err(_)) | Err(_) => self.silent(),
        }
    }

    fn silent(&self) -> Vec<Reloaded> {
        let known = self.states();
        let unknown = || CertificateState {
            usage: "http".to_owned(),
            file: Default::default(),
            not_after_s: 0,
            failures: 0,
            fault: None,
        };
        let states = if known.is_empty() { vec![unknown()] } else { known };
        let seconds = ANSWER_TIMEOUT.as_secs();
        let fault = format!("HTTP Proxy did not answer within {seconds} s; it reads its files when it starts");
        let told = |state| Reloaded { state: CertificateState { fault: Some(fault.clone()), ..state }, changed: false };
        states.into_iter().map(told).collect()
    }
}

fn reloaded(certificate: link::Certificate) -> Reloaded {
    let link::Certificate { usage, file, not_after_s, failures, fault, changed } = certificate;
    let fault = Some(fault).filter(|fault| !fault.is_empty());
    Reloaded { state: CertificateState { usage, file: file.into(), not_after_s, failures, fault }, changed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(order: u64, not_after_s: u64, fault: &str) -> link::Certificates {
        let certificate = link::Certificate {
            usage: "http".into(),
            file: "h.pem".into(),
            not_after_s,
            failures: 2,
            fault: fault.into(),
            changed: order > 0,
        };
        link::Certificates { order, certificates: vec![certificate] }
    }

    #[tokio::test]
    async fn an_order_is_answered_by_the_report_of_its_number() {
        let https = HttpsReports::new(true);
        https.take(report(0, 7, ""));
        let mut orders = https.orders();
        let proxy = async {
            orders.changed().await.unwrap();
            let order = *orders.borrow_and_update();
            https.take(report(0, 8, ""));
            https.take(report(order, 9, ""));
        };
        let (answer, ()) = tokio::join!(https.reload(), proxy);
        assert_eq!((answer.len(), answer[0].state.not_after_s, answer[0].changed), (1, 9, true));
        assert_eq!(https.states()[0].failures, 2);
    }

    #[test]
    fn an_http_proxy_that_is_silent_is_told_as_a_fault() {
        let https = HttpsReports::new(true);
        let answer = https.silent();
        assert!(answer[0].state.fault.as_ref().is_some_and(|fault| fault.contains("did not answer within 3 s")));
        https.take(report(0, 7, "h.key: no key"));
        assert_eq!(https.states()[0].fault.as_deref(), Some("h.key: no key"));
        let answer = https.silent();
        assert_eq!((answer[0].state.not_after_s, answer[0].changed), (7, false));
    }

    #[tokio::test]
    async fn plain_http_has_no_certificate_to_wait_for() {
        let https = HttpsReports::new(false);
        let _link = https.orders();
        assert_eq!(https.reload().await, []);
    }

    #[tokio::test]
    async fn without_an_http_proxy_no_order_waits() {
        let https = HttpsReports::new(true);
        https.take(report(0, 7, ""));
        assert_eq!(https.reload().await, []);
    }
}
