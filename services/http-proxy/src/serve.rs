//! The way of one request through HTTP Proxy (architecture, The way of one request): read, translate, hand over, answer.
//!
//! Holds no rule of its own: `from_http` and `to_http` translate, `link` hands over. Called by each connection.

use std::{
    convert::Infallible,
    net::IpAddr,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use chassis::{lines::Causes, logging::Masked, spans::SpanContext, tls::LiveCertificate};
use futures::FutureExt;
use http::{Method, Response, StatusCode, request::Parts};
use hyper::body::Incoming as IncomingBody;
use outbound::{AccessScope, Refusal, RefusalCode, Request, Verb, wire};

use crate::{
    answer_body::{AnswerBody, AnswerRoom},
    body::{self, BodyBudget, Unread},
    credential::{Credential, Unfit},
    from_api::{self, Call},
    from_http::{self, Incoming, Rejected, Translated},
    guard::HeadCounts,
    health,
    link::client::{Link, Sender, Unanswered},
    settings::Settings,
    spans,
    stats::{Reason, Stats},
    to_api,
    to_http::{Answer, Dress},
};

/// The state that all connections share.
pub(crate) struct Server {
    pub(crate) settings: Settings,
    pub(crate) link: Link,
    pub(crate) stats: Arc<Stats>,
    dress: Dress,
    pub(crate) bodies: BodyBudget,
    answers: AnswerRoom,
    body_lines: Causes,
    fault_lines: Causes,
    in_flight: AtomicUsize,
    faults: AtomicU64,
}

/// The port by which a request came.
#[derive(Debug)]
pub(crate) struct Port {
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// `host:port` as bound, for a client that names no host.
    pub(crate) address: String,
    /// None: plain HTTP.
    pub(crate) tls: Option<Arc<LiveCertificate>>,
}

/// An answer, and the request name of its count; health checks are not counted.
type Counted = (Answer, Option<&'static str>);
/// The name under which requests without a name are counted.
const UNNAMED: &str = "-";
const BODY_LINES_PER_MINUTE: u32 = 1;
/// A request that meets a bug may come any number of times.
const FAULT_LINES_PER_MINUTE: u32 = 10;
/// Pause before a refusal for want of room: an immediate retry must not cost more than a served request.
const REFUSAL_PAUSE: Duration = Duration::from_millis(250);

impl Server {
    pub(crate) fn new(settings: Settings, link: Link, stats: Arc<Stats>) -> Self {
        let (node, custom) = (settings.node.clone(), settings.custom_headers.clone());
        let dress = Dress { node, custom, charset: settings.encoding };
        Self {
            bodies: BodyBudget::new(settings.bodies_bytes_max),
            answers: AnswerRoom::new(),
            body_lines: Causes::new(BODY_LINES_PER_MINUTE),
            fault_lines: Causes::new(FAULT_LINES_PER_MINUTE),
            settings,
            link,
            stats,
            dress,
            in_flight: AtomicUsize::new(0),
            faults: AtomicU64::new(0),
        }
    }

    /// The bytes on the wire of an answer to input that never became a request; the connection ends after this answer.
    pub(crate) fn unasked(&self, answer: Answer) -> Vec<u8> {
        let response = self.dress.put_on(answer.closing(), self.link.standing());
        let (status, body) = (response.status(), response.body());
        let mut bytes = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len()).into_bytes();
        for (name, value) in response.headers() {
            bytes.extend_from_slice(name.as_str().as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        bytes
    }

    /// The start of a record's URI.
    fn base(&self, port: &Port, host: Option<&str>) -> String {
        match &self.settings.advertised_url {
            Some(url) => url.clone(),
            None => format!("{}://{}", port.scheme, host.unwrap_or(&port.address)),
        }
    }
}

/// A request's place: its id, and its connection.
#[derive(Clone, Copy)]
struct Asked<'a> {
    server: &'a Server,
    id: u64,
    port: &'a Port,
    /// Name of the connection's verified certificate.
    certificate: Option<&'a str>,
    /// Address of the client, where a balancer names one that of its client.
    client: Option<IpAddr>,
    /// The span of the request; none: the request is not traced.
    trace: Option<SpanContext>,
}

/// Answers every request: a panic here becomes a 500, not a closed connection. Of the connection: the name of its verified certificate,
/// and its client.
pub(crate) async fn answer(
    server: Arc<Server>,
    port: Arc<Port>,
    seen: Arc<HeadCounts>,
    (certificate, client): (Option<Arc<str>>, Option<IpAddr>),
    request: hyper::Request<IncomingBody>,
) -> Result<Response<AnswerBody>, Infallible> {
    let (began, id) = (Instant::now(), server.link.next_id());
    let is_api = server.settings.api && from_api::is_under(request.uri().path());
    let is_read = request.method().is_safe();
    let sampler = server.settings.sampler.as_ref();
    let span = sampler.and_then(|sampler| sampler.begin("http request", spans::traceparent(request.headers())));
    let span = span.map(|span| (span, request.method().clone()));
    let trace = span.as_ref().map(|(span, _)| span.context());
    let asked = Asked { server: &server, id, port: &port, certificate: certificate.as_deref(), client, trace };
    let outcome = AssertUnwindSafe(dispatch(asked, &seen, request)).catch_unwind().await;
    let (answer, name) = outcome.unwrap_or_else(|_| (fault(&server, id), Some(UNNAMED)));
    let (answer, share) = server.answers.share(answer, is_read);
    if let Some(name) = name {
        server.stats.answered(name, answer.status.as_u16(), began.elapsed());
        if let Some((span, method)) = span {
            spans::end(span, &method, name, id, answer.status.as_u16());
        }
    }
    let answer = if is_api { to_api::of_interface(answer) } else { answer };
    let answer = if server.link.is_leaving() { answer.closing() } else { answer };
    Ok(server.dress.put_on(answer, server.link.standing()).map(|body| AnswerBody::new(body, share)))
}

/// The panic itself has gone to the log; the client gets a number to look for.
fn fault(server: &Server, id: u64) -> Answer {
    let number = server.faults.fetch_add(1, Ordering::Relaxed) + 1;
    if let Some(more) = server.fault_lines.line("fault") {
        tracing::error!(fault = number, request = id, "a request could not be answered because of a bug{more}");
    }
    Answer::of_refusal(&Refusal::new(RefusalCode::Internal, format!("internal fault {number}; the log says more")))
}

async fn dispatch(asked: Asked<'_>, seen: &HeadCounts, request: hyper::Request<IncomingBody>) -> Counted {
    let Asked { server, id, certificate, .. } = asked;
    let (head, body) = request.into_parts();
    if seen.is_ambiguous() {
        seen.cut_short();
        return (ambiguous(server), Some(UNNAMED));
    }
    let host = match from_http::host(head.version, &head.uri, &head.headers) {
        Ok(host) => host,
        Err(refusal) => {
            seen.cut_short();
            server.stats.refused(Reason::Ambiguous);
            return (Answer::of_refusal(&refusal).closing(), Some(UNNAMED));
        }
    };
    if let Err(unfit) = server.settings.auth.check_place(&head.uri) {
        seen.cut_short();
        return (unpermitted(server, unfit), Some(UNNAMED));
    }
    if let Some(check) = health::check(head.uri.path(), head.uri.query()) {
        let answer = health::answer(check, &head.method, &server.link).await;
        return (if seen.turned_away().is_some() { answer.closing() } else { answer }, None);
    }
    if let Some(why) = seen.turned_away() {
        seen.cut_short();
        tokio::time::sleep(REFUSAL_PAUSE).await;
        return (turned_away(why), Some(UNNAMED));
    }
    let is_api = server.settings.api && from_api::is_under(head.uri.path());
    if is_api && let Some(answer) = to_api::page::answer(&head.method, head.uri.path()) {
        return (answer, Some(UNNAMED)); // the description of the interface tells of no record
    }
    let credential = match permit(server, &head, certificate) {
        Ok(credential) => credential,
        Err(answer) => {
            seen.cut_short();
            return (answer, Some(UNNAMED));
        }
    };
    let complete_by = tokio::time::Instant::now() + server.settings.body_timeout;
    // The share counts until the request is answered: the node's copies of bodies are bounded, too.
    // biased: most bodies have arrived, and a wait for the end costs locks that all threads share
    let read = tokio::select! {
        biased;
        read = body::read(body, server.settings.body_bytes_max, &server.bodies, complete_by) => read,
        () = server.link.overtime().cancelled() => {
            seen.cut_short();
            return (turned_away("this HTTP Proxy ends, and the body has not arrived"), Some(UNNAMED));
        }
    };
    if read.is_err() || seen.has_ambiguous_body() {
        seen.cut_short();
    }
    let (body, _share) = match read {
        Ok(_) | Err(Unread::Broken) if seen.has_ambiguous_body() => return (ambiguous(server), Some(UNNAMED)),
        Ok(read) => read,
        Err(unread) => return (no_body(server, id, unread).await, Some(UNNAMED)),
    };
    let deadline = tokio::time::Instant::now() + server.settings.deadline; // counts from the complete request
    let incoming = Incoming {
        method: &head.method,
        path: head.uri.path(),
        query: head.uri.query(),
        headers: &head.headers,
        body: &body,
        encoding: server.settings.encoding,
    };
    if is_api {
        let translated = from_api::from_api(&incoming);
        drop(body);
        return answer_call(asked, translated, credential, host, deadline).await;
    }
    let translated = from_http::from_http(&incoming);
    drop(body);
    match translated {
        Ok(Translated::Request(request)) => {
            let name = request.verb.name();
            (hand_over(asked, request, credential, host, deadline).await, Some(name))
        }
        Ok(Translated::Options(allow)) => {
            (Answer::new(StatusCode::NO_CONTENT, Bytes::new()).allowing(Some(allow)), Some(UNNAMED))
        }
        Err(Rejected { refusal, verb, allow }) => {
            (Answer::of_refusal(&refusal).allowing(allow), Some(verb.map_or(UNNAMED, Verb::name)))
        }
    }
}

/// The credential of a request, read before the body: a request without a credential takes no room. OPTIONS tells of
/// no record and needs none.
fn permit(server: &Server, head: &Parts, certificate: Option<&str>) -> Result<Credential, Answer> {
    if head.method == Method::OPTIONS {
        return Ok(Credential::default());
    }
    let auth = server.settings.auth;
    auth.read(&head.headers, certificate).map_err(|unfit| unpermitted(server, unfit))
}

fn unpermitted(server: &Server, unfit: Unfit) -> Answer {
    server.stats.unfit(&unfit);
    let (refusal, challenge) = match unfit {
        Unfit::Missing(refusal) => (refusal, Some(server.settings.auth.challenge())),
        Unfit::Misplaced(refusal) => {
            let asks = refusal.code == RefusalCode::Unauthenticated;
            (refusal, asks.then(|| server.settings.auth.challenge()))
        }
    };
    Answer::of_refusal(&refusal).challenging(challenge).closing()
}

/// The answer on a connection beyond a limit.
pub(crate) fn turned_away(why: &str) -> Answer {
    let refusal = Refusal::new(RefusalCode::Unavailable, format!("{why}; the request was not applied"));
    Answer::of_refusal(&refusal).closing()
}

fn ambiguous(server: &Server) -> Answer {
    server.stats.refused(Reason::Ambiguous);
    let message = "it is not clear where the request ends: one Content-Length, or Transfer-Encoding with chunked alone, and \
                   every line of a head, a chunk and a trailer ends in CRLF";
    Answer::of_refusal(&Refusal::new(RefusalCode::BadBody, message)).closing()
}

async fn no_body(server: &Server, id: u64, unread: Unread) -> Answer {
    let refused = |code, message| Answer::of_refusal(&Refusal::new(code, message)).closing();
    server.stats.refused(match unread {
        Unread::TooLarge => Reason::BodySize,
        Unread::TooLate => Reason::BodyTime,
        Unread::Broken => Reason::BodyBroken,
        Unread::NoRoom => Reason::BodiesBytes,
    });
    match unread {
        Unread::TooLarge => Answer::body_too_large(server.settings.body_bytes_max),
        Unread::TooLate => refused(RefusalCode::RequestTimeout, "the body did not arrive in time"),
        Unread::Broken => refused(RefusalCode::BadBody, "the body broke off, or its chunks are malformed"),
        Unread::NoRoom => {
            if let Some(more) = server.body_lines.line("no room") {
                tracing::warn!(
                    request = id,
                    bodies_bytes_max = server.settings.bodies_bytes_max,
                    "no room for a body: refused{more}"
                );
            }
            tokio::time::sleep(REFUSAL_PAUSE).await;
            refused(RefusalCode::Unavailable, "too many bytes of bodies are under way; the request was not applied")
        }
    }
}

async fn hand_over(
    Asked { server, id, port, client, trace, .. }: Asked<'_>,
    request: Request,
    credential: Credential,
    host: Option<&str>,
    deadline: tokio::time::Instant,
) -> Answer {
    let Some(_place) = Place::take(server) else {
        server.stats.refused(Reason::InFlight);
        tokio::time::sleep(REFUSAL_PAUSE).await;
        return Answer::of_refusal(&unanswered(Unanswered::Busy));
    };
    let sender = Sender { credential, address: audited_address(&request, client), trace };
    match server.link.call(id, wire::request_to_wire(request), sender, deadline).await {
        Ok(reply) => match wire::reply_from_wire(reply) {
            Ok(reply) => {
                let challenge = server.settings.auth.challenge_of(&reply);
                Answer::of_reply(&reply, || server.base(port, host)).challenging(challenge)
            }
            Err(error) => {
                tracing::error!(request = id, error = %Masked(&error.to_string()), "the node sent a reply that cannot be read");
                Answer::of_refusal(&unanswered(Unanswered::Unknown))
            }
        },
        Err(fate) => Answer::of_refusal(&unanswered(fate)),
    }
}

/// The client's address for requests that control campaign groups, which the audit keeps; of others no byte travels.
fn audited_address(request: &Request, client: Option<IpAddr>) -> String {
    address_if(request.verb.scope() == AccessScope::Admin, client)
}

fn address_if(is_audited: bool, client: Option<IpAddr>) -> String {
    let client = client.filter(|_| is_audited);
    client.map(|client| client.to_canonical().to_string()).unwrap_or_default()
}

/// A call of the REST interface, handed over.
async fn answer_call(
    asked: Asked<'_>,
    translated: Result<from_api::Translated, Rejected>,
    credential: Credential,
    host: Option<&str>,
    deadline: tokio::time::Instant,
) -> Counted {
    match translated {
        Ok(from_api::Translated::Call(call)) => {
            let name = call.route.id;
            (hand_over_call(asked, *call, credential, host, deadline).await, Some(name))
        }
        Ok(from_api::Translated::Options(allow)) => {
            (Answer::new(StatusCode::NO_CONTENT, Bytes::new()).allowing(Some(allow)), Some(UNNAMED))
        }
        Err(Rejected { refusal, allow, .. }) => (Answer::of_refusal(&refusal).allowing(allow), Some(UNNAMED)),
    }
}

async fn hand_over_call(
    Asked { server, id, port, client, trace, .. }: Asked<'_>,
    mut call: Call,
    credential: Credential,
    host: Option<&str>,
    deadline: tokio::time::Instant,
) -> Answer {
    let Some(_place) = Place::take(server) else {
        server.stats.refused(Reason::InFlight);
        tokio::time::sleep(REFUSAL_PAUSE).await;
        return Answer::of_refusal(&unanswered(Unanswered::Busy));
    };
    let sender = Sender { credential, address: address_if(call.is_audited(), client), trace };
    match server.link.call_api(id, call.take_message(), sender, deadline).await {
        Ok(answer) => {
            let challenge = to_api::refusal_of(&answer).and_then(|reply| server.settings.auth.challenge_of(&reply));
            to_api::to_api(&call, *answer, || server.base(port, host)).challenging(challenge)
        }
        Err(fate) => Answer::of_refusal(&unanswered(fate)),
    }
}

/// The refusal for a request without a reply: 503 only if the request was never handed over (spec 6).
fn unanswered(fate: Unanswered) -> Refusal {
    match fate {
        Unanswered::Busy => Refusal::new(RefusalCode::Busy, "too many requests in flight"),
        Unanswered::TooLarge => Refusal::new(RefusalCode::Limit, "the request is too large"),
        Unanswered::NotSent => {
            Refusal::new(RefusalCode::Unavailable, "the node did not take the request; it was not applied")
        }
        Unanswered::Unknown => {
            let message = "the node did not answer in time; it is not known whether the request was applied";
            Refusal::new(RefusalCode::OutcomeUnknown, message)
        }
    }
}

/// One of the places for requests in flight.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(server: &'a Server) -> Option<Self> {
        let taken = server.in_flight.fetch_add(1, Ordering::Relaxed);
        let place = Self(&server.in_flight);
        (taken < server.settings.requests_in_flight_max).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use outbound::{Attributes, Handle, Resource};

    use super::*;
    use crate::charset::Charset;

    #[test]
    fn the_address_of_a_client_travels_with_requests_that_control_campaign_groups_alone() {
        let request = |verb| Request {
            verb,
            resource: Resource::Record(Handle(1)),
            attributes: Attributes::default(),
            tenant: String::new(),
            principal: String::new(),
            idempotency_key: None,
        };
        let client: IpAddr = "::ffff:10.0.0.9".parse().unwrap();
        assert_eq!(audited_address(&request(Verb::LoadCampaign), Some(client)), "10.0.0.9");
        assert_eq!(audited_address(&request(Verb::LoadCampaign), None), "");
        assert_eq!(audited_address(&request(Verb::AddRecord), Some(client)), "");
    }

    #[test]
    fn the_audit_may_keep_calls_of_administrators_and_batches_of_do_not_call_entries() {
        let headers = HeaderMap::new();
        let is_audited = |method: Method, path: &str, body: &str| {
            let (body, encoding) = (body.as_bytes(), Charset::UTF_8);
            let incoming = Incoming { method: &method, path, query: None, headers: &headers, body, encoding };
            match from_api::from_api(&incoming) {
                Ok(from_api::Translated::Call(call)) => call.is_audited(),
                other => panic!("{path}: {other:?}"),
            }
        };
        let (record, batch) = (r#"{"GSW_PHONE":"+9991"}"#, r#"{"entries":[{"GSW_PHONE":"+9991"}]}"#);
        assert!(is_audited(Method::POST, "/api/v1/pause", ""));
        assert!(is_audited(Method::POST, "/api/v1/lists", r#"{"name":"demo"}"#));
        assert!(is_audited(Method::POST, "/api/v1/do-not-call/batch", batch));
        assert!(!is_audited(Method::POST, "/api/v1/do-not-call", record));
        assert!(!is_audited(Method::POST, "/api/v1/lists/demo/records", record));
        assert!(!is_audited(Method::GET, "/api/v1/lists", ""));
    }
}
