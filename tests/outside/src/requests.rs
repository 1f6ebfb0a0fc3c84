//! Requests over HTTP, each a text as on a wire: the request line, headers, an empty line, the body. The header `X-Encoding` stands
//! for the option `encoding`.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use http_proxy::{
    charset::Charset,
    from_http::{Incoming, Translated, from_http},
    to_http::Answer,
};
use ocs_proto::outbound as wire;
use outbound::{
    Request,
    wire::{request_from_wire, request_to_wire},
};
use prost::Message;

/// A request as `from_http` gets it.
struct Parsed<'a> {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: &'a [u8],
}

pub(super) fn read(bytes: &[u8]) -> bool {
    // bytes that are no HTTP never come so far
    let Some(parsed) = parse(bytes) else { return false };
    let label = parsed.headers.get("x-encoding").and_then(|label| label.to_str().ok());
    let incoming = Incoming {
        method: &parsed.method,
        path: parsed.uri.path(),
        query: parsed.uri.query(),
        headers: &parsed.headers,
        body: parsed.body,
        encoding: label.and_then(Charset::for_label).unwrap_or(Charset::UTF_8),
    };
    match from_http(&incoming) {
        Ok(Translated::Request(request)) => {
            travels(request);
            true
        }
        Ok(Translated::Options(_)) => true,
        Err(rejected) => {
            let answer = Answer::of_refusal(&rejected.refusal).allowing(rejected.allow);
            assert!(!incoming.encoding.encode_json(answer.body).is_empty(), "a refusal without a word");
            false
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Parsed<'_>> {
    let (line, mut rest) = next_line(bytes)?;
    let mut words = line.split(' ');
    let method = Method::from_bytes(words.next()?.as_bytes()).ok()?;
    let uri = words.next()?.parse().ok()?;
    let mut headers = HeaderMap::new();
    loop {
        let (line, behind) = next_line(rest)?;
        rest = behind;
        if line.is_empty() {
            return Some(Parsed { method, uri, headers, body: rest });
        }
        let (name, value) = line.split_once(':')?;
        headers
            .try_append(HeaderName::try_from(name).ok()?, HeaderValue::from_bytes(value.trim().as_bytes()).ok()?)
            .ok()?;
    }
}

/// The next line without its end, and the bytes behind it.
fn next_line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let line = std::str::from_utf8(&bytes[..end]).ok()?;
    Some((line.strip_suffix('\r').unwrap_or(line), &bytes[end + 1..]))
}

/// The node gets the same request.
fn travels(request: Request) {
    let _ = request.content();
    let bytes = request_to_wire(request.clone()).encode_to_vec();
    let arrived = wire::Request::decode(bytes.as_slice()).expect("an encoded request is decoded");
    assert_eq!(request_from_wire(arrived).as_ref(), Ok(&request), "another request arrives");
}
