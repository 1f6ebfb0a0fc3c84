//! One keep-alive connection to an HTTP Proxy at a time, one request at a time. Never sends a request twice, and tells of
//! each failed request whether the proxy can have seen it. Called by `replay`, `drill` and `bench`.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use chassis::{
    tasks::{AtEnd, Tasks},
    tls::{self, ALPN_HTTP1},
};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, Uri,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, rustls::ClientConfig};

use crate::{call::TlsFault, cli::Reach, failure::Failure, tls_probe};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longer than the proxy's own deadline of 10 s, so that the proxy's answer comes first.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Our side of TLS to HTTPS front ends: the authority that is trusted, and the certificate for a front end that asks for one.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    config: Arc<ClientConfig>,
    ca: PathBuf,
    certificate: Option<PathBuf>,
}

impl Trust {
    /// Reads the files that the options name; none: no authority is named, and no front end is reached over HTTPS.
    pub(crate) fn of(reach: &Reach) -> Result<Option<Self>, Failure> {
        let Some(ca) = &reach.ca else { return Ok(None) };
        let (config, options) = match (&reach.cert, &reach.key) {
            (Some(certificate), Some(key)) => {
                (tls::showing(ca, certificate, key, &[ALPN_HTTP1]), "--ca, --cert, --key")
            }
            _ => (tls::trusting(ca, &[ALPN_HTTP1]), "--ca"),
        };
        let config = config.map_err(|error| Failure::Usage(format!("{options}: {error}")))?;
        let certificate = reach.cert.clone().filter(|_| reach.key.is_some());
        Ok(Some(Self { config, ca: ca.clone(), certificate }))
    }

    fn fault(&self, cause: &str) -> Option<String> {
        if cause.contains("InvalidContentType") {
            return Some("this port does not speak TLS: name it by http://".to_owned());
        }
        TlsFault::of(cause).map(|fault| fault.of_front_end(&self.ca, self.certificate.as_deref()).to_string())
    }
}

/// Where an HTTP Proxy listens.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// host:port
    authority: String,
    host: HeaderValue,
    /// HTTPS: our side, and the name that the certificate must show.
    tls: Option<(Trust, ServerName<'static>)>,
    /// `Authorization` of every request.
    token: Option<HeaderValue>,
}

/// The header for the API token in a file; a command line would show the token to others.
pub(crate) fn token(file: Option<&Path>) -> Result<Option<HeaderValue>, Failure> {
    let Some(file) = file else { return Ok(None) };
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::Usage(format!("--token-file: {}: {error}", file.display())))?;
    let header = Some(text.trim()).filter(|token| !token.is_empty());
    let header = header.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
    let mut header =
        header.ok_or_else(|| Failure::Usage(format!("--token-file: {}: there is no token in it", file.display())))?;
    header.set_sensitive(true);
    Ok(Some(header))
}

