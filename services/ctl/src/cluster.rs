//! The nodes that the command line names, and calls to one of them or to any that can answer. Never knows the content of a
//! call.
//! Called by every verb that needs a node.

use std::{
    fs,
    future::Future,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use chassis::tls::{ALPN_H2, TlsError, check_dates, check_pair, showing};
use ocs_proto::control::control_client::ControlClient;
use rustls_pki_types::ServerName;
use tokio_rustls::rustls::ClientConfig;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::{
    backoff::Backoff,
    call::{CallError, OurFiles, TlsFault, innermost},
    certificates::OPERATOR,
    cli::Reach,
    failure::Failure,
    tls_probe,
};

/// Largest gRPC message, bytes (architecture, Limits).
const MESSAGE_BYTES_MAX: usize = 8 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longer than a node's own deadline of 10 s, so that the node's answer comes first.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);

/// A connected client of one node's control port.
pub(crate) type Client = ControlClient<Channel>;

/// One node as the command line names it.
#[derive(Debug)]
pub(crate) struct Node {
    /// Host and port of its control API, as given.
    pub(crate) address: String,
    client: Client,
    /// Our side of TLS; none: no TLS is spoken.
    tls: Option<Probe>,
}

/// Our side of TLS, for a closer look at a fault.
#[derive(Debug, Clone)]
struct Probe {
    config: Arc<ClientConfig>,
    ours: OurFiles,
}

impl Node {
    /// Calls this node, once, and waits no longer than `limit`.
    pub(crate) async fn call<T, F>(&self, limit: Duration, call: impl FnOnce(Client) -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let called = tokio::time::timeout(limit, call(self.client.clone())).await.unwrap_or(Err(CallError::TimedOut));
        match called {
            Err(error) if error.is_closed() => Err(Box::pin(self.looked_at(error)).await),
            called => called.map_err(|error| error.naming(self.tls.as_ref().map(|tls| &tls.ours))),
        }
    }

    /// A connection that was closed, by its own name where one more handshake finds TLS at fault: every verb then tells the same.
    async fn looked_at(&self, error: CallError) -> CallError {
        let Some(tls) = &self.tls else { return error };
        let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host);
        let Ok(name) = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()) else { return error };
        let cause = tls_probe::cause(&self.address, &tls.config, &name).await;
        let fault = cause.and_then(|cause| TlsFault::of(&cause)).map(CallError::Tls);
        fault.unwrap_or(error).naming(Some(&tls.ours))
    }
}

/// All nodes that the command line names.
#[derive(Debug)]
pub(crate) struct Cluster {
    nodes: Vec<Node>,
    timeout: Option<Duration>,
    /// The node of the last answer: asked first the next time.
    preferred: AtomicUsize,
    /// A node has answered before: silence is then a failover, not a wrong address.
    answered: AtomicBool,
}

impl Cluster {
    /// Reads the certificates and prepares a connection to each node; opens none yet. `ca_alone`: the verb speaks to HTTPS front
    /// ends too, so that an authority without a certificate of ours makes sense.
    pub(crate) fn new(reach: &Reach, ca_alone: bool) -> Result<Self, Failure> {
        let tls = tls(reach, ca_alone)?;
        let nodes = reach.endpoints.iter().map(|address| node(address, tls.as_ref())).collect::<Result<Vec<_>, _>>()?;
        if nodes.is_empty() {
            return Err(Failure::Usage("--endpoints names no node".to_owned()));
        }
        let preferred = AtomicUsize::new(0);
        Ok(Self { nodes, timeout: reach.timeout, preferred, answered: AtomicBool::new(false) })
    }

    /// The nodes at these addresses, without TLS: a group on this machine.
    pub(crate) fn plain(addresses: &[String]) -> Result<Self, Failure> {
        let nodes = addresses.iter().map(|address| node(address, None)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { nodes, timeout: None, preferred: AtomicUsize::new(0), answered: AtomicBool::new(false) })
    }

    /// In the order of the command line.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The value of `--timeout`, else the default of a verb.
    pub(crate) fn timeout_or(&self, default: Duration) -> Duration {
        self.timeout.unwrap_or(default)
    }

