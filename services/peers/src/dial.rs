//! Reaching a peer: one TCP connection, TLS or the group's secret, HTTP/2, and a greeting that proves the peer's identity. Never
//! retries by itself; [`Backoff`] gives the wait before the next attempt.

use std::{io, sync::Arc, time::Duration};

use chassis::{descriptors, tls::LiveCertificate};
use consensus::{RaftId, bounds::EPOCH_MAX};
use entrance::Reserve;
use futures::{FutureExt, future::BoxFuture};
use hyper_util::rt::TokioIo;
use ocs_proto::peer::{Head, HelloReply, HelloRequest, peer_client::PeerClient};
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, sync::Notify, time::timeout};
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint};

use super::{
    CONNECTION_WINDOW_BYTES, MESSAGE_BYTES_MAX, PeerAddress, PeersConfig, STREAM_WINDOW_BYTES,
    guard::{Own, number},
    secret::{Ends, PeerSecret},
    text::shown,
    wire::Duplex,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);
const KEEPALIVE: Duration = Duration::from_secs(2);
/// A node of a version that does not name its epoch was never forced.
const EPOCH_UNSAID: u64 = 1;

/// Why a peer was not reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// No process listens at the address.
    #[error("connection refused")]
    Refused,
    /// No connection.
    #[error("{0}")]
    Unreachable(io::Error),
    /// Connected, but no answer in time.
    #[error("no answer within {} s", .0.as_secs())]
    Slow(Duration),
    /// The secret was not proved.
    #[error("the group's secret: {0}")]
    Secret(String),
    /// TLS failed.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// Connected, but the peer did not answer the greeting, or refused it.
    #[error("{0}")]
    Greeting(String),
    /// Another cluster answers there.
    #[error("another cluster answers there")]
    ForeignCluster,
    /// Another node answers there.
    #[error("node \"{0}\" answers there")]
    OtherNode(String),
    /// An operator forced another node.
    #[error("it is in epoch {theirs}, this node in epoch {ours}: {}", if theirs > ours { "its log is to prove that" } else { "it is to join again" })]
    Epoch {
        /// The answering node's epoch.
        theirs: u64,
        /// This node's epoch.
        ours: u64,
    },
    /// The configuration has no such peer.
    #[error("node number {} is not configured", .0 & 0xffff)]
    Unknown(RaftId),
}

/// Knows the way to one peer.
pub(super) struct Dialer {
    pub(super) peer: PeerAddress,
    own: Arc<Own>,
    tls: Option<Arc<LiveCertificate>>,
    secret: Option<PeerSecret>,
    reserve: Reserve,
    /// Wakes dials that pause: the peer speaks, so that its port is open.
    heard: Notify,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl Dialer {
    pub(super) fn new(peer: &PeerAddress, tls: Option<&Arc<LiveCertificate>>, own: &Arc<Own>) -> Self {
        Self {
            peer: peer.clone(),
            own: Arc::clone(own),
            tls: tls.cloned(),
            secret: None,
            reserve: Reserve::new(1),
            heard: Notify::new(),
        }
    }

    /// The way to one peer, as configured.
    pub(super) fn of(config: &PeersConfig, peer: &PeerAddress, own: &Arc<Own>) -> Self {
        Self { secret: config.secret.clone(), ..Self::new(peer, config.tls.as_ref(), own) }
    }

    /// A stream of the peer has begun here.
    pub(super) fn note_heard(&self) {
        self.heard.notify_waiters();
    }

    /// Pauses before the next dial, at most until the peer is heard.
    pub(super) async fn pause(&self, pause: Duration) {
        let _ = timeout(pause, self.heard.notified()).await; // either way the next dial is due
    }

    /// A connection to the right node of the right cluster, in our epoch.
    pub(super) async fn dial(&self) -> Result<Channel, DialError> {
        let (channel, theirs) = self.dial_any_epoch().await?;
        let ours = self.own.node.epoch;
        self.own.heard_epoch(theirs, &self.peer.name);
        if theirs == ours { Ok(channel) } else { Err(DialError::Epoch { theirs, ours }) }
    }

    /// As [`Dialer::dial`], in any epoch; returns the peer's epoch too.
    pub(super) async fn dial_any_epoch(&self) -> Result<(Channel, u64), DialError> {
        let channel = self.connect().await?;
        let reply = self.greet(channel.clone()).await?;
        if reply.cluster != self.own.node.cluster[..] {
            return Err(DialError::ForeignCluster);
        }
        if reply.node != self.peer.name {
            return Err(DialError::OtherNode(shown(&reply.node)));
        }
        Ok((channel, reply.epoch.max(EPOCH_UNSAID)))
    }

    /// Greets the node at the address, whichever node that is.
    pub(super) async fn hello(&self) -> Result<HelloReply, DialError> {
        self.greet(self.connect().await?).await
    }

    /// A head from this node.
    pub(super) fn head(&self) -> Head {
        self.own.head()
    }

    async fn greet(&self, channel: Channel) -> Result<HelloReply, DialError> {
        let request = HelloRequest { head: Some(self.own.head()), node: self.own.node.name.clone() };
        match timeout(HANDSHAKE_TIMEOUT, client(channel).hello(request)).await {
            Ok(Ok(reply)) if reply.get_ref().epoch > EPOCH_MAX => {
                Err(DialError::Greeting("it names an epoch that cannot be".to_owned()))
            }
            Ok(Ok(reply)) => Ok(reply.into_inner()),
            Ok(Err(status)) => Err(DialError::Greeting(shown(status.message()))),
            Err(_) => Err(DialError::Slow(HANDSHAKE_TIMEOUT)),
        }
    }

    async fn connect(&self) -> Result<Channel, DialError> {
        let stream = match timeout(CONNECT_TIMEOUT, self.reach()).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => return Err(DialError::Refused),
            Ok(Err(error)) => return Err(DialError::Unreachable(error)),
            Err(_) => return Err(DialError::Slow(CONNECT_TIMEOUT)),
        };
        stream.set_nodelay(true).map_err(DialError::Unreachable)?;
        let secured = timeout(HANDSHAKE_TIMEOUT, self.secure(stream)).await;
        channel_over(secured.unwrap_or(Err(DialError::Slow(HANDSHAKE_TIMEOUT)))?).await
    }