impl Target {
    /// Reads a base URL: `http://host:port` or `https://host:port`, nothing behind it. `trust`: for HTTPS.
    pub(crate) fn parse(url: &str, trust: Option<&Trust>) -> Result<Self, Failure> {
        let wrong = || {
            Failure::Usage(format!(
                "--proxies: `{url}` is not a base URL of the form http://host:port or https://host:port"
            ))
        };
        let uri: Uri = url.trim_end_matches('/').parse().map_err(|_| wrong())?;
        let bare = uri.path() == "/" && uri.query().is_none();
        let host = uri.host().filter(|_| bare).ok_or_else(wrong)?;
        let (port, tls) = match (uri.scheme_str(), trust) {
            (Some("http"), _) => (80, None),
            (Some("https"), Some(trust)) => {
                let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).map_err(|_| wrong())?;
                (443, Some((trust.clone(), name)))
            }
            (Some("https"), None) => {
                let line = format!("--proxies: `{url}` needs --ca FILE: the authority that its certificate comes from");
                return Err(Failure::Usage(line));
            }
            _ => return Err(wrong()),
        };
        let authority = format!("{host}:{}", uri.port_u16().unwrap_or(port));
        let header = HeaderValue::from_str(&authority).map_err(|_| wrong())?;
        Ok(Self { authority, host: header, tls, token: None })
    }

    /// All targets that `--proxies` names. `trust`: for those that speak HTTPS.
    pub(crate) fn parse_all(urls: &[String], trust: Option<&Trust>) -> Result<Vec<Self>, Failure> {
        urls.iter().map(|url| Self::parse(url, trust)).collect()
    }

    /// The targets, each with this token for its requests.
    pub(crate) fn bearing(targets: Vec<Self>, token: Option<&HeaderValue>) -> Vec<Self> {
        targets.into_iter().map(|target| Self { token: token.cloned(), ..target }).collect()
    }

    /// Whether the target takes a connection.
    pub(crate) async fn is_there(&self) -> bool {
        self.connect().await.is_ok()
    }

    /// Fails if a reachable HTTPS front end and we do not take each other's certificates: a retry would not help.
    pub(crate) async fn check_all(targets: &[Self]) -> Result<(), Failure> {
        for target in targets {
            let Some((trust, name)) = &target.tls else { continue };
            let cause = tls_probe::cause(&target.authority, &trust.config, name).await;
            if let Some(why) = cause.and_then(|cause| trust.fault(&cause)) {
                return Err(Failure::Unreachable(format!("https://{target}: {why}")));
            }
        }
        Ok(())
    }

    async fn connect(&self) -> Result<TcpStream, NoAnswer> {
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(&self.authority)).await;
        let stream = stream.map_err(|_| NoAnswer::NotConnected)?.map_err(|_| NoAnswer::NotConnected)?;
        stream.set_nodelay(true).map_err(|_| NoAnswer::NotConnected)?;
        Ok(stream)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority)
    }
}

/// A request: always a POST of JSON, identified by its key.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    /// Path and query.
    pub(crate) path: String,
    /// The `Idempotency-Key`.
    pub(crate) key: String,
    /// The body.
    pub(crate) body: Bytes,
}

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The node that read the request, as `X-OCS-Node` says.
    pub(crate) node: Option<String>,
    /// The answer is that of an earlier request with the same key.
    pub(crate) replayed: bool,
    /// The body.
    pub(crate) body: Bytes,
}

/// Why no answer came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// No connection: the proxy has not seen the request.
    NotConnected,
    /// The connection broke after the request may have been sent.
    Broken,
    /// The connection stands, and no answer came in time.
    TimedOut,
}

impl NoAnswer {
    /// For reports.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::NotConnected => "not connected",
            Self::Broken => "connection broken",
            Self::TimedOut => "no answer in time",
        }
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
    token: Option<HeaderValue>,
}

impl Connection {
    /// Connects, without delay of small segments.
    pub(crate) async fn open(target: &Target, tasks: &Tasks) -> Result<Self, NoAnswer> {
        let stream = target.connect().await?;
        let Some((trust, name)) = &target.tls else { return Self::over(stream, target, tasks).await };
        let shaken = TlsConnector::from(Arc::clone(&trust.config)).connect(name.clone(), stream);
        let secured = tokio::time::timeout(CONNECT_TIMEOUT, shaken).await.map_err(|_| NoAnswer::NotConnected)?;
        Self::over(secured.map_err(|_| NoAnswer::NotConnected)?, target, tasks).await
    }

    async fn over<S>(stream: S, target: &Target, tasks: &Tasks) -> Result<Self, NoAnswer>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|_| NoAnswer::NotConnected)?;
        tasks.spawn("http connection", AtEnd::Quiet, async move {
            let _ = connection.await; // the request in flight is told by hyper
        });
        Ok(Self { sender, host: target.host.clone(), token: target.token.clone() })
    }

    /// Whether another request can be sent now.
    pub(crate) fn usable(&self) -> bool {
        self.sender.is_ready() && !self.sender.is_closed()
    }

    /// Sends one request and reads its answer.
    pub(crate) async fn send(&mut self, post: &Post) -> Result<Answer, NoAnswer> {
        let asked = request(post, &self.host, self.token.as_ref());
        self.exchange(asked).await
    }

    /// Reads a resource; `path` is made of URL-safe characters.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer, NoAnswer> {
        let asked = look(path, &self.host, self.token.as_ref());
        self.exchange(asked).await
    }

    async fn exchange(&mut self, asked: Request<Full<Bytes>>) -> Result<Answer, NoAnswer> {
        self.sender.ready().await.map_err(|_| NoAnswer::NotConnected)?;
        let exchange = async {
            let response = self.sender.try_send_request(asked).await.map_err(|mut error| {
                // a message that comes back was never written
                if error.take_message().is_some() { NoAnswer::NotConnected } else { NoAnswer::Broken }
            })?;
            read(response).await
        };
        tokio::time::timeout(ANSWER_TIMEOUT, exchange).await.unwrap_or(Err(NoAnswer::TimedOut))
    }
}