    /// Asks the nodes in turn until a node returns a result or a final refusal, for at most `retry_for`. The call must be
    /// repeatable. Ends at once when no node can be reached and none has ever answered.
    pub(crate) async fn on_any<T, F>(&self, retry_for: Duration, call: impl Fn(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        self.on_any_within(CALL_TIMEOUT, retry_for, call).await
    }

    /// The same for a longer call: `limit` for each node, unless `--timeout` sets another limit.
    pub(crate) async fn on_any_within<T, F>(
        &self,
        limit: Duration,
        retry_for: Duration,
        call: impl Fn(Client) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let (limit, began) = (self.timeout_or(limit), Instant::now());
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
        loop {
            let (address, error) = match self.one_round(limit, &call).await {
                Ok(result) => return Ok(result),
                Err(last) => last,
            };
            let pause = backoff.pause();
            let hopeless = error.is_unconnected() && !self.answered.load(Relaxed);
            if !error.retry() || error.weight() == 0 || hopeless || began.elapsed() + pause > retry_for {
                return Err(error.into_failure(address));
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Asks each node once, beginning with the node of the last answer. Returns the most telling error.
    async fn one_round<T, F>(&self, limit: Duration, call: impl Fn(Client) -> F) -> Result<T, (&str, CallError)>
    where
        F: Future<Output = Result<T, CallError>>,
    {
        let first = self.preferred.load(Relaxed);
        let mut worst: Option<(&str, CallError)> = None;
        for step in 0..self.nodes.len() {
            let index = (first + step) % self.nodes.len();
            let node = &self.nodes[index];
            let result = node.call(limit, &call).await;
            if !result.as_ref().is_err_and(CallError::is_unconnected) {
                self.answered.store(true, Relaxed);
            }
            match result {
                Ok(result) => {
                    self.preferred.store(index, Relaxed);
                    return Ok(result);
                }
                Err(error) if !error.retry() => return Err((&node.address, error)),
                Err(error) if worst.as_ref().is_none_or(|(_, known)| error.weight() > known.weight()) => {
                    worst = Some((&node.address, error));
                }
                Err(_) => {}
            }
        }
        Err(worst.expect("there is at least one node, and each gave a result or an error"))
    }
}

fn node(address: &str, tls: Option<&Mutual>) -> Result<Node, Failure> {
    let wrong = || Failure::Usage(format!("--endpoints: `{address}` is not an address of the form host:port"));
    let scheme = if tls.is_some() { "https" } else { "http" };
    let uri = if address.contains("://") { address.to_owned() } else { format!("{scheme}://{address}") };
    let mut endpoint = Endpoint::from_shared(uri).map_err(|_| wrong())?;
    if endpoint.uri().port_u16().is_none() {
        return Err(wrong());
    }
    if let Some(tls) = tls {
        endpoint = endpoint
            .tls_config(tls.config.clone())
            .map_err(|error| Failure::Usage(format!("--ca, --cert, --key: {}", innermost(&error))))?;
    }
    let channel = endpoint.connect_timeout(CONNECT_TIMEOUT).tcp_nodelay(true).connect_lazy();
    let client = ControlClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let address = address.split_once("://").map_or(address, |(_, rest)| rest).trim_end_matches('/').to_owned();
    Ok(Node { address, client, tls: tls.map(|tls| tls.probe.clone()) })
}

/// Our side of mutual TLS.
#[derive(Debug)]
struct Mutual {
    config: ClientTlsConfig,
    probe: Probe,
}

/// The operator's pair beside the authority, as `certs` makes it.
///
/// # Errors
/// The files that are not there, and the way to make them.
fn beside(ca: &Path) -> Result<(PathBuf, PathBuf), Failure> {
    let pair = ["pem", "key"].map(|ending| ca.with_file_name(OPERATOR).with_extension(ending));
    let absent: Vec<_> = pair.iter().filter(|file| !file.is_file()).map(|file| file.display().to_string()).collect();
    if absent.is_empty() {
        return Ok(pair.into());
    }
    let is_or_are = if absent.len() > 1 { "are" } else { "is" };
    Err(Failure::Usage(format!(
        "--ca without --cert and --key means {OPERATOR}.pem and {OPERATOR}.key beside {}, and {} {is_or_are} not there: name your pair by \
         --cert and --key; `ocsctl cert operator NAME --dir DIR` makes NAME.pem and NAME.key where DIR has ca.key",
        ca.display(),
        absent.join(" and ")
    )))
}

/// Mutual TLS when a certificate is named; all three files, or none. An authority alone means the operator's pair beside it.
fn tls(reach: &Reach, ca_alone: bool) -> Result<Option<Mutual>, Failure> {
    match (&reach.ca, &reach.cert, &reach.key) {
        (None, None, None) => Ok(None),
        (Some(_), None, None) if ca_alone => Ok(None),
        (Some(ca), None, None) => {
            let (cert, key) = beside(ca)?;
            mutual(ca, &cert, &key).map(Some)
        }
        (Some(ca), Some(cert), Some(key)) => mutual(ca, cert, key).map(Some),
        (ca, cert, key) => Err(Failure::Usage(incomplete([ca, cert, key]))),
    }
}

/// The line about options that go together, of which some are missing: those given, those missing, and the file of each.
fn incomplete(files: [&Option<PathBuf>; 3]) -> String {
    const OPTIONS: [(&str, &str); 3] = [
        ("--ca", "the authority, ca.pem"),
        ("--cert", "the certificate, NAME.pem of `ocsctl cert operator NAME`"),
        ("--key", "its key, NAME.key of `ocsctl cert operator NAME`"),
    ];
    let of = |given: bool| OPTIONS.into_iter().zip(files).filter(move |(_, file)| file.is_some() == given);
    let given: Vec<&str> = of(true).map(|((option, _), _)| option).collect();
    let missing: Vec<String> = of(false).map(|((option, what), _)| format!("{option} ({what})")).collect();
    let (verb, missing) = (if missing.len() > 1 { "are" } else { "is" }, missing.join(" and "));
    format!("{missing} {verb} missing beside {}: the three go together", given.join(" and "))
}

fn mutual(ca: &Path, cert: &Path, key: &Path) -> Result<Mutual, Failure> {
    let read = |path: &Path| fs::read(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())));
    check_pair(cert, key).map_err(|error| Failure::Usage(misfit(&error)))?;
    // The nodes' refusals of such a certificate differ, and none of them names its owner.
    check_dates(cert).map_err(|error| Failure::Usage(format!("--cert {error}")))?;
    let identity = Identity::from_pem(read(cert)?, read(key)?);
    let config = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(ca)?)).identity(identity);
    let ours = OurFiles { ca: ca.to_owned(), certificate: cert.to_owned() };
    let shown = showing(ca, cert, key, &[ALPN_H2]).map_err(|error| Failure::Usage(format!("--ca: {error}")))?;
    Ok(Mutual { config, probe: Probe { config: shown, ours } })
}

