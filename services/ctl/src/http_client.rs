//! One keep-alive connection to an HTTP Proxy at a time, one request at a time. Never sends a request twice, and says
//! of each that failed whether the proxy can have seen it. Called by `replay` and `drill`.

use std::{fmt, time::Duration};

use bytes::Bytes;
use chassis::tasks::{AtEnd, Tasks};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, Uri,
    body::Incoming,
    client::conn::http1::{self, SendRequest},
    header::{CONTENT_TYPE, HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::failure::Failure;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Longer than the proxy's own deadline of 10 s, so that its answer is what is heard.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// Where an HTTP Proxy listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// host:port
    authority: String,
    host: HeaderValue,
}

impl Target {
    /// Reads a base URL: `http://host:port`, nothing behind it.
    pub(crate) fn parse(url: &str) -> Result<Self, Failure> {
        let wrong = || Failure::Usage(format!("--proxies: `{url}` is not a base URL of the form http://host:port"));
        let uri: Uri = url.trim_end_matches('/').parse().map_err(|_| wrong())?;
        let plain = uri.scheme_str() == Some("http") && uri.path() == "/" && uri.query().is_none();
        let host = uri.host().filter(|_| plain).ok_or_else(wrong)?;
        let authority = format!("{host}:{}", uri.port_u16().unwrap_or(80));
        let header = HeaderValue::from_str(&authority).map_err(|_| wrong())?;
        Ok(Self { authority, host: header })
    }

    /// All that `--proxies` names.
    pub(crate) fn parse_all(urls: &[String]) -> Result<Vec<Self>, Failure> {
        let targets: Vec<_> = urls.iter().map(|url| Self::parse(url)).collect::<Result<_, _>>()?;
        if targets.is_empty() { Err(Failure::Usage("--proxies names no proxy".to_owned())) } else { Ok(targets) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.authority)
    }
}

/// What is sent: always a POST of JSON, known by its key.
#[derive(Debug, Clone)]
pub(crate) struct Post {
    /// Path and query.
    pub(crate) path: String,
    /// The `Idempotency-Key`.
    pub(crate) key: String,
    /// The body.
    pub(crate) body: Bytes,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The node that read the request, as `X-OCS-Node` says.
    pub(crate) node: Option<String>,
    /// It is the answer of an earlier request with the same key.
    pub(crate) replayed: bool,
    /// The body.
    pub(crate) body: Bytes,
}

/// Why nothing came back.
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
}

impl Connection {
    /// Connects, without delay of small segments.
    pub(crate) async fn open(target: &Target, tasks: &Tasks) -> Result<Self, NoAnswer> {
        let connect = TcpStream::connect(&target.authority);
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, connect).await;
        let stream = stream.map_err(|_| NoAnswer::NotConnected)?.map_err(|_| NoAnswer::NotConnected)?;
        stream.set_nodelay(true).map_err(|_| NoAnswer::NotConnected)?;
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|_| NoAnswer::NotConnected)?;
        tasks.spawn("http connection", AtEnd::Quiet, async move {
            let _ = connection.await; // whoever waits for an answer is told by hyper
        });
        Ok(Self { sender, host: target.host.clone() })
    }

    /// Whether another request can be sent now.
    pub(crate) fn usable(&self) -> bool {
        self.sender.is_ready() && !self.sender.is_closed()
    }

    /// Sends one request and reads its answer.
    pub(crate) async fn send(&mut self, post: &Post) -> Result<Answer, NoAnswer> {
        self.sender.ready().await.map_err(|_| NoAnswer::NotConnected)?;
        let exchange = async {
            let response = self.sender.try_send_request(request(post, &self.host)).await.map_err(|mut error| {
                // a message that comes back was never written
                if error.take_message().is_some() { NoAnswer::NotConnected } else { NoAnswer::Broken }
            })?;
            read(response).await
        };
        tokio::time::timeout(ANSWER_TIMEOUT, exchange).await.unwrap_or(Err(NoAnswer::TimedOut))
    }
}

fn request(post: &Post, host: &HeaderValue) -> Request<Full<Bytes>> {
    Request::post(post.path.as_str())
        .header(HOST, host.clone())
        .header(CONTENT_TYPE, "application/json")
        .header("Idempotency-Key", post.key.as_str())
        .body(Full::new(post.body.clone()))
        .expect("paths and keys are made of URL-safe characters here")
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
        assert_eq!(Target::parse("http://127.0.0.1:8080/").unwrap().to_string(), "127.0.0.1:8080");
        assert_eq!(Target::parse("http://proxy").unwrap().to_string(), "proxy:80");
        for wrong in ["127.0.0.1:8080", "https://h:1", "http://h:1/x", "http://h:1?x", "", "http://"] {
            assert!(matches!(Target::parse(wrong), Err(Failure::Usage(_))), "{wrong}");
        }
    }
}