    /// Connects, with the reserved descriptor where no other is left.
    async fn reach(&self) -> io::Result<TcpStream> {
        let reached = TcpStream::connect(&self.peer.address).await;
        match reached {
            Err(error) if descriptors::used_up(&error) && self.reserve.give() => {
                TcpStream::connect(&self.peer.address).await
            }
            reached => {
                self.reserve.refill();
                reached
            }
        }
    }

    async fn secure(&self, mut stream: TcpStream) -> Result<Box<dyn Duplex>, DialError> {
        let Some(own) = &self.tls else {
            if let Some(secret) = &self.secret {
                let proven = secret.call(&mut stream, self.ends()).await;
                proven.map_err(|unproven| DialError::Secret(unproven.to_string()))?;
            }
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from(self.peer.name.clone())
            .map_err(|error| DialError::Tls(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let config = own.client().ok_or_else(|| DialError::Tls(io::Error::from(io::ErrorKind::Unsupported)))?;
        Ok(Box::new(TlsConnector::from(config).connect(name, stream).await.map_err(DialError::Tls)?))
    }

    fn ends(&self) -> Ends {
        let node = &self.own.node;
        Ends { cluster: node.cluster, caller: number(node.raft_id), called: number(self.peer.raft_id) }
    }
}

/// gRPC over an open connection. When the connection breaks, the channel is done: the next dial shows the loss to its caller.
///
/// Boxed: inside a larger future the compiler forgets that the trait object of the bytes lives long enough.
fn channel_over(bytes: Box<dyn Duplex>) -> BoxFuture<'static, Result<Channel, DialError>> {
    let mut once = Some(bytes);
    let connector = tower::service_fn(move |_: http::Uri| {
        let bytes = once.take().map(TokioIo::new).ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected));
        std::future::ready(bytes)
    });
    let endpoint = Endpoint::from_static("http://peer")
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true);
    async move {
        endpoint.connect_with_connector(connector).await.map_err(|error| DialError::Greeting(error.to_string()))
    }
    .boxed()
}

/// A client with the limits of messages (architecture, Limits).
pub(super) fn client(channel: Channel) -> PeerClient<Channel> {
    PeerClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX).max_encoding_message_size(MESSAGE_BYTES_MAX)
}

/// How long to wait before the next attempt: almost nothing once, 50 ms for the first second (a node that restarts), then
/// twice as long each time, up to a second; with jitter.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    attempts: u32,
}

impl Backoff {
    const QUICK_ATTEMPTS: u32 = 20;

    pub(super) fn next(&mut self) -> Duration {
        let delay = Self::base(self.attempts);
        self.attempts = self.attempts.saturating_add(1);
        delay.mul_f64(rand::random_range(0.8..1.2))
    }

    fn base(attempts: u32) -> Duration {
        let ms = match attempts {
            0 => 10,
            1..=Self::QUICK_ATTEMPTS => 50,
            more => (50_u64 << (more - Self::QUICK_ATTEMPTS).min(5)).min(1000),
        };
        Duration::from_millis(ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_quick_for_a_second_and_then_rarer_up_to_one_a_second() {
        let bases: Vec<u128> = (0..40).map(|attempt| Backoff::base(attempt).as_millis()).collect();
        assert_eq!(bases[..3], [10, 50, 50]);
        assert_eq!(bases[20..27], [50, 100, 200, 400, 800, 1000, 1000]);
        assert!((900..1200).contains(&bases[..20].iter().sum::<u128>()));
        assert!(Backoff { attempts: u32::MAX }.next() <= Duration::from_millis(1200));
    }
}