fn misfit(error: &TlsError) -> String {
    match error {
        TlsError::KeyMismatch { key, certificate } => {
            format!("--cert {} and --key {} do not belong together", certificate.display(), key.display())
        }
        other => format!("--cert, --key: {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_of_ours_that_has_expired_is_told_with_its_date_before_any_node_is_asked() {
        let dir = tempfile::tempdir().unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["a".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (rcgen::date_time_ymd(2001, 1, 1), rcgen::date_time_ymd(2002, 2, 3));
        let put = |name: &str, text: String| {
            let path = dir.path().join(name);
            fs::write(&path, text).unwrap();
            Some(path)
        };
        let cert = put("a.pem", params.self_signed(&key).unwrap().pem());
        let (ca, key) = (cert.clone(), put("a.key", key.serialize_pem()));
        let reach = Reach { endpoints: vec!["h:1".to_owned()], ca, cert, key, timeout: None };
        let failure = tls(&reach, false).unwrap_err();
        assert_eq!(failure.exit_code(), 2);
        let line = failure.to_string();
        assert!(line.starts_with("--cert ") && line.contains("a.pem: the certificate expired at 2002-02-03"), "{line}");
    }

    #[test]
    fn an_authority_alone_means_the_operators_pair_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let reach = |cert: Option<&str>| Reach {
            endpoints: vec!["h:1".to_owned()],
            ca: Some(dir.path().join("ca.pem")),
            cert: cert.map(|name| dir.path().join(name)),
            key: None,
            timeout: None,
        };
        let none = tls(&reach(None), false).unwrap_err();
        assert_eq!(none.exit_code(), 2);
        for part in ["operator.pem and ", "operator.key are not there", "`ocsctl cert operator NAME --dir DIR`"] {
            assert!(none.to_string().contains(part), "{part}: {none}");
        }
        crate::certificates::ensure(dir.path(), &["a".to_owned()], 365).unwrap();
        assert!(tls(&reach(None), false).unwrap().is_some());
        assert!(tls(&reach(None), true).unwrap().is_none(), "the authority is that of HTTPS front ends");
        let half = tls(&reach(Some("a.pem")), false).unwrap_err().to_string();
        assert!(half.starts_with("--key (its key, ") && half.contains("missing beside --ca and --cert"), "{half}");
        fs::remove_file(dir.path().join("operator.key")).unwrap();
        let keyless = tls(&reach(None), false).unwrap_err().to_string();
        assert!(keyless.contains("operator.key is not there") && !keyless.contains("operator.pem and /"), "{keyless}");
    }

    #[tokio::test]
    async fn an_endpoint_may_come_with_or_without_a_scheme() {
        assert_eq!(node("127.0.0.1:7401", None).unwrap().address, "127.0.0.1:7401");
        assert_eq!(node("http://node-a:7401/", None).unwrap().address, "node-a:7401");
        assert!(matches!(node("node-a", None), Err(Failure::Usage(_))));
        assert!(matches!(node("", None), Err(Failure::Usage(_))));
    }
}
