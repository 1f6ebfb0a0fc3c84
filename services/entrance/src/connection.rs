//! One connection from its handshake to its end: by the client, by a time limit, by a newer connection, or by the stop.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::Router;
use chassis::{
    tasks::{AtEnd, Tasks},
    tls::{self, HandshakeFault, LiveCertificate},
};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    Caller, Entrance, Place, Protocol,
    rates::Rated,
    requests::{Requests, Verdict},
};

/// Largest head of a request, bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
const HEADER_LIST_BYTES_MAX: u32 = 16 << 10;
/// Bytes that a client may send ahead of the node: for one request, and for all requests of a connection.
const WINDOW_BYTES: u32 = 256 << 10;
/// Bytes of answers that wait in a stream for its client.
const SEND_BYTES_MAX: usize = 256 << 10;
/// Streams that a client has reset before the node took them, and streams that ended by a fault of the client: beyond, h2 ends the
/// connection.
const RESETS_BEFORE_ACCEPT_MAX: usize = 20;
const FAULTY_STREAMS_MAX: usize = 64;
/// Interval and time limit of keep-alive pings: a vanished peer is noticed after twice this time.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// Time for the requests in flight of a connection that is told to end.
const FAREWELL: Duration = Duration::from_millis(500);

/// Why a connection ends before its first request.
enum Refused {
    Silent(String),
    Handshake(HandshakeFault),
    /// The caller closed the connection without a byte, as health checks of balancers do.
    Gone,
}

impl Refused {
    fn tell(self, entrance: &Entrance, from: SocketAddr) {
        match self {
            Self::Silent(reason) => entrance.refusals.connection(from, "silent", &reason),
            Self::Handshake(fault) => entrance.refusals.handshake(from, &fault),
            Self::Gone => {}
        }
    }
}

/// Serves a connection that was just accepted.
pub(super) async fn serve(
    entrance: Arc<Entrance>,
    stream: TcpStream,
    from: SocketAddr,
    place: Place,
    tls: Option<Arc<LiveCertificate>>,
    router: Router,
    tasks: Tasks,
) {
    let requests = Arc::new(Requests::new(entrance.clone(), place));
    let io = match begin(&entrance, &requests, stream, from, tls.as_deref()).await {
        Ok(io) => io,
        Err(refused) => return refused.tell(&entrance, from),
    };
    let local = entrance.local.clone().filter(|_| tls.is_some() && matches!(io, Connection::Plain(_)));
    let router = local.unwrap_or(router);
    let (answering, closing) = (requests.clone(), tasks.stopping());
    let caller = io.caller(from);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(caller.clone());
        let answer = answering.clone().answer(router.clone(), request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let builder = builder(&entrance, tasks);
    let flood = Arc::new(OnceLock::new());
    let io = Rated::new(io, entrance.protocol == Protocol::Grpc, flood.clone());
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(io), service));
    let mut told_to_end = false;
    let mut until = std::pin::pin!(tokio::time::sleep(Duration::ZERO)); // the first verdict sets the time of the next
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                match flood.get() {
                    Some(flood) => entrance.refusals.connection(from, "flood", flood),
                    None if ended.is_err() => entrance.refusals.count("broken"), // no protocol, or half a request
                    None => {}
                }
                return;
            }
            () = requests.place().pushed_out() => return entrance.refusals.connection(from, "pushed out", &"it asked for nothing while others waited"),
            () = closing.cancelled(), if !told_to_end => {}
            () = until.as_mut() => {
                if told_to_end {
                    return;
                }
                match requests.verdict(Instant::now()) {
                    Verdict::Wait(moment) => {
                        until.as_mut().reset(moment.into());
                        continue;
                    }
                    Verdict::Silent => return entrance.refusals.connection(from, "silent", &too_slow(&entrance)),
                    Verdict::Untaken => return entrance.refusals.connection(from, "untaken", &"it takes no answers"),
                    Verdict::Idle => entrance.refusals.ended("idle"),
                }
            }
        }
        told_to_end = true;
        connection.as_mut().graceful_shutdown();
        until.as_mut().reset(tokio::time::Instant::now() + FAREWELL);
    }
}

