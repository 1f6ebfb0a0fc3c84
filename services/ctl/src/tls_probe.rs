//! One handshake with a port, for its end alone: the side that refuses the other's certificate, and why.
//!
//! Never sends a request. The error of a request does not always tell: a port closes the connection behind its alert, and the alert may
//! come too late to be read. Called by `cluster` and `http_client` where TLS may be the fault.

use std::{sync::Arc, time::Duration};

use rustls_pki_types::ServerName;
use tokio::{io::AsyncReadExt, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream, rustls::ClientConfig};

/// For the connection and the handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);
/// A port with TLS 1.3 refuses a certificate after the handshake as we see it; a port that takes the certificate may say nothing.
const REFUSAL_TIMEOUT: Duration = Duration::from_millis(300);

/// The cause of a handshake that failed, in the library's words; none: neither side refused, or the port did not answer.
pub(crate) async fn cause(address: &str, config: &Arc<ClientConfig>, name: &ServerName<'static>) -> Option<String> {
    let shaken = async {
        let stream = TcpStream::connect(address).await.ok()?;
        Some(TlsConnector::from(Arc::clone(config)).connect(name.clone(), stream).await)
    };
    match tokio::time::timeout(HANDSHAKE_TIMEOUT, shaken).await {
        Ok(Some(Ok(stream))) => refusal(stream).await,
        Ok(Some(Err(fault))) => Some(fault.to_string()),
        Ok(None) | Err(_) => None,
    }
}

async fn refusal(mut stream: TlsStream<TcpStream>) -> Option<String> {
    let mut byte = [0; 1];
    let read = tokio::time::timeout(REFUSAL_TIMEOUT, stream.read(&mut byte)).await;
    read.ok()?.err().map(|fault| fault.to_string())
}
