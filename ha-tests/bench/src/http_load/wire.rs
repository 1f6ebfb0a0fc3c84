//! Connections of clients: TCP, or TLS over TCP. No layer stands between a client of plain HTTP and its socket.

use std::io;

use tokio::{io::AsyncWriteExt, net::TcpStream};
use tokio_rustls::client::TlsStream;

use super::{access::Trust, answer::read_whole};

/// An open connection.
pub(super) enum Wire {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    /// Connects; without trust, by plain TCP.
    pub(super) async fn open(address: &str, trust: Option<&Trust>) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let Some(Trust { connector, name }) = trust else { return Ok(Self::Plain(socket)) };
        Ok(Self::Tls(Box::new(connector.connect(name.clone(), socket).await?)))
    }

    /// Sends a request and reads its answer.
    pub(super) async fn exchange(&mut self, request: &[u8], answer: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Plain(socket) => {
                socket.write_all(request).await?;
                read_whole(socket, answer).await
            }
            Self::Tls(socket) => {
                socket.write_all(request).await?;
                socket.flush().await?; // a socket that is full leaves encrypted bytes with the session
                read_whole(socket, answer).await
            }
        }
    }
}
