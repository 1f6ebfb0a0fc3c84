//! The certificates of a node, by use: peers, control and admin in this process, HTTP in HTTP Proxy. Reloads them, tells operators
//! of their end, and shows them to status and metrics.
//!
//! Never decides whether files fit, and never refuses a connection: `chassis::tls` does both. Assembled by `run`.

mod expiry;
mod https;

use std::sync::Arc;

use chassis::{
    tasks::{AtEnd, Tasks},
    tls::{
        ALPN_H2, ALPN_HTTP1, CertificateState, LOOK_EVERY, LiveCertificate, Look, Reload, Source, TlsError, TlsFiles,
        look_at, now_s,
    },
};
use node_config::{Config, ProxySettings};
use ocs_proto::link;
use tokio::sync::watch;

use self::{expiry::Reminders, https::HttpsReports};

/// Every certificate of this node. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Certificates {
    peer: Option<Arc<LiveCertificate>>,
    control: Option<Arc<LiveCertificate>>,
    admin: Option<Arc<LiveCertificate>>,
    https: Arc<HttpsReports>,
}

/// One certificate after an order to read its files again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// The certificate in use; its fault is the reason why the files were not taken.
    pub state: CertificateState,
    /// The order put new files into use.
    pub changed: bool,
}

fn speaks_https(settings: &ProxySettings) -> bool {
    settings.ports().iter().any(|(_, port)| port.https().is_some())
}

impl Reloaded {
    /// The line of a reload; none: the files are those in use.
    pub(crate) fn line(&self) -> Option<String> {
        let CertificateState { usage, file, fault, .. } = &self.state;
        let file = file.display();
        match fault {
            Some(fault) => {
                Some(format!("certificate of {usage}: {file} is not taken, and the former one goes on: {fault}"))
            }
            None => self.changed.then(|| format!("certificate of {usage}: {file} is in use")),
        }
    }
}

impl Certificates {
    /// Reads the files of the configuration for the first time; those of HTTP are read by HTTP Proxy.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn open(config: &Config) -> Result<Self, TlsError> {
        let open = |usage: &str, tls: &Option<TlsFiles>, name: Option<&String>, alpn: &[u8]| {
            let source = |files: &TlsFiles| Source::Mutual { files: files.clone(), name: name.cloned() };
            tls.as_ref().map(|files| LiveCertificate::open(usage, source(files), &[alpn])).transpose()
        };
        let speaks_https = config.proxy().is_some_and(speaks_https);
        Ok(Self {
            peer: open("peer", &config.peer.tls, Some(&config.node.name), ALPN_H2)?,
            control: open("control", &config.control.tls, None, ALPN_H2)?,
            admin: open("admin", &config.admin.tls, None, ALPN_HTTP1)?,
            https: Arc::new(HttpsReports::new(speaks_https)),
        })
    }

    /// For connections between nodes; none: plain.
    pub(crate) fn peer(&self) -> Option<Arc<LiveCertificate>> {
        self.peer.clone()
    }

    /// Of the control port; none: plain.
    pub(crate) fn control(&self) -> Option<Arc<LiveCertificate>> {
        self.control.clone()
    }

    /// Of the admin port; none: plain.
    pub(crate) fn admin(&self) -> Option<Arc<LiveCertificate>> {
        self.admin.clone()
    }

    /// Follows the files until the process stops, and tells of certificates that end soon: at the start, and once a day.
    pub(crate) fn follow(&self, tasks: &Tasks) {
        let (certificates, stopping) = (self.clone(), tasks.stopping());
        tasks.spawn("certificates", AtEnd::Quiet, async move {
            let mut reminders = Reminders::default();
            loop {
                reminders.due(&certificates.states(), now_s()).iter().for_each(expiry::Remark::log);
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    () = stopping.cancelled() => return,
                }
                let own = certificates.own();
                if !own.is_empty() {
                    look_at(own, Look::ByTheClock).await;
                }
            }
        });
    }

    /// Reads the files of every certificate again, now, those of HTTP Proxy included: for SIGHUP and `ocsctl tls reload`. Files
    /// that do not fit keep the former certificate. Returns within a few seconds, one entry for each certificate.
    pub async fn reload_all(&self) -> Vec<Reloaded> {
        let own = self.own();
        let (found, https) = tokio::join!(look_at(own.clone(), Look::Ordered), self.https.reload());
        let reloaded = |(certificate, found): (&Arc<LiveCertificate>, Reload)| Reloaded {
            state: certificate.state(),
            changed: found == Reload::Changed,
        };
        own.iter().zip(found).map(reloaded).chain(https).collect()
    }

    /// Every certificate in use.
    pub fn states(&self) -> Vec<CertificateState> {
        self.own().iter().map(|certificate| certificate.state()).chain(self.https.states()).collect()
    }

    /// A line for each certificate that ends soon or whose files are not in use.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let now = now_s();
        self.states().iter().flat_map(|state| expiry::warnings(state, now)).collect()
    }

    /// An HTTP Proxy with these settings is about to serve.
    pub(crate) fn begins(&self, settings: &ProxySettings) {
        self.https.begins(speaks_https(settings));
    }

    /// Takes in the report of HTTP Proxy.
    pub(crate) fn reported(&self, report: link::Certificates) {
        self.https.take(report);
    }

    /// The number of the last order to HTTP Proxy.
    pub(crate) fn orders(&self) -> watch::Receiver<u64> {
        self.https.orders()
    }

    fn own(&self) -> Vec<Arc<LiveCertificate>> {
        [&self.peer, &self.control, &self.admin].into_iter().flatten().cloned().collect()
    }
}