fn too_slow(entrance: &Entrance) -> String {
    format!("no handshake and no request within {} s", entrance.limits.first_head.as_secs())
}

/// The bytes of a connection, once its first byte has come and its handshake is complete.
async fn begin(
    entrance: &Entrance,
    requests: &Requests,
    stream: TcpStream,
    from: SocketAddr,
    tls: Option<&LiveCertificate>,
) -> Result<Connection, Refused> {
    let until = tokio::time::Instant::now() + entrance.limits.first_head;
    let first = first_byte(entrance, requests, &stream, until).await?;
    let Some(certificate) = tls else { return Ok(Connection::Plain(stream)) };
    match tls::first_byte(first.ok_or(Refused::Gone)?) {
        Ok(()) => handshake(entrance, requests, stream, certificate, until).await,
        Err(HandshakeFault::PlainHttp) if from.ip().to_canonical().is_loopback() && entrance.local.is_some() => {
            Ok(Connection::Plain(stream))
        }
        Err(fault) => Err(Refused::Handshake(fault)),
    }
}

/// The first byte; none: the connection is at its end. Sends nothing to a client that has sent nothing: HTTP/2 would begin with its
/// settings.
async fn first_byte(
    entrance: &Entrance,
    requests: &Requests,
    stream: &TcpStream,
    until: tokio::time::Instant,
) -> Result<Option<u8>, Refused> {
    let mut first = [0];
    tokio::select! {
        spoken = tokio::time::timeout_at(until, stream.peek(&mut first)) => match spoken {
            Ok(Ok(1)) => Ok(Some(first[0])),
            Ok(_) => Ok(None), // an end or a fault shows again where the bytes are read
            Err(_) => Err(Refused::Silent(too_slow(entrance))),
        },
        () = requests.place().pushed_out() => {
            Err(Refused::Silent("it asked for nothing while others waited".to_owned()))
        }
    }
}

async fn handshake(
    entrance: &Entrance,
    requests: &Requests,
    stream: TcpStream,
    certificate: &LiveCertificate,
    until: tokio::time::Instant,
) -> Result<Connection, Refused> {
    let accepting = TlsAcceptor::from(certificate.server()).accept(stream);
    tokio::select! {
        accepted = tokio::time::timeout_at(until, accepting) => match accepted {
            Ok(Ok(stream)) => Ok(Connection::Tls(Box::new(stream))),
            Ok(Err(error)) => Err(Refused::Handshake(HandshakeFault::of(&error))),
            Err(_) => Err(Refused::Silent(too_slow(entrance))),
        },
        () = requests.place().pushed_out() => {
            Err(Refused::Silent("no TLS handshake while it was crowded".to_owned()))
        }
    }
}

fn builder(entrance: &Entrance, tasks: Tasks) -> auto::Builder<Streams> {
    let builder = auto::Builder::new(Streams(tasks));
    let mut builder = match entrance.protocol {
        Protocol::Http1 => builder.http1_only(),
        Protocol::Grpc => builder.http2_only(),
    };
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEAD_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(entrance.limits.streams_max)
        .max_header_list_size(HEADER_LIST_BYTES_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .adaptive_window(false)
        .max_send_buf_size(SEND_BYTES_MAX)
        .max_pending_accept_reset_streams(RESETS_BEFORE_ACCEPT_MAX)
        .max_local_error_reset_streams(FAULTY_STREAMS_MAX)
        .keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE);
    builder
}

/// Runs the requests of a connection as tasks of the process.
#[derive(Debug, Clone)]
struct Streams(Tasks);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.0.spawn("request", AtEnd::Quiet, stream);
    }
}

/// The bytes of a connection.
#[derive(Debug)]
enum Connection {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    /// The client, by its certificate.
    fn caller(&self, address: SocketAddr) -> Caller {
        let certificates = match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => stream.get_ref().1.peer_certificates(),
        };
        let shown = certificates.unwrap_or_default();
        let operator = shown.first().is_some_and(|own| matches!(tls::role::role_of(own), tls::role::Role::Operator(_)));
        Caller { address, principal: tls::name_shown(shown).map(Into::into), operator }
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, from),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, from),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
