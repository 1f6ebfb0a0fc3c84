//! Opens a port of the node. Never accepts. Called for admin, control and the port for peers.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// Connections that wait to be accepted; the system may allow fewer.
const BACKLOG: u32 = 4096;

/// A listener at this address.
///
/// # Errors
/// The address is taken, or is none of this machine.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use tokio::net::TcpStream;

    use super::*;

    /// More than the queue of a listener that names no length.
    const CONNECTIONS: usize = 300;

    #[tokio::test]
    async fn connections_wait_in_the_queue_while_nobody_accepts() {
        let allowed = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        let connections = CONNECTIONS.min(allowed.trim().parse().unwrap());
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        for _ in 0..connections {
            let connected = tokio::time::timeout(Duration::from_secs(5), TcpStream::connect(address)).await;
            waiting.push(connected.expect("the queue has room").unwrap());
        }
    }
}