fn request(post: &Post, host: &HeaderValue, token: Option<&HeaderValue>) -> Request<Full<Bytes>> {
    let request = Request::post(post.path.as_str())
        .header(HOST, host.clone())
        .header(CONTENT_TYPE, "application/json")
        .header("Idempotency-Key", post.key.as_str())
        .body(Full::new(post.body.clone()))
        .expect("paths and keys are made of URL-safe characters here");
    bearing(request, token)
}

fn look(path: &str, host: &HeaderValue, token: Option<&HeaderValue>) -> Request<Full<Bytes>> {
    let request = Request::get(path)
        .header(HOST, host.clone())
        .body(Full::default())
        .expect("paths are made of URL-safe characters here");
    bearing(request, token)
}

/// The request with the token of its target, if the target has one.
fn bearing(mut request: Request<Full<Bytes>>, token: Option<&HeaderValue>) -> Request<Full<Bytes>> {
    if let Some(token) = token {
        request.headers_mut().insert(AUTHORIZATION, token.clone());
    }
    request
}

async fn read(response: Response<Incoming>) -> Result<Answer, NoAnswer> {
    let headers = response.headers();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let node = text("x-ocs-node");
    let replayed = text("idempotent-replayed").is_some_and(|value| value == "true");
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.map_err(|_| NoAnswer::Broken)?.to_bytes();
    Ok(Answer { status, node, replayed, body })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_named_by_a_base_url() {
        let parse = |url| Target::parse(url, None);
        assert_eq!(parse("http://127.0.0.1:8080/").unwrap().to_string(), "127.0.0.1:8080");
        assert_eq!(parse("http://proxy").unwrap().to_string(), "proxy:80");
        for wrong in ["127.0.0.1:8080", "https://h:1", "ftp://h:1", "http://h:1/x", "http://h:1?x", "", "http://"] {
            assert!(matches!(parse(wrong), Err(Failure::Usage(_))), "{wrong}");
        }
        assert!(parse("https://h:1").unwrap_err().to_string().contains("needs --ca FILE"));
    }

    #[test]
    fn a_token_comes_from_a_file_and_stands_in_the_header_of_each_request() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        assert_eq!(token(None), Ok(None));
        assert!(matches!(token(Some(&file)), Err(Failure::Usage(_))));
        fs::write(&file, " \n").unwrap();
        assert!(matches!(token(Some(&file)), Err(Failure::Usage(_))));
        fs::write(&file, "ocs_1\n").unwrap();
        let header = token(Some(&file)).unwrap().unwrap();
        assert!(header == "Bearer ocs_1" && !format!("{header:?}").contains("ocs_1"));
        let targets = Target::bearing(vec![Target::parse("http://h:1", None).unwrap()], Some(&header));
        let post = Post { path: "/lists/demo?req=AddRecord".into(), key: "k".into(), body: Bytes::new() };
        let sent = request(&post, &targets[0].host, targets[0].token.as_ref());
        assert_eq!(sent.headers()[AUTHORIZATION], "Bearer ocs_1");
        let looked = look("/records/7", &targets[0].host, targets[0].token.as_ref());
        assert_eq!((looked.method().as_str(), looked.uri().path()), ("GET", "/records/7"));
        assert_eq!(looked.headers()[AUTHORIZATION], "Bearer ocs_1");
    }
}
