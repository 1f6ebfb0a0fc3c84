//! The requests of one connection: counted while in flight, with their bytes and with the answers that wait for the client. The
//! counts tell the connection whether a client uses it.
//!
//! Never reads a body, and makes no answer except the refusal of too many requests.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Instant,
};

use axum::{Router, body::Body, response::IntoResponse};
use http::{HeaderMap, Request, Response, StatusCode, Version, header};
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use tokio::{sync::OwnedSemaphorePermit, time::Sleep};
use tonic::Status;
use tower::ServiceExt;

use super::{Entrance, Limits, Phase, Place, Protocol};

/// The next step of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No step before this moment.
    Wait(Instant),
    /// The first request did not come in time.
    Silent,
    /// No request came for long.
    Idle,
    /// The client takes no answers.
    Untaken,
}

/// The requests of one connection.
#[derive(Debug)]
pub(super) struct Requests {
    entrance: Arc<Entrance>,
    place: Place,
    used: Mutex<Used>,
}

#[derive(Debug)]
struct Used {
    begun: Instant,
    requests: u64,
    under_way: usize,
    ended: Instant,
    /// Answers with a part that the client has not taken yet, and since when.
    waiting: HashMap<u64, Instant>,
}

impl Requests {
    pub(super) fn new(entrance: Arc<Entrance>, place: Place) -> Self {
        let now = Instant::now();
        let used = Used { begun: now, requests: 0, under_way: 0, ended: now, waiting: HashMap::new() };
        Self { entrance, place, used: Mutex::new(used) }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Whether the client still uses the connection.
    pub(super) fn verdict(&self, now: Instant) -> Verdict {
        self.used().verdict(&self.entrance.limits, now)
    }

    /// Has a request answered.
    pub(super) async fn answer(self: Arc<Self>, router: Router, request: Request<Incoming>) -> Response<Body> {
        let under_way = UnderWay::begin(self.clone());
        if self.entrance.protocol == Protocol::Http1
            && let Err(why) = one_host(request.version(), request.headers())
        {
            self.entrance.refusals.count("host");
            return (StatusCode::BAD_REQUEST, [(header::CONNECTION, "close")], why).into_response();
        }
        let Ok(permit) = self.entrance.requests.clone().try_acquire_owned() else {
            self.entrance.refusals.count("requests");
            return too_many(self.entrance.protocol);
        };
        let entrance = self.entrance.clone();
        let request = request.map(|body| Body::new(Counted { body, entrance, taken: None, late: None }));
        let response = router.oneshot(request).await.unwrap_or_else(|never| match never {});
        response.map(|body| Body::new(Answering { body, under_way, _permit: permit }))
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Used {
    fn verdict(&self, limits: &Limits, now: Instant) -> Verdict {
        let (since, patience, over) = match self.waiting.values().min() {
            _ if self.requests == 0 => (self.begun, limits.first_head, Verdict::Silent),
            Some(since) => (*since, limits.untaken, Verdict::Untaken),
            None if self.under_way == 0 => (self.ended, limits.idle, Verdict::Idle),
            None => (now, limits.untaken, Verdict::Untaken), // the node still owes the answer
        };
        if now.saturating_duration_since(since) >= patience { over } else { Verdict::Wait(since + patience) }
    }
}

/// HTTP/1.1 asks for exactly one `Host`, HTTP/1.0 for at most one: a proxy in front may go by another `Host` than this port, so
/// such a request is refused, as at the port of HTTP Proxy.
fn one_host(version: Version, headers: &HeaderMap) -> Result<(), &'static str> {
    match headers.get_all(header::HOST).iter().count() {
        0 if version >= Version::HTTP_11 => Err("the Host header is missing\n"),
        0 | 1 => Ok(()),
        _ => Err("more than one Host header\n"),
    }
}

/// The answer beyond the limit of requests.
fn too_many(protocol: Protocol) -> Response<Body> {
    let why = "too many requests are under way at this port: try again";
    match protocol {
        Protocol::Grpc => Status::resource_exhausted(why).into_http(),
        Protocol::Http1 => (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], why).into_response(),
    }
}

/// A request in flight, until its answer has gone.
#[derive(Debug)]
struct UnderWay {
    requests: Arc<Requests>,
    number: u64,
}

impl UnderWay {
    fn begin(requests: Arc<Requests>) -> Self {
        let number = {
            let mut used = requests.used();
            used.requests += 1;
            used.under_way += 1;
            used.requests
        };
        requests.place.is(Phase::Busy);
        Self { requests, number }
    }

