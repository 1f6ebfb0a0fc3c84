//! One connection from its handshake to its last answer.
//!
//! Never closes without an answer once a request was read (spec 6, MEASURED). Called by `listen`.

use std::{net::IpAddr, pin::Pin, sync::Arc, time::Duration};

use chassis::{
    lines::Causes,
    tls::{self, HandshakeFault, LiveCertificate},
};
use http::StatusCode;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use outbound::{Refusal, RefusalCode};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use super::{
    addresses::{Addresses, Entered},
    proxy_header,
};
use crate::{
    guard::{Exceeded, Guarded, HeadCounts},
    serve::{self, Port, Server},
    stats::Reason,
    to_http::Answer,
};

/// Time limits of a connection until its first head, and at its end.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// For its TLS handshake.
    handshake: Duration,
    /// Until its first head is complete, so that half-open connections do not hold places.
    first_head: Duration,
    /// After an answer that precedes the end of its request, further bytes are read and dropped for so long: an immediate
    /// close would reset the connection and take the answer away from the client.
    linger: Duration,
}

/// Of a connection that is served; head and handshake have the configured time.
const LINGER: Duration = Duration::from_secs(2);
/// A connection that is turned away gets its refusal soon and makes room for the next: silent connections must not delay
/// refusals to others.
const TURNED_AWAY: Patience = Patience {
    handshake: Duration::from_secs(2),
    first_head: Duration::from_millis(500),
    linger: Duration::from_millis(500),
};
/// An idle connection stays open for so long after the drain begins: an immediate close could cross a request on its way, and
/// the client would not know whether the request was read. Long enough for a balancer to see `/readyz` fail.
const IDLE_GRACE: Duration = Duration::from_secs(1);

/// Lines about connections that are not served, a minute and cause.
static REFUSED: Causes = Causes::new(6);
/// Lines about failed TLS handshakes, a minute and reason.
static HANDSHAKES: Causes = Causes::new(3);

/// A connection that was just accepted.
pub(super) struct Arrival {
    pub(super) socket: TcpStream,
    pub(super) from: IpAddr,
    /// The port that took the connection.
    pub(super) port: Arc<Port>,
    /// Why the connection is served only to refuse its first request.
    pub(super) turned_away: Option<&'static str>,
}

/// Serves a connection that was just accepted.
pub(super) async fn serve(
    arrival: Arrival,
    server: Arc<Server>,
    addresses: Arc<Addresses>,
    draining: CancellationToken,
) {
    let _counted = server.stats.connection();
    let began = Instant::now();
    let Arrival { mut socket, from, port, mut turned_away } = arrival;
    if turned_away.is_some() {
        server.stats.refused(Reason::Connections);
    }
    let until = began + patience(&server, turned_away).first_head;
    let Some(client) = client(&mut socket, from, &server, &addresses, until).await else { return };
    let entered = if turned_away.is_none() { addresses.enter(client) } else { None };
    if turned_away.is_none() && entered.is_none() {
        turned_away = Some(crowded(&server, client));
    }
    let (of_client, certificate) = (Some(client), None);
    let mut visit =
        Visit { server, port, draining, turned_away, began, certificate, client: of_client, _entered: entered };
    let Some(certificate) = visit.port.tls.clone() else { return serve_http(socket, visit).await };
    let limit = patience(&visit.server, visit.turned_away).handshake;
    match tokio::time::timeout(limit, secure(socket, &certificate)).await {
        Ok(Ok(Some(socket))) => {
            let shown = socket.get_ref().1.peer_certificates().unwrap_or_default();
            visit.certificate = (!shown.is_empty()).then(|| tls::name_shown(shown).unwrap_or_default().into());
            return Box::pin(serve_http(socket, visit)).await;
        }
        Ok(Ok(None)) => return,
        Ok(Err(fault)) => refuse(&visit, client, &fault),
        Err(_) => visit.server.stats.handshake_refused("slow"),
    }
    visit.server.stats.refused(Reason::Handshake);
}

