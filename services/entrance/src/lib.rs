//! The ports of a node: admission of clients, limits on their number, and limits on the time for which a client keeps its place.
//!
//! A connection has ten seconds for its handshake and its first request, and a request has thirty for its body. The port closes an
//! idle connection, and the connection of a client that takes no answers or floods the port with frames. Connections, requests and
//! the bytes of requests are bounded; the port refuses any excess at once. Never looks into a request. The admin port and the control
//! port of `node` are an [`Entrance`] each; the port for peers shares the places and authenticates its own callers.

mod accept;
mod connection;
mod listen;
mod places;
mod rates;
mod refusals;
mod requests;
mod reserve;
#[cfg(test)]
mod tests;

use std::{io::Write, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use chassis::{
    tasks::{AtEnd, Tasks},
    tls::LiveCertificate,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

pub use accept::Accepting;
pub use listen::listen;
pub use places::{Full, Phase, Place, Places};
pub use rates::{Flood, FrameRates};
pub use refusals::Refusals;
pub use reserve::Reserve;

/// The caller at the other end of a connection; an extension of each of its requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The remote address of the connection.
    pub address: SocketAddr,
    /// The name of the verified certificate ([`chassis::tls::name_shown`]); none: the connection has no certificate.
    pub principal: Option<Arc<str>>,
    /// Whether the certificate is an operator's.
    pub operator: bool,
}

/// The protocol of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// gRPC over HTTP/2.
    Grpc,
}

/// The limits of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections.
    pub connections_max: usize,
    /// Connections of one address; loopback has no such bound.
    pub per_address_max: usize,
    /// Requests of one connection at a time.
    pub streams_max: u32,
    /// Requests of all connections at a time.
    pub requests_max: usize,
    /// Bytes of requests that are being read or answered.
    pub bytes_max: usize,
    /// Time for the handshake and the first request's head.
    pub first_head: Duration,
    /// Time for the body of a request.
    pub body: Duration,
    /// How long a connection is kept without a request: longer than load balancers and scrapers pause.
    pub idle: Duration,
    /// How long an answer may wait for its client.
    pub untaken: Duration,
}

impl Limits {
    /// One in sixteen of the descriptors may be connections of one port.
    const DESCRIPTORS_SHARE: u64 = 16;

    /// Limits that fit a process with this many descriptors.
    pub fn fitting(descriptors: u64) -> Self {
        let share = usize::try_from(descriptors / Self::DESCRIPTORS_SHARE).unwrap_or(usize::MAX);
        let connections_max = share.clamp(8, 256);
        Self {
            connections_max,
            per_address_max: connections_max / 4,
            streams_max: 32,
            requests_max: 1024,
            bytes_max: 64 << 20,
            first_head: Duration::from_secs(10),
            body: Duration::from_secs(30),
            idle: Duration::from_secs(75),
            untaken: Duration::from_secs(30),
        }
    }
}

/// The answer to a connection without a place, where a client could read one.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// One port.
#[derive(Debug)]
pub struct Entrance {
    protocol: Protocol,
    limits: Limits,
    places: Places,
    requests: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    refusals: Arc<Refusals>,
    /// Routes for callers of this machine that speak no TLS at a port with TLS; none: such callers are refused.
    local: Option<Router>,
}

impl Entrance {
    /// `name`: the port's name in the log.
    pub fn new(name: &'static str, protocol: Protocol, limits: Limits) -> Self {
        Self {
            protocol,
            limits,
            places: Places::new(limits.connections_max, limits.per_address_max),
            requests: Arc::new(Semaphore::new(limits.requests_max)),
            bytes: Arc::new(Semaphore::new(limits.bytes_max)),
            refusals: Arc::new(Refusals::new(name)),
            local: None,
        }
    }

    /// At a port with TLS, callers on loopback may ask these routes without TLS: they stay reachable when certificates do not.
    pub fn answering_locally(self, local: Router) -> Self {
        Self { local: Some(local), ..self }
    }

    /// The refusals at this port.
    pub fn refusals(&self) -> Arc<Refusals> {
        self.refusals.clone()
    }

    /// Serves `router` on a bound listener until the process stops. The certificate, where given, must offer the protocol; each
    /// connection gets its present configuration.
    pub fn serve(self, listener: TcpListener, tls: Option<Arc<LiveCertificate>>, router: Router, tasks: &Tasks) {
        let entrance = Arc::new(self);
        let (stopping, owner) = (tasks.stopping(), tasks.clone());
        let mut accepting = Accepting::new(listener, entrance.refusals(), 0);
        tasks.spawn("entrance", AtEnd::Stop, async move {
            loop {
                let (stream, from) = tokio::select! {
                    () = stopping.cancelled() => return,
                    accepted = accepting.next() => accepted,
                };
                let Some(place) = accepting.place(&entrance.places, from).await else {
                    if entrance.protocol == Protocol::Http1 && tls.is_none() {
                        refuse(stream);
                    }
                    continue;
                };
                let served = connection::serve(
                    entrance.clone(),
                    stream,
                    from,
                    place,
                    tls.clone(),
                    router.clone(),
                    owner.clone(),
                );
                owner.spawn("connection", AtEnd::Quiet, served);
            }
        });
    }
}

/// Answers a connection without a place, as far as an answer goes without a wait.
fn refuse(stream: TcpStream) {
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write(FULL); // a client that is gone needs no answer
    }
}
