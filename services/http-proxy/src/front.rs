//! The front over a pair of sockets: the bytes of a client in, the answers out, before a node that answers every request. For fuzzers
//! (feature `front`).
//!
//! Never opens a port, and has no limit of its own: the connection is served as any other.

use std::{io, sync::Arc};

use chassis::tasks::{AtEnd, Tasks};
use ocs_proto::link::{Configure, HealthReply, LinkReply, ToNode, ToProxy};
use outbound::{Reply, wire};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    runtime::{Builder, Runtime},
};
use tokio_util::sync::CancellationToken;

use crate::{
    link::{self, FrameReader, FrameWriter, LINK_VERSIONS},
    listen,
    serve::{Port, Server},
    settings::Settings,
    stats::Stats,
};

const IN_FLIGHT_MAX: u32 = 1000;

/// A front without a port.
pub struct Front {
    runtime: Runtime,
    server: Arc<Server>,
    _tasks: Tasks,
}

impl Front {
    /// A front and its node, on a runtime of their own, which runs while bytes are played.
    ///
    /// # Errors
    /// The system's error.
    pub fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let tasks = Tasks::new();
        let server = runtime.block_on(async { server(&tasks) })?;
        Ok(Self { runtime, server, _tasks: tasks })
    }

    /// Plays a connection whose client sends these pieces and then no more; returns all bytes of the answers.
    ///
    /// # Errors
    /// The system's error.
    pub fn play(&self, pieces: &[&[u8]]) -> io::Result<Vec<u8>> {
        let answers = self.runtime.block_on(async {
            let (client, theirs) = UnixStream::pair()?;
            let serving = listen::serve_stream(theirs, self.server.clone(), port(), CancellationToken::new());
            let (answers, ()) = tokio::join!(talk(client, pieces), Box::pin(serving));
            Ok(answers)
        });
        drop(self.server.stats.take()); // a fuzzer needs no counts
        answers
    }
}

/// The client's side. A server that hangs up early is no fault of the client.
async fn talk(mut client: UnixStream, pieces: &[&[u8]]) -> Vec<u8> {
    for piece in pieces {
        let _ = client.write_all(piece).await;
        tokio::task::yield_now().await; // the front sees the piece alone
    }
    let _ = client.shutdown().await;
    let mut answers = Vec::new();
    let _ = client.read_to_end(&mut answers).await;
    answers
}

/// The parts behind the connections, and the node at the other end of the link.
fn server(tasks: &Tasks) -> io::Result<Arc<Server>> {
    let (node, proxy) = UnixStream::pair()?;
    let (reader, writer) = link::stream::split(proxy)?;
    let (reader, writer) = (FrameReader::new(reader), FrameWriter::new(writer));
    let (link, wires) = link::client::open(reader, writer, ToProxy::default(), IN_FLIGHT_MAX as usize);
    tasks.spawn("link", AtEnd::Quiet, async move {
        drop(wires.run(CancellationToken::new()).await); // the link ends with the front
    });
    tasks.spawn("node", AtEnd::Quiet, answer_all(node));
    let settings = Settings::from_configure(&configure()).map_err(io::Error::other)?;
    Ok(Arc::new(Server::new(settings, link, Arc::new(Stats::default()))))
}

fn port() -> Arc<Port> {
    Arc::new(Port { scheme: "http", address: "127.0.0.1:8080".to_owned(), tls: None })
}

fn configure() -> Configure {
    Configure {
        format: LINK_VERSIONS.min,
        format_max: LINK_VERSIONS.max,
        node: "a".to_owned(),
        listen: "127.0.0.1:0".to_owned(),
        deadline_ms: 10_000,
        body_bytes_max: 32 << 10,
        head_bytes_max: 16 << 10,
        connections_max: 1,
        requests_in_flight_max: IN_FLIGHT_MAX,
        bodies_bytes_max: 1 << 20,
        ..Configure::default()
    }
}

/// A node that acknowledges every request.
async fn answer_all(stream: UnixStream) {
    let (reader, writer) = stream.into_split();
    let (mut reader, mut writer) = (FrameReader::new(reader), FrameWriter::new(writer));
    while let Ok(Some(frame)) = reader.next::<ToNode>().await {
        let reply = || Some(wire::reply_to_wire(&Reply::done("Acknowledge", Vec::new())));
        let replies = frame.requests.into_iter().map(|request| LinkReply { id: request.id, reply: reply() });
        let checks = frame.health.into_iter();
        let health = checks.map(|check| HealthReply { id: check.id, ok: true, body: "{}".to_owned() });
        let answers = ToProxy { replies: replies.collect(), health: health.collect(), ..ToProxy::default() };
        if writer.send(&answers).await.is_err() {
            return;
        }
    }
}
