//! The tools that the tests of the port share: a node's end of the link, and an HTTP client that speaks raw bytes.

use std::sync::{Arc, Mutex};

use chassis::tasks::{AtEnd, Tasks};
use http_proxy::{
    ProxyError,
    link::{FrameReader, FrameWriter, LINK_VERSIONS},
};
use ocs_proto::link::{
    Certificates, Configure, Drain, Echo, HandshakeCount, HealthReply, LinkReply, LinkRequest, Listening, LogFilter,
    LogRecord, RefusalCount, ReloadCertificates, RequestCount, RoleNotice, ToNode, ToProxy,
};
use outbound::{Reply, Request, wire};
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream, unix::OwnedWriteHalf},
    sync::{mpsc, oneshot},
};

/// The configuration that every test begins with.
pub(crate) fn configure() -> Configure {
    Configure {
        format: LINK_VERSIONS.min,
        format_max: LINK_VERSIONS.max,
        node: "a".into(),
        listen: "127.0.0.1:0".into(),
        deadline_ms: 10_000,
        body_bytes_max: 1024 * 1024,
        head_bytes_max: 64 * 1024,
        connections_max: 1000,
        requests_in_flight_max: 1000,
        drain_timeout_ms: 15_000,
        log_filter: "info".into(),
        bodies_bytes_max: 256 << 20,
        connections_per_address_max: 1000,
        balancers: vec!["127.0.0.0/8".into()],
        ..Configure::default()
    }
}

/// The messages to the node beside requests.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Counts of answers.
    pub(crate) counts: Vec<RequestCount>,
    /// Counts of refusals.
    pub(crate) refusals: Vec<RefusalCount>,
    /// Log records.
    pub(crate) logs: Vec<LogRecord>,
    /// Echoes that were answered.
    pub(crate) echoes: Vec<u64>,
    /// Token and certificate of each request.
    pub(crate) credentials: Vec<(String, String)>,
    /// Requests that went no further: without a credential, and with a misplaced one.
    pub(crate) unfit: (u32, u32),
    /// The port is closed, and requests in flight go on.
    pub(crate) port_closed: bool,
    /// Counts of failed TLS handshakes.
    pub(crate) handshakes: Vec<HandshakeCount>,
    /// Reports of certificates.
    pub(crate) certificates: Vec<Certificates>,
}

/// The node's end, and an HTTP Proxy at the other one.
pub(crate) struct Node {
    /// Where HTTP Proxy listens.
    pub(crate) address: String,
    /// Requests that no rule answers; the test does.
    pub(crate) requests: mpsc::UnboundedReceiver<(u64, Request)>,
    /// The messages that came beside requests.
    pub(crate) heard: Arc<Mutex<Heard>>,
    writer: mpsc::UnboundedSender<ToProxy>,
    ended: oneshot::Receiver<Result<(), ProxyError>>,
    heard_all: oneshot::Receiver<()>,
}

/// How the node answers by itself.
pub(crate) type Rule = fn(&Request) -> Option<Reply>;

/// Acknowledges every request under its own name, with the attributes that came.
pub(crate) fn acknowledge(request: &Request) -> Option<Reply> {
    let handle = match &request.resource {
        outbound::Resource::Record(handle) => handle.0 as i64,
        _ => 7,
    };
    let mut attributes = vec![("GSW_RECORD_HANDLE".to_owned(), handle.into())];
    attributes.extend(request.attributes.iter().map(|(name, value)| (name.to_owned(), value.clone())));
    let event = match request.verb {
        outbound::Verb::GetRecord => "Record".to_owned(),
        verb => format!("{}Acknowledge", verb.name()),
    };
    Some(Reply::done(event, attributes))
}

/// Leaves every request to the test.
pub(crate) fn hold(_: &Request) -> Option<Reply> {
    None
}

/// Starts HTTP Proxy as a task; the first word of the link is its answer.
pub(crate) async fn start(configure: Configure, rule: Rule) -> (Listening, Node) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let tasks = Tasks::new();
    let (ended, end) = oneshot::channel();
    tasks.spawn("proxy", AtEnd::Quiet, async move {
        let _ = ended.send(http_proxy::run(theirs, Tasks::new()).await);
    });
    serve(ours, configure, rule, tasks, end).await
}

