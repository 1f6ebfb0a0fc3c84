//! Certificates that follow their files: a listener and a dialer take the present configuration for each new connection.
//!
//! A look compares the files with those in use. A change counts as a whole: only if certificate, key and authority read, belong
//! together and are valid now, a new configuration takes the place of the old one; otherwise the former configuration goes on, and the
//! reason is told. Connections that are open go on. Never follows a changed path, which belongs to the configuration.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, hash_map::DefaultHasher},
    fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::{Duration, Instant},
};

use rustls::{ClientConfig, ServerConfig, sign::CertifiedKey};

use super::{
    Clients, HttpsClients, HttpsFiles, TlsError, TlsFiles, TlsIdentity, check_dates, end_of_chain, https, names,
    time_text, unusable,
};
use crate::{lines::LineBudget, private::exposed_key};

/// Time between two looks at the files.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks in a row that find unusable files before that counts as a failure: a tool writes certificate and key one after the other.
const SETTLED_LOOKS: u32 = 3;
/// Lines in a minute about one certificate's files.
const LINES_PER_MINUTE: u32 = 6;
/// Attempts to read files that do not change meanwhile.
const READS_MAX: u32 = 5;

/// The files of one use, and the demands on its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Mutual TLS, as a listener and as a dialer; with `name`, the certificate must carry this DNS name.
    Mutual {
        /// The files.
        files: TlsFiles,
        /// The DNS name.
        name: Option<String>,
    },
    /// A listener for HTTPS.
    Https(HttpsFiles),
}

/// The cause of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The clock.
    ByTheClock,
    /// An operator: every failure is told.
    Ordered,
}

/// The result of a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reload {
    /// The files are those in use.
    Unchanged,
    /// New files are in use.
    Changed,
    /// The files differ from those in use and cannot be used; the former certificate goes on.
    Kept(TlsError),
}

/// One certificate for operators and monitoring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateState {
    /// The use: "peer", "control", "admin", or "http".
    pub usage: String,
    /// The file of the certificate.
    pub file: PathBuf,
    /// The end of validity of the certificate in use, seconds since 1970.
    pub not_after_s: u64,
    /// Failed reloads since the start.
    pub failures: u64,
    /// Why the present files are not in use; none: they are.
    pub fault: Option<String>,
}

/// The certificate of one use.
#[derive(Debug)]
pub struct LiveCertificate {
    usage: String,
    source: Source,
    alpn: Vec<Vec<u8>>,
    in_use: RwLock<Arc<Configs>>,
    /// Held over a look, which reads files; nothing else waits for it.
    looking: Mutex<()>,
    ledger: Mutex<Ledger>,
}

/// The configurations made of one reading of the files.
#[derive(Debug)]
struct Configs {
    own: Arc<CertifiedKey>,
    server: Arc<ServerConfig>,
    client: Option<Arc<ClientConfig>>,
    not_after_s: u64,
}

/// The record of looks: the content in use, and the content that was refused.
#[derive(Debug)]
struct Ledger {
    in_use: u64,
    refused: Option<Refused>,
    failures: u64,
    lines: LineBudget,
}

/// Content that cannot be used.
#[derive(Debug)]
struct Refused {
    fault: TlsError,
    looks: u32,
    told: bool,
}

