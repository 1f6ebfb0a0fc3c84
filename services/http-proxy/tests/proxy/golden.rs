//! Translation, as golden scripts: the name of a file under `golden/` is a claim, its lines with `>` are HTTP, the others the
//! translation. `UPDATE_GOLDEN=1 cargo test -p http-proxy --test proxy golden` writes them anew; read the difference.

use std::{fmt::Write, fs, path::Path};

use encoding_rs::UTF_8;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_proxy::{
    from_http::{Incoming, Rejected, Translated, from_http},
    to_http::Answer,
};
use outbound::{Request, Value};

#[test]
fn every_golden_script_holds() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut scripts = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let script = fs::read_to_string(&path).unwrap();
        let played = play(&script);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, played).unwrap();
        } else {
            assert_eq!(script, played, "{}", path.display());
        }
        scripts += 1;
    }
    assert!(scripts > 0);
}

/// The script with the actual translation of each request.
fn play(script: &str) -> String {
    let mut played = String::new();
    for block in script.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
        if !played.is_empty() {
            played.push('\n');
        }
        let kept: Vec<_> = block.lines().filter(|line| line.starts_with('#') || line.starts_with('>')).collect();
        kept.iter().for_each(|line| writeln!(played, "{line}").unwrap());
        let asked: Vec<_> = kept.iter().filter_map(|line| line.strip_prefix('>')).map(str::trim_start).collect();
        if !asked.is_empty() {
            played.push_str(&outcome(&asked));
        }
    }
    played
}

fn outcome(asked: &[&str]) -> String {
    let (method, target) = asked[0].split_once(' ').unwrap();
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let empty = asked.iter().position(|line| line.is_empty()).unwrap_or(asked.len());
    let headers: HeaderMap = asked[1..empty].iter().map(|line| header(line)).collect();
    let body = bytes(&asked[(empty + 1).min(asked.len())..].join("\n"));
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    match from_http(&Incoming { method: &method, path, query, headers: &headers, body: &body, encoding: UTF_8 }) {
        Ok(Translated::Request(request)) => shown(&request),
        Ok(Translated::Options(allow)) => format!("OPTIONS: {allow}\n"),
        Err(Rejected { refusal, .. }) => {
            let answer = Answer::of_refusal(&refusal);
            format!("{} {:?}: {}\n", answer.status.as_u16(), refusal.code, refusal.message)
        }
    }
}

fn header(line: &str) -> (HeaderName, HeaderValue) {
    let (name, value) = line.split_once(':').unwrap();
    (name.parse().unwrap(), value.trim().parse().unwrap())
}

/// A body in which `\xNN` is a byte.
fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("\\x") {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        bytes.push(u8::from_str_radix(&rest[at + 2..at + 4], 16).unwrap());
        rest = &rest[at + 4..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

fn shown(request: &Request) -> String {
    let mut text =
        format!("{} on {} {:?}", request.verb.name(), request.resource.kind().word(), request.resource.identifier());
    if !request.tenant.is_empty() {
        write!(text, ", tenant {:?}", request.tenant).unwrap();
    }
    if let Some(key) = &request.idempotency_key {
        write!(text, ", key {:?}", String::from_utf8_lossy(key)).unwrap();
    }
    text.push('\n');
    for (name, value) in request.attributes.iter() {
        match value {
            Value::Int(number) => writeln!(text, "  {name} = {number}").unwrap(),
            Value::Str(string) => writeln!(text, "  {name} = {string:?}").unwrap(),
        }
    }
    let sent = &request.attributes.sent;
    if !sent.query_keys.is_empty() {
        writeln!(text, "  (in the query alone: {})", sent.query_keys.join(", ")).unwrap();
    }
    if sent.unknown_form {
        text.push_str("  (a form without a known key)\n");
    }
    text
}