/// The node's end of a link whose other end is there already.
pub(crate) async fn serve(
    stream: UnixStream,
    configure: Configure,
    rule: Rule,
    tasks: Tasks,
    ended: oneshot::Receiver<Result<(), ProxyError>>,
) -> (Listening, Node) {
    let (reader, writer) = stream.into_split();
    let (queue, queued) = mpsc::unbounded_channel();
    tasks.spawn("node writes", AtEnd::Quiet, write(writer, queued));
    queue.send(ToProxy { configure: Some(configure), ..ToProxy::default() }).unwrap();
    let (asked, requests) = mpsc::unbounded_channel();
    let (said, listening) = oneshot::channel();
    let heard = Arc::new(Mutex::new(Heard::default()));
    let (hears, heard_all) = oneshot::channel();
    let (hearing, replies) = (heard.clone(), queue.clone());
    tasks.spawn("node reads", AtEnd::Quiet, async move {
        let (mut reader, mut said) = (FrameReader::new(reader), Some(said));
        while let Ok(Some(frame)) = reader.next::<ToNode>().await {
            if let (Some(listening), Some(said)) =
                (frame.listening.clone(), said.take_if(|_| frame.listening.is_some()))
            {
                let _ = said.send(listening);
            }
            hear(frame, &hearing, rule, &replies, &asked);
        }
        let _ = hears.send(());
    });
    let listening = listening.await.unwrap();
    let node = Node { address: listening.address.clone(), requests, heard, writer: queue, ended, heard_all };
    (listening, node)
}

async fn write(writer: OwnedWriteHalf, mut queue: mpsc::UnboundedReceiver<ToProxy>) {
    let mut writer = FrameWriter::new(writer);
    while let Some(frame) = queue.recv().await {
        if writer.send(&frame).await.is_err() {
            return;
        }
    }
}

fn hear(
    frame: ToNode,
    heard: &Mutex<Heard>,
    rule: Rule,
    replies: &mpsc::UnboundedSender<ToProxy>,
    asked: &mpsc::UnboundedSender<(u64, Request)>,
) {
    let mut answer = ToProxy::default();
    for LinkRequest { id, request, credential, certificate, .. } in frame.requests {
        heard.lock().unwrap().credentials.push((String::from_utf8_lossy(&credential).into_owned(), certificate));
        let request = wire::request_from_wire(ocs_proto::outbound::Request::decode(request).unwrap()).unwrap();
        match rule(&request) {
            Some(reply) => answer.replies.push(LinkReply { id, reply: Some(wire::reply_to_wire(&reply)) }),
            None => asked.send((id, request)).unwrap(),
        }
    }
    for request in frame.health {
        let ok = request.kind == 1;
        answer.health.push(HealthReply { id: request.id, ok, body: format!("{{\"asked\":{}}}", request.kind) });
    }
    let mut heard = heard.lock().unwrap();
    if let Some(stats) = frame.stats {
        heard.unfit.0 += stats.without_credential;
        heard.unfit.1 += stats.misplaced_credential;
        heard.counts.extend(stats.requests);
        heard.handshakes.extend(stats.handshakes_refused);
        heard.refusals.extend(stats.refusals);
    }
    heard.certificates.extend(frame.certificates);
    heard.logs.extend(frame.logs);
    heard.echoes.extend(frame.echo.map(|echo| echo.id));
    heard.port_closed |= frame.port_closed.is_some();
    let _ = replies.send(answer);
}

impl Node {
    /// Starts an HTTP Proxy that listens.
    pub(crate) async fn with(configure: Configure, rule: Rule) -> Self {
        let (listening, node) = start(configure, rule).await;
        assert_eq!(listening.error, "");
        node
    }

    /// Starts the usual HTTP Proxy, whose node acknowledges everything.
    pub(crate) async fn acknowledging() -> Self {
        Self::with(configure(), acknowledge).await
    }

    /// Answers a request that no rule answered.
    pub(crate) fn reply(&self, id: u64, reply: &Reply) {
        let reply = LinkReply { id, reply: Some(wire::reply_to_wire(reply)) };
        self.writer.send(ToProxy { replies: vec![reply], ..ToProxy::default() }).unwrap();
    }

    /// Tells HTTP Proxy to finish.
    pub(crate) fn drain(&self) {
        self.writer.send(ToProxy { drain: Some(Drain::default()), ..ToProxy::default() }).unwrap();
    }

