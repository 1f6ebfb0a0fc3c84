//! Translation, as golden scripts: the name of a file under `golden/` is a claim. Its lines with `>` are an HTTP request, those with
//! `<` the reply of the node, the others the outbound message and the HTTP answer. `# encoding: LABEL` sets the option of a block.
//! `UPDATE_GOLDEN=1 cargo test -p http-proxy --test proxy golden` writes them anew; read the difference.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use http_proxy::{
    charset::Charset,
    from_http::{Incoming, Rejected, Translated, from_http},
    to_http::{Answer, Dress, Standing},
};
use outbound::{Done, Pairs, Refusal, RefusalCode, Reply, ReplyBody, Request, Value};

/// Start of the URIs of records.
const BASE: &str = "http://ocs.example:8080";
/// Headers that every answer of these scripts has.
const USUAL: [(&str, &str); 3] = [("content-type", "application/json"), ("x-ocs-node", "a"), ("x-ocs-role", "primary")];

/// The paths of all scripts.
pub(crate) fn scripts() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_golden_script_holds() {
    let scripts = scripts();
    for path in &scripts {
        let script = fs::read_to_string(path).unwrap();
        let played = play(&script);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(path, played).unwrap();
        } else {
            assert_eq!(script, played, "{}", path.display());
        }
    }
    assert!(scripts.len() > 10);
}

/// The script with the actual translations of each request and reply.
fn play(script: &str) -> String {
    let mut played = String::new();
    for block in script.split("\n\n").map(str::trim).filter(|block| !block.is_empty()) {
        if !played.is_empty() {
            played.push('\n');
        }
        let kept: Vec<_> = block.lines().filter(|line| line.starts_with(['#', '>', '<'])).collect();
        kept.iter().for_each(|line| writeln!(played, "{line}").unwrap());
        let marked = |mark: char| kept.iter().filter_map(move |line| line.strip_prefix(mark)).map(str::trim_start);
        let asked: Vec<_> = marked('>').collect();
        let replied: Vec<_> = marked('<').collect();
        let option = marked('#').find_map(|comment| comment.strip_prefix("encoding: "));
        let charset = option.map_or(Charset::UTF_8, |label| Charset::for_label(label).unwrap());
        if !asked.is_empty() {
            played.push_str(&outcome(&asked, &replied, charset));
        }
    }
    played
}

/// The message of a request, or its refusal; with a reply of the node also the answer.
fn outcome(asked: &[&str], replied: &[&str], encoding: Charset) -> String {
    let (method, target) = asked[0].split_once(' ').unwrap();
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    let empty = asked.iter().position(|line| line.is_empty()).unwrap_or(asked.len());
    let headers: HeaderMap = asked[1..empty].iter().map(|line| header(line)).collect();
    let body = bytes(&asked[(empty + 1).min(asked.len())..].join("\n"));
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    match from_http(&Incoming { method: &method, path, query, headers: &headers, body: &body, encoding }) {
        Ok(Translated::Request(request)) if replied.is_empty() => shown(&request),
        Ok(Translated::Request(request)) => shown(&request) + &answered(&reply(replied), encoding),
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

/// The reply of the node: an event or `! CODE message`, pairs, `*` before the pairs of each record (`records`: none), `replayed`,
/// `stale`.
fn reply(lines: &[&str]) -> Reply {
    let (mut own, mut records): (Pairs, Vec<Pairs>) = (Vec::new(), Vec::new());
    for line in &lines[1..] {
        match line.split_once(" = ") {
            Some((name, value)) => records.last_mut().unwrap_or(&mut own).push((name.to_owned(), value_of(value))),
            None if *line == "*" => records.push(Vec::new()),
            None => assert!(["records", "replayed", "stale"].contains(line), "{line:?} is no line of a reply"),
        }
    }
    let body = match lines[0].strip_prefix("! ") {
        Some(refused) => {
            let (word, message) = refused.split_once(' ').unwrap();
            let refusal = Refusal { attributes: own, ..Refusal::new(RefusalCode::parse(word), message) };
            ReplyBody::Refused(refusal)
        }
        None => {
            let has_records = lines.contains(&"records") || !records.is_empty();
            let records = has_records.then_some(records);
            ReplyBody::Done(Done { event: lines[0].to_owned(), attributes: own, records })
        }
    };
    Reply { body, replayed: lines.contains(&"replayed"), stale: lines.contains(&"stale") }
}

fn value_of(json: &str) -> Value {
    match serde_json::from_str(json).unwrap() {
        serde_json::Value::String(text) => Value::Str(text),
        number => Value::Int(number.as_i64().unwrap()),
    }
}

/// Status and body of the answer, and the headers that not every answer has. A byte of another charset is `\xNN`.
fn answered(reply: &Reply, charset: Charset) -> String {
    let dress = Dress { node: HeaderValue::from_static("a"), custom: Vec::new(), charset };
    let standing = Standing { role: "primary", single_copy: false };
    let response = dress.put_on(Answer::of_reply(reply, || BASE.to_owned()), standing);
    let body = if charset == Charset::UTF_8 {
        String::from_utf8(response.body().to_vec()).unwrap()
    } else {
        response.body().iter().map(|byte| escaped(*byte)).collect()
    };
    format!("{} {body}\n{}", response.status().as_u16(), unusual_headers(&response))
}

fn escaped(byte: u8) -> String {
    if byte.is_ascii() { char::from(byte).to_string() } else { format!("\\x{byte:02X}") }
}

fn unusual_headers<B>(response: &Response<B>) -> String {
    let pairs = response.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let lines = pairs.filter(|pair| !USUAL.contains(pair)).map(|(name, value)| format!("  {name}: {value}\n"));
    lines.collect()
}