/// The handshake; none: the client closed the connection without a byte, as health checks of balancers do.
async fn secure(
    socket: TcpStream,
    certificate: &LiveCertificate,
) -> Result<Option<TlsStream<TcpStream>>, HandshakeFault> {
    let mut first = [0];
    match socket.peek(&mut first).await {
        Ok(1) => tls::first_byte(first[0])?,
        _ => return Ok(None),
    }
    let accepted = TlsAcceptor::from(certificate.server()).accept(socket).await;
    accepted.map(Some).map_err(|error| HandshakeFault::of(&error))
}

fn refuse(visit: &Visit, client: IpAddr, fault: &HandshakeFault) {
    visit.server.stats.handshake_refused(fault.reason());
    if let Some(more) = HANDSHAKES.line(fault.reason()) {
        tracing::warn!(%client, "the HTTPS port {} refused a caller: {fault}{more}", visit.port.address);
    }
    visit.server.stats.refused(Reason::Handshake);
}

/// Serves a connection that is no socket of a port.
#[cfg(feature = "front")]
pub(crate) async fn serve_stream<S>(socket: S, server: Arc<Server>, port: Arc<Port>, draining: CancellationToken)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (turned_away, certificate, client) = (None, None, None);
    let visit =
        Visit { server, port, draining, turned_away, began: Instant::now(), certificate, client, _entered: None };
    serve_http(socket, visit).await;
}

/// The limits of a connection, which is served, or turned away.
fn patience(server: &Server, turned_away: Option<&'static str>) -> Patience {
    let head = server.settings.patience.head;
    let served = Patience { handshake: head, first_head: head, linger: LINGER };
    if turned_away.is_some() { TURNED_AWAY } else { served }
}

/// The state of a connection before its first byte of HTTP.
struct Visit {
    server: Arc<Server>,
    port: Arc<Port>,
    draining: CancellationToken,
    turned_away: Option<&'static str>,
    began: Instant,
    /// Name of the client's verified certificate; empty: a certificate without a name.
    certificate: Option<Arc<str>>,
    /// None: the connection is no socket of a port.
    client: Option<IpAddr>,
    _entered: Option<Entered>,
}

/// The client's address, which a balancer names in its header; none: the balancer sent no valid header, and has been refused.
async fn client(
    socket: &mut TcpStream,
    from: IpAddr,
    server: &Server,
    addresses: &Addresses,
    until: Instant,
) -> Option<IpAddr> {
    if !server.settings.proxy_protocol || !addresses.is_balancer(from) {
        return Some(from);
    }
    let read = tokio::time::timeout_at(until, proxy_header::read(socket)).await;
    let why = match read {
        Ok(Ok(client)) => return Some(client.unwrap_or(from)),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "it did not arrive in time".to_owned(),
    };
    if let Some(more) = REFUSED.line("headerless") {
        tracing::warn!(%from, "a balancer's connection has no PROXY protocol v2 header ({why}): http_proxy.proxy_protocol is on{more}");
    }
    server.stats.refused(Reason::ProxyHeader);
    let message = format!("a PROXY protocol v2 header must come first: {why}");
    let answer = server.unasked(Answer::of_refusal(&Refusal::new(RefusalCode::BadValue, message)));
    let _ = tokio::time::timeout(TURNED_AWAY.linger, socket.write_all(&answer)).await;
    linger(socket, TURNED_AWAY.linger).await;
    None
}

fn crowded(server: &Server, client: IpAddr) -> &'static str {
    server.stats.refused(Reason::ConnectionsOfAddress);
    if let Some(more) = REFUSED.line("crowded") {
        let bound = server.settings.connections_per_address_max;
        tracing::warn!(%client, "no more than {bound} connections of one address (http_proxy.connections_per_address_max): turned away{more}");
    }
    "too many connections of this address"
}

