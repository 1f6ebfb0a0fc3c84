//! Takes connections off a listener, one after the other, and finds a place for each. Never waits for a caller.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use chassis::descriptors;
use tokio::net::{TcpListener, TcpStream};

use super::{Place, Places, Refusals, reserve::Reserve};

/// Pause after accept itself failed (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Number of refused or pushed-out connections before a pause: this bounds the cost of a flood. Faster arrivals wait in the
/// system's queue. With more places than these, the newest connection has enough time to identify itself.
const CROWDED_AT_ONCE: u32 = 8;
const CROWDED_PAUSE: Duration = Duration::from_millis(1);

/// A listener of the node.
#[derive(Debug)]
pub struct Accepting {
    listener: TcpListener,
    refusals: Arc<Refusals>,
    reserve: Reserve,
    crowded: u32,
}

impl Accepting {
    /// `reserve`: descriptors kept for connections that arrive when no others are left.
    pub fn new(listener: TcpListener, refusals: Arc<Refusals>, reserve: usize) -> Self {
        Self { listener, refusals, reserve: Reserve::new(reserve), crowded: 0 }
    }

    /// The next connection. Safe to cancel.
    pub async fn next(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, from)) => {
                    self.reserve.refill();
                    // Small answers should not wait for a full segment; a socket without that option still works.
                    drop(stream.set_nodelay(true));
                    return (stream, from);
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) if descriptors::used_up(&error) && self.reserve.give() => {}
                Err(error) => {
                    self.refusals.fault("accept", &format_args!("cannot accept a connection: {error}"));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// A place for the connection; none: the connection was refused.
    pub async fn place(&mut self, places: &Places, from: SocketAddr) -> Option<Place> {
        match places.take(from.ip()) {
            Ok((place, false)) => Some(place),
            Ok((place, true)) => {
                let reason = "it is crowded: the oldest connection that asked for nothing was closed for it";
                self.refusals.fault("crowded", &reason);
                self.slow_down().await;
                Some(place)
            }
            Err(full) => {
                self.refusals.connection(from, "full", &full);
                self.slow_down().await;
                None
            }
        }
    }

    async fn slow_down(&mut self) {
        self.crowded += 1;
        if self.crowded >= CROWDED_AT_ONCE {
            self.crowded = 0;
            tokio::time::sleep(CROWDED_PAUSE).await;
        }
    }
}

/// Errors of a connection that went away before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