impl LiveCertificate {
    /// Reads the files for the first time. `usage`: the name of the use in the log and in metrics; `alpn` in order of preference.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn open(usage: impl Into<String>, source: Source, alpn: &[&[u8]]) -> Result<Arc<Self>, TlsError> {
        let in_use = content(&source.files());
        let configs = source.load(alpn)?;
        let ledger = Ledger { in_use, refused: None, failures: 0, lines: LineBudget::new(LINES_PER_MINUTE) };
        Ok(Arc::new(Self {
            usage: usage.into(),
            source,
            alpn: alpn.iter().map(|name| name.to_vec()).collect(),
            in_use: RwLock::new(Arc::new(configs)),
            looking: Mutex::new(()),
            ledger: Mutex::new(ledger),
        }))
    }

    /// The configuration of a listener, for a connection that begins now.
    pub fn server(&self) -> Arc<ServerConfig> {
        self.configs().server.clone()
    }

    /// The configuration of a dialer, for a connection that begins now; none: the certificate is for HTTPS.
    pub fn client(&self) -> Option<Arc<ClientConfig>> {
        self.configs().client.clone()
    }

    /// Whether the certificate is valid for a name.
    pub fn names(&self, name: &str) -> bool {
        names(&self.configs().own.cert, name)
    }

    /// The use.
    pub fn usage(&self) -> &str {
        &self.usage
    }

    /// Compares the files with those in use, and uses new files that are fit. Reads files: not for a thread that must not wait.
    pub fn look(&self, look: Look) -> Reload {
        let _one_at_a_time = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let found = content(&self.source.files());
        if found == self.ledger().in_use {
            self.ledger().refused = None;
            return Reload::Unchanged;
        }
        let (found, loaded) = self.read(found);
        let mut ledger = self.ledger();
        match loaded {
            Ok(configs) => {
                let end = time_text(configs.not_after_s);
                *self.in_use.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(configs);
                (ledger.in_use, ledger.refused) = (found, None);
                if let Some(more) = ledger.line() {
                    tracing::info!("the certificate for {} was reloaded, and ends at {end}{more}", self.usage);
                }
                Reload::Changed
            }
            Err(fault) => {
                if ledger.refuse(&fault, look)
                    && let Some(more) = ledger.line()
                {
                    tracing::warn!(
                        "the certificate for {} is not reloaded, the former one goes on: {fault}{more}",
                        self.usage
                    );
                }
                Reload::Kept(fault)
            }
        }
    }

    /// The certificate in use, and whether the files fit.
    pub fn state(&self) -> CertificateState {
        let ledger = self.ledger();
        CertificateState {
            usage: self.usage.clone(),
            file: self.source.certificate().to_owned(),
            not_after_s: self.configs().not_after_s,
            failures: ledger.failures,
            fault: ledger.refused.as_ref().filter(|refused| refused.told).map(|refused| refused.fault.to_string()),
        }
    }

    /// The configurations made of the files, whose content was just this. Files that are being written are read again; the content
    /// that counts is returned, too.
    fn read(&self, mut found: u64) -> (u64, Result<Configs, TlsError>) {
        let alpn: Vec<&[u8]> = self.alpn.iter().map(Vec::as_slice).collect();
        for _ in 0..READS_MAX {
            let loaded = self.source.load_valid(&alpn);
            let after = content(&self.source.files());
            if after == found {
                return (found, loaded);
            }
            found = after;
        }
        let file = self.source.certificate().to_owned();
        (found, Err(TlsError::Unreadable { file, reason: "the files change while they are read".to_owned() }))
    }

    fn configs(&self) -> Arc<Configs> {
        self.in_use.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at the files of several certificates, beside the threads of the runtime. The results are in the same order.
pub async fn look_at(certificates: Vec<Arc<LiveCertificate>>, look: Look) -> Vec<Reload> {
    let looking = move || {
        let found: Vec<Reload> = certificates.iter().map(|certificate| certificate.look(look)).collect();
        tell_exposed(certificates.iter().zip(&found), look);
        found
    };
    tokio::task::spawn_blocking(looking).await.unwrap_or_default()
}

/// Warns once of each private key that other users can read, after an order and where new files were taken.
fn tell_exposed<'a>(found: impl Iterator<Item = (&'a Arc<LiveCertificate>, &'a Reload)>, look: Look) {
    let read = found.filter(|(_, found)| look == Look::Ordered || **found == Reload::Changed);
    let keys: BTreeSet<&Path> = read.map(|(certificate, _)| certificate.source.key()).collect();
    keys.into_iter().filter_map(exposed_key).for_each(|line| tracing::warn!("{line}"));
}

impl Ledger {
    /// Notes content that cannot be used. True: the failure is counted, and due in the log.
    fn refuse(&mut self, fault: &TlsError, look: Look) -> bool {
        let mut refused = self.refused.take().filter(|refused| refused.fault == *fault).unwrap_or_else(|| Refused {
            fault: fault.clone(),
            looks: 0,
            told: false,
        });
        refused.looks = refused.looks.saturating_add(1);
        let due = look == Look::Ordered || !refused.told && refused.looks >= SETTLED_LOOKS;
        refused.told |= due;
        self.failures += u64::from(due);
        self.refused = Some(refused);
        due
    }

    fn line(&mut self) -> Option<String> {
        self.lines.line(Instant::now()).map(|left_out| match left_out {
            0 => String::new(),
            more => format!(" (and {more} more lines about it before)"),
        })
    }
}

impl Source {
    fn certificate(&self) -> &Path {
        match self {
            Self::Mutual { files, .. } => &files.certificate,
            Self::Https(files) => &files.certificate,
        }
    }

    fn key(&self) -> &Path {
        match self {
            Self::Mutual { files, .. } => &files.key,
            Self::Https(files) => &files.key,
        }
    }

    fn files(&self) -> Vec<&Path> {
        match self {
            Self::Mutual { files, .. } => {
                vec![files.ca.as_path(), files.certificate.as_path(), files.key.as_path()]
            }
            Self::Https(HttpsFiles { certificate, key, clients }) => {
                let mut files = vec![certificate.as_path(), key.as_path()];
                if let HttpsClients::Optional(ca) | HttpsClients::Required(ca) = clients {
                    files.push(ca.as_path());
                }
                files
            }
        }
    }

    fn load(&self, alpn: &[&[u8]]) -> Result<Configs, TlsError> {
        let (own, server, client) = match self {
            Self::Mutual { files, name } => {
                let identity = TlsIdentity::load(files)?;
                if let Some(name) = name.as_ref().filter(|name| !identity.names(name)) {
                    return Err(unusable(&files.certificate, &format!("it does not carry the DNS name {name:?}")));
                }
                let server = identity.server_config(Clients::WithCertificate, alpn);
                let client = identity.client_config(alpn);
                (identity.own, server, Some(client))
            }
            Self::Https(files) => {
                let (own, server) = https(files, alpn)?;
                (own, server, None)
            }
        };
        let not_after_s = end_of_chain(&own.cert)
            .ok_or_else(|| unusable(self.certificate(), &"a certificate of the chain is malformed"))?;
        Ok(Configs { own, server, client, not_after_s })
    }

    /// As [`Source::load`]; a certificate out of its dates never takes the place of another one, for HTTPS neither.
    fn load_valid(&self, alpn: &[&[u8]]) -> Result<Configs, TlsError> {
        let configs = self.load(alpn)?;
        check_dates(self.certificate())?;
        Ok(configs)
    }
}

/// A short form of the files' content, for comparisons. An unreadable file is content, too.
fn content(files: &[&Path]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        match fs::read(file) {
            Ok(bytes) => bytes.hash(&mut hasher),
            Err(error) => error.to_string().hash(&mut hasher),
        }
    }
    hasher.finish()
}