    /// A part of the answer was handed over.
    fn gave(&self) {
        self.requests.used().waiting.insert(self.number, Instant::now());
    }

    /// The client took the part.
    fn taken(&self) {
        self.requests.used().waiting.remove(&self.number);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let left = {
            let mut used = self.requests.used();
            used.waiting.remove(&self.number);
            used.under_way -= 1;
            used.ended = Instant::now();
            used.under_way
        };
        if left == 0 {
            self.requests.place.is(Phase::Idle);
        }
    }
}

/// The body of an answer. A server asks for a further part once the client has taken the last one.
struct Answering {
    body: Body,
    under_way: UnderWay,
    _permit: OwnedSemaphorePermit,
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.under_way.taken();
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.under_way.gave();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why a body ends early.
type Fault = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request, which has to come in time; its bytes count against those of the whole port until the request is answered.
struct Counted {
    body: Incoming,
    entrance: Arc<Entrance>,
    taken: Option<OwnedSemaphorePermit>,
    /// Runs from the first wait for a byte.
    late: Option<Pin<Box<Sleep>>>,
}

impl Counted {
    fn take(&mut self, bytes: usize) -> Result<(), Status> {
        let full = || {
            self.entrance.refusals.count("bytes");
            Status::resource_exhausted("too many bytes of requests are under way at this port: try again")
        };
        let bytes = u32::try_from(bytes).map_err(|_| full())?;
        let permit = self.entrance.bytes.clone().try_acquire_many_owned(bytes).map_err(|_| full())?;
        match &mut self.taken {
            Some(taken) => taken.merge(permit),
            None => self.taken = Some(permit),
        }
        Ok(())
    }

    /// No further byte has come: an error, once the body's time is over.
    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Fault>>> {
        let limit = self.entrance.limits.body;
        ready!(self.late.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit))).as_mut().poll(cx));
        self.entrance.refusals.count("body");
        let seconds = limit.as_secs();
        Poll::Ready(Some(Err(
            Status::deadline_exceeded(format!("the request was not complete within {seconds} s")).into()
        )))
    }
}

impl HttpBody for Counted {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else { return self.wait(cx) };
        let Some(frame) = frame else { return Poll::Ready(None) };
        let frame = frame.map_err(Into::into).and_then(|frame| {
            let bytes = frame.data_ref().map_or(0, Bytes::len);
            self.take(bytes).map(|()| frame).map_err(Into::into)
        });
        Poll::Ready(Some(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_judged_by_what_was_asked_of_it_and_what_its_client_took() {
        let limits = Limits::fitting(65_536);
        let begun = Instant::now();
        let mut used = Used { begun, requests: 0, under_way: 0, ended: begun, waiting: HashMap::new() };
        assert_eq!(used.verdict(&limits, begun), Verdict::Wait(begun + limits.first_head));
        assert_eq!(used.verdict(&limits, begun + limits.first_head), Verdict::Silent);
        (used.requests, used.under_way) = (1, 1);
        let later = begun + 10 * limits.idle;
        assert_eq!(used.verdict(&limits, later), Verdict::Wait(later + limits.untaken), "the answer is ours to give");
        used.waiting.insert(1, later);
        assert_eq!(used.verdict(&limits, later + limits.untaken), Verdict::Untaken);
        (used.under_way, used.ended, used.waiting) = (0, later, HashMap::new());
        assert_eq!(used.verdict(&limits, later), Verdict::Wait(later + limits.idle));
        assert_eq!(used.verdict(&limits, later + limits.idle), Verdict::Idle);
    }
}