async fn serve_http<S>(socket: S, visit: Visit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let patience = patience(&visit.server, visit.turned_away);
    let Visit { server, port, draining, turned_away, began, certificate, client, _entered } = visit;
    let seen = Arc::new(HeadCounts::new(turned_away));
    let of_connection = || (certificate.clone(), client);
    let service =
        service_fn(|request| serve::answer(server.clone(), port.clone(), seen.clone(), of_connection(), request));
    let (answering, of_guard) = (server.clone(), seen.clone());
    let in_place_of = Box::new(move |status| unread_head(&answering, &of_guard, status));
    let io = TokioIo::new(Guarded::new(socket, seen.clone(), server.settings.patience, in_place_of));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(None) // the guard tells a slow head from a pause
        .max_header_size(server.settings.head_bytes_max)
        .max_buf_size(server.settings.head_bytes_max) // `body` gathers bodies and counts their bytes
        .half_close(true)
        .writev(false) // an answer is small: a copy behind its head costs less than a second slice
        .serve_connection(io, service);
    let mut end = Pin::new(&mut connection);
    let first_head = tokio::time::sleep_until(began + patience.first_head);
    tokio::pin!(first_head);
    let last_request = tokio::time::sleep(Duration::MAX);
    tokio::pin!(last_request);
    let (mut waits_for_first, mut told_to_drain, mut told_to_end) = (true, false, false);
    let result = loop {
        tokio::select! {
            result = end.as_mut() => break Some(result),
            () = draining.cancelled(), if !told_to_drain => {
                told_to_drain = true; // after the node's drain notice every answer ends its connection
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
    let (mut socket, is_mid_answer) = connection.into_parts().io.into_inner().into_socket();
    let answer = last_word(&server, &seen, turned_away, result.is_some());
    if let Some(answer) = answer.filter(|_| !is_mid_answer) {
        let _ = tokio::time::timeout(patience.linger, socket.write_all(&answer)).await;
    }
    if cut_short && !seen.ended() {
        linger(&mut socket, patience.linger).await;
    }
}

/// The answer to input that hyper left without an answer; counts the limit that ended the connection.
fn last_word(
    server: &Server,
    seen: &HeadCounts,
    turned_away: Option<&'static str>,
    has_ended: bool,
) -> Option<Vec<u8>> {
    match seen.exceeded() {
        Some(Exceeded::Idle) => server.stats.refused(Reason::Idle),
        Some(Exceeded::Write) => server.stats.refused(Reason::WriteTime),
        Some(Exceeded::Head) | None => {}
    }
    if seen.was_answered_in_place() {
        return None;
    }
    if seen.is_http2() && has_ended {
        return Some(no_http2(server));
    }
    match turned_away {
        _ if seen.exceeded() == Some(Exceeded::Head) => Some(head_too_late(server)),
        _ if has_ended => None,
        Some(why) => Some(server.unasked(serve::turned_away(why))),
        None if seen.in_head() => Some(head_too_late(server)),
        None => {
            server.stats.refused(Reason::HeadTime); // a silent connection gets no answer
            None
        }
    }
}

/// The answer to the preface of HTTP/2, which a client sends that assumes HTTP/2.
fn no_http2(server: &Server) -> Vec<u8> {
    server.stats.refused(Reason::Http2);
    server.unasked(Answer::of_refusal(&Refusal::new(RefusalCode::BadValue, "HTTP/2 is not spoken here: use HTTP/1.1")))
}

/// The answer to a head that did not become complete; hyper has none for it.
fn head_too_late(server: &Server) -> Vec<u8> {
    server.stats.refused(Reason::HeadTime);
    let refusal = Refusal::new(RefusalCode::RequestTimeout, "the head did not arrive in time");
    server.unasked(Answer::of_refusal(&refusal))
}

/// The answer to a head that hyper could not take (spec 6).
fn unread_head(server: &Server, seen: &HeadCounts, status: u16) -> Vec<u8> {
    server.stats.refused(match status {
        400 if seen.found_ambiguous() => Reason::Ambiguous,
        400 => Reason::NotHttp,
        _ => Reason::HeadSize,
    });
    if status == 400 {
        return server.unasked(Answer::of_refusal(&Refusal::new(RefusalCode::BadValue, "the head is no HTTP")));
    }
    let bytes_max = server.settings.head_bytes_max;
    let refusal =
        Refusal::new(RefusalCode::Limit, format!("the head is larger than {bytes_max} bytes, or has too many lines"));
    let answer = Answer { status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, ..Answer::of_refusal(&refusal) };
    server.unasked(answer)
}

/// Shuts down the write side and drops further input.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut S, patience: Duration) {
    let dropping = async {
        let _ = socket.shutdown().await; // hyper may have done so already
        let mut scrap = [0; 4096];
        while socket.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
    };
    let _ = tokio::time::timeout(patience, dropping).await;
}
