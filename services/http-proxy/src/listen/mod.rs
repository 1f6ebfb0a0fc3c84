//! Binds the ports, accepts connections, and ends them gracefully (spec 10).
//!
//! Never looks into a request. A port scan, a half-open connection or garbage never ends or stalls the port: every handshake
//! and every head is read by the connection's own task, under a timeout. Called by `run`.

mod addresses;
mod connection;
mod places;
mod proxy_header;

use std::{future::poll_fn, io, net::SocketAddr, sync::Arc, task::Poll, time::Duration};

use chassis::{
    descriptors,
    lines::Causes,
    tasks::{AtEnd, Tasks},
};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

#[cfg(feature = "front")]
pub(crate) use self::connection::serve_stream;
use self::{addresses::Addresses, connection::Arrival, places::Places};
use crate::serve::{Port, Server};

/// Connections that wait to be accepted; the system may allow fewer.
const BACKLOG: i32 = 4096;
/// Pause after an accept that failed, doubled each time (file descriptors used up, for example).
const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(10);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);
const ACCEPT_LINES_PER_MINUTE: u32 = 1;
/// Silence after which keepalive probes begin to look for a vanished peer.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Opens the port; returns the listener and its actual address.
pub(crate) async fn bind(listen: &str) -> io::Result<(TcpListener, SocketAddr)> {
    let mut last = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address");
    for address in tokio::net::lookup_host(listen).await? {
        match bind_address(address) {
            Ok(listener) => {
                let address = listener.local_addr()?;
                return Ok((listener, address));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn bind_address(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// The open ports.
pub(crate) struct Listeners {
    open: Vec<(TcpListener, Arc<Port>)>,
    /// The port that is asked first: each in its turn, so that a busy port does not starve the others.
    first: usize,
}

impl Listeners {
    pub(crate) fn new(open: Vec<(TcpListener, Arc<Port>)>) -> Self {
        Self { open, first: 0 }
    }

    /// The next connection of any port. Safe to cancel.
    async fn next(&mut self) -> io::Result<(TcpStream, SocketAddr, Arc<Port>)> {
        poll_fn(|cx| {
            for step in 0..self.open.len() {
                let place = (self.first + step) % self.open.len();
                let (listener, port) = &self.open[place];
                if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                    let port = port.clone();
                    self.first = place + 1;
                    return Poll::Ready(accepted.map(|(socket, from)| (socket, from, port)));
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Accepts connections until `draining` is cancelled; `connections` tracks each of them.
pub(crate) async fn accept(
    mut listeners: Listeners,
    server: Arc<Server>,
    tasks: Tasks,
    connections: TaskTracker,
    draining: CancellationToken,
) {
    let places = Places::new(server.settings.connections_max);
    let addresses = Addresses::new(server.settings.connections_per_address_max, server.settings.balancers.clone());
    let addresses = Arc::new(addresses);
    let lines = Causes::new(ACCEPT_LINES_PER_MINUTE);
    let mut pause = ACCEPT_PAUSE_MIN;
    let mut last_ones = 0..BACKLOG; // connections that the backlog held before the drain
    loop {
        if draining.is_cancelled() && last_ones.next().is_none() {
            return;
        }
        let place = tokio::select! {
            biased;
            place = places.take() => place,
            () = draining.cancelled() => return,
        };
        let accepted = tokio::select! {
            biased;
            accepted = listeners.next() => accepted,
            () = draining.cancelled() => return,
        };
        match accepted {
            Ok((socket, from, port)) => {
                pause = ACCEPT_PAUSE_MIN;
                prepare(&socket);
                let arrival = Arrival { socket, from: from.ip(), port, turned_away: place.turned_away };
                let serving = connection::serve(arrival, server.clone(), addresses.clone(), draining.clone());
                let serving = connections.track_future(async move {
                    serving.await;
                    drop(place);
                });
                tasks.spawn("http connection", AtEnd::Quiet, serving);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if let Some(more) = lines.line("not accepted") {
                    let limit = descriptors::limits().soft;
                    let why = if descriptors::used_up(&error) { format!(" (limit {limit})") } else { String::new() };
                    tracing::warn!("cannot accept connections: {error}{why}; trying again{more}");
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(ACCEPT_PAUSE_MAX);
            }
        }
    }
}

/// Whether an error belongs to one connection that ended before its accept.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn prepare(socket: &TcpStream) {
    let _ = socket.set_nodelay(true); // a socket that is gone already is noticed at the first read
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
    let _ = socket2::SockRef::from(socket).set_tcp_keepalive(&keepalive);
}