    /// Tells HTTP Proxy to finish, and the time until its end by force.
    pub(crate) fn drain_within(&self, within_ms: u32) {
        self.writer.send(ToProxy { drain: Some(Drain { within_ms }), ..ToProxy::default() }).unwrap();
    }

    /// Asks HTTP Proxy for a sign of life.
    pub(crate) fn ask_echo(&self, id: u64) {
        self.writer.send(ToProxy { echo: Some(Echo { id }), ..ToProxy::default() }).unwrap();
    }

    /// Orders HTTP Proxy to read its certificates again.
    pub(crate) fn reload(&self, order: u64) {
        let reload_certificates = Some(ReloadCertificates { order });
        self.writer.send(ToProxy { reload_certificates, ..ToProxy::default() }).unwrap();
    }

    /// Tells HTTP Proxy the role.
    pub(crate) fn notice(&self, role: &str) {
        self.notice_all(role, false);
    }

    /// Tells HTTP Proxy the role, and whether updates are on one disk only.
    pub(crate) fn notice_all(&self, role: &str, single_copy: bool) {
        let role = Some(RoleNotice { role: role.to_owned(), single_copy, leaving: false });
        self.writer.send(ToProxy { role, ..ToProxy::default() }).unwrap();
    }

    /// Tells HTTP Proxy whether the node is about to stop.
    pub(crate) fn leave(&self, leaving: bool) {
        let role = Some(RoleNotice { role: "backup".to_owned(), single_copy: false, leaving });
        self.writer.send(ToProxy { role, ..ToProxy::default() }).unwrap();
    }

    /// Gives HTTP Proxy's log other levels.
    pub(crate) fn set_log_filter(&self, filter: &str) {
        let log_filter = Some(LogFilter { filter: filter.to_owned() });
        self.writer.send(ToProxy { log_filter, ..ToProxy::default() }).unwrap();
    }

    /// How often HTTP Proxy has told a refusal for this reason.
    pub(crate) fn refused(&self, reason: &str) -> u64 {
        let heard = self.heard.lock().unwrap();
        heard.refusals.iter().filter(|refusal| refusal.reason == reason).map(|refusal| refusal.count).sum()
    }

    /// How HTTP Proxy ended, once all its messages have been read.
    pub(crate) async fn ended(self) -> Result<(), ProxyError> {
        self.heard_all.await.unwrap();
        self.ended.await.unwrap()
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> Client {
        Client { socket: TcpStream::connect(&self.address).await.unwrap(), buffer: Vec::new() }
    }

    /// Sends these bytes on a new connection and reads one answer.
    pub(crate) async fn ask(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut client = self.connect().await;
        client.send(bytes).await;
        client.answer().await.expect("an answer")
    }
}

/// An answer of HTTP Proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Status line and headers.
    pub(crate) head: String,
    /// Its body; bytes that are not UTF-8 are replaced.
    pub(crate) body: String,
    /// The bytes of the body.
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let pairs = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        pairs.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// The value of GSW_ERROR_CODE; the body must be one flat object.
    pub(crate) fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).expect("a JSON body");
        body["GSW_ERROR_CODE"].as_str().unwrap_or_default().to_owned()
    }
}

/// A client that sends given bytes unchanged.
pub(crate) struct Client {
    socket: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    /// Sends bytes; a server that has closed is noticed when reading.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.socket.write_all(bytes.as_ref()).await;
    }

    /// Shuts down the write side.
    pub(crate) async fn finish(&mut self) {
        self.socket.shutdown().await.unwrap();
    }

    /// The next answer; none at the end of the connection.
    pub(crate) async fn answer(&mut self) -> Option<Answer> {
        let head = self.head().await?;
        let status: u16 = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: String::new(), bytes: Vec::new() };
        let length: usize = answer.header("content-length").unwrap_or("0").parse().unwrap();
        while self.buffer.len() < length {
            if !self.more().await {
                return None;
            }
        }
        answer.bytes = self.buffer.drain(..length).collect();
        answer.body = String::from_utf8_lossy(&answer.bytes).into_owned();
        Some(answer)
    }

    /// The next head alone, without the empty line.
    pub(crate) async fn head(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..end + 4).collect();
                return Some(String::from_utf8(head[..end].to_vec()).unwrap());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    /// Whether the server has closed the connection without a further byte.
    pub(crate) async fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.more().await
    }

    async fn more(&mut self) -> bool {
        self.socket.read_buf(&mut self.buffer).await.is_ok_and(|count| count > 0)
    }
}
