//! One connection from its handshake to its last answer.
//!
//! Never closes without an answer once a request was read (spec 6, MEASURED). Called by `listen`.

use std::{pin::Pin, sync::Arc, time::Duration};

use http::StatusCode;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use outbound::{Refusal, RefusalCode};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::guard::{Guarded, Seen};
use crate::{
    serve::{self, Server},
    to_http::Answer,
};

/// A TLS handshake takes no longer.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// The first head is complete after this, so that half-open connections do not hold places.
const FIRST_HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// A further head is complete, and a connection is used again, after this: longer than load balancers keep theirs.
const HEAD_PATIENCE: Duration = Duration::from_secs(75);
/// After an answer that came before the end of its request, what still arrives is read and dropped for so long: closing
/// at once would reset the connection and take the answer away from the client.
const LINGER: Duration = Duration::from_secs(2);
/// A connection that is idle when HTTP Proxy is told to end stays open for so long: closed at once, it could cross a request
/// that is on its way, and the client would not know whether it was read. Long enough for a balancer to see `/readyz` fail.
const IDLE_GRACE: Duration = Duration::from_secs(1);

/// Serves a connection that was just accepted; `turned_away`: only to refuse its first request.
pub(super) async fn serve(socket: TcpStream, server: Arc<Server>, draining: CancellationToken, turned_away: bool) {
    let _counted = server.stats.connection();
    let Some(tls) = server.settings.tls.clone() else {
        return serve_http(socket, server, draining, turned_away).await;
    };
    match tokio::time::timeout(HANDSHAKE_PATIENCE, TlsAcceptor::from(tls).accept(socket)).await {
        Ok(Ok(socket)) => Box::pin(serve_http(socket, server, draining, turned_away)).await,
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

async fn serve_http<S>(socket: S, server: Arc<Server>, draining: CancellationToken, turned_away: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let seen = Arc::new(Seen::new(turned_away));
    let service = service_fn(|request| serve::answer(server.clone(), seen.clone(), request));
    let answering = server.clone();
    let in_place_of = Box::new(move |status| unread_head(&answering, status));
    let io = TokioIo::new(Guarded::new(socket, seen.clone(), in_place_of));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .max_header_size(server.settings.head_bytes_max)
        .half_close(true)
        .writev(false) // an answer is small: copied behind its head it costs less than a second piece
        .serve_connection(io, service);
    let mut end = Pin::new(&mut connection);
    let first_head = tokio::time::sleep(FIRST_HEAD_PATIENCE);
    tokio::pin!(first_head);
    let last_request = tokio::time::sleep(Duration::MAX);
    tokio::pin!(last_request);
    let (mut waits_for_first, mut told_to_drain, mut told_to_end) = (true, false, false);
    let result = loop {
        tokio::select! {
            result = end.as_mut() => break Some(result),
            () = draining.cancelled(), if !told_to_drain => {
                told_to_drain = true; // from now on every answer says that the connection ends after it
                let grace = if server.link.lost().is_cancelled() { Duration::ZERO } else { IDLE_GRACE };
                last_request.as_mut().reset(tokio::time::Instant::now() + grace);
            }
            () = last_request.as_mut(), if told_to_drain && !told_to_end => {
                told_to_end = true;
                end.as_mut().graceful_shutdown();
            }
            () = first_head.as_mut(), if waits_for_first => {
                waits_for_first = false;
                if !seen.served_any() {
                    break None;
                }
            }
        }
    };
    let cut_short = !matches!(result, Some(Ok(()))) || seen.was_cut_short();
    let mut socket = connection.into_parts().io.into_inner().into_socket();
    if result.is_none() && seen.in_head() {
        let _ = tokio::time::timeout(LINGER, socket.write_all(&head_too_late(&server))).await;
    }
    if cut_short && !seen.ended() {
        linger(&mut socket).await;
    }
}

/// The answer to a head that did not become complete; hyper has none for it.
fn head_too_late(server: &Server) -> Vec<u8> {
    let refusal = Refusal::new(RefusalCode::RequestTimeout, "the head did not arrive in time");
    server.unasked(Answer::of_refusal(&refusal))
}

/// The answer to a head that hyper could not take (spec 6).
fn unread_head(server: &Server, status: u16) -> Vec<u8> {
    if status == 400 {
        return server.unasked(Answer::of_refusal(&Refusal::new(RefusalCode::BadValue, "the head is no HTTP")));
    }
    let bytes_max = server.settings.head_bytes_max;
    let refusal =
        Refusal::new(RefusalCode::Limit, format!("the head is larger than {bytes_max} bytes, or has too many lines"));
    let answer = Answer { status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, ..Answer::of_refusal(&refusal) };
    server.unasked(answer)
}

/// Says that nothing more will be written, and drops what still arrives.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut S) {
    let dropping = async {
        let _ = socket.shutdown().await; // hyper may have done so already
        let mut scrap = [0; 4096];
        while socket.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
    };
    let _ = tokio::time::timeout(LINGER, dropping).await;
}
