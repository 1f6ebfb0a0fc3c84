//! An answer of the node to a REST call as status, headers and JSON (spec 13). Refusals have the statuses of the one table
//! (`to_http`), as problems of RFC 9457.
//!
//! Never asks anything and never waits. Called by `serve`, once a call.

mod examples;
mod openapi;
pub(crate) mod page;
mod things;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use ocs_proto::link::{ApiAnswer, api_answer::Told};
use outbound::{Done, Imported, Refusal, RefusalCode, Reply, ReplyBody, Value, key, wire};
use serde_json::{Map, Value as Json, json};

pub use self::openapi::document;
use crate::{
    from_api::{Call, Operation, VERSION_PREFIX, cursor_text},
    to_http::{Answer, Content},
};

/// The answer to a call; `base` gives the start of URIs, for example `http://host:8080`.
pub fn to_api(call: &Call, answer: ApiAnswer, base: impl Fn() -> String) -> Answer {
    let ApiAnswer { next, told, .. } = answer;
    let items = |items: Vec<Json>| {
        let mut page = Map::new();
        page.insert("items".to_owned(), Json::Array(items));
        if !next.is_empty() {
            page.insert("next".to_owned(), Json::String(cursor_text(&next)));
        }
        json_answer(StatusCode::OK, Json::Object(page))
    };
    let operation = call.route.operation;
    match told {
        Some(Told::Reply(reply)) => match wire::reply_from_wire(reply) {
            Ok(reply) => of_reply(call, reply, base),
            Err(_) => Answer::of_refusal(&unfit()),
        },
        Some(Told::Records(records)) => match wire::records_from_wire(records) {
            Ok(mut records) if operation == Operation::Record && records.len() == 1 => {
                record(StatusCode::OK, &records.remove(0), &base)
            }
            Ok(records) => items(records.iter().map(|pairs| object(pairs, &base).0).collect()),
            Err(_) => Answer::of_refusal(&unfit()),
        },
        Some(Told::Lists(lists)) => of_things(call, lists.lists.into_iter().map(things::list).collect(), items),
        Some(Told::Campaigns(declaration)) => {
            of_things(call, declaration.campaigns.into_iter().map(things::campaign).collect(), items)
        }
        Some(Told::Groups(groups)) => of_things(call, groups.groups.into_iter().map(things::group).collect(), items),
        Some(Told::DoNotCall(entries)) => items(entries.entries.into_iter().map(things::entry).collect()),
        Some(Told::Cluster(status)) => json_answer(StatusCode::OK, things::cluster(status)),
        Some(Told::History(history)) => json_answer(StatusCode::OK, things::history(history)),
        Some(Told::Switchover(reply)) => things::switchover(reply, call.plans),
        Some(Told::ScheduledSwitchover(reply)) if operation == Operation::CancelSwitchover => things::cancelled(&reply),
        Some(Told::ScheduledSwitchover(reply)) => things::scheduled(reply),
        Some(Told::Pause(reply)) => things::pause(reply),
        Some(Told::Backups(backups)) => json_answer(StatusCode::OK, things::backups(backups)),
        Some(Told::Series(series)) => json_answer(StatusCode::OK, things::series(series)),
        Some(Told::Audit(entries)) => items(entries.entries.into_iter().map(things::audit_entry).collect()),
        None => Answer::of_refusal(&unfit()),
    }
}

/// The one thing that a path names, or a page of things.
fn of_things(call: &Call, mut things: Vec<Json>, items: impl FnOnce(Vec<Json>) -> Answer) -> Answer {
    let is_one = matches!(call.route.operation, Operation::List | Operation::Campaign | Operation::Group);
    if is_one && things.len() == 1 { json_answer(StatusCode::OK, things.remove(0)) } else { items(things) }
}

/// The refusal in an answer, for the challenge of a credential.
pub(crate) fn refusal_of(answer: &ApiAnswer) -> Option<Reply> {
    match &answer.told {
        Some(Told::Reply(reply)) => wire::reply_from_wire(reply.clone()).ok(),
        _ => None,
    }
}

fn unfit() -> Refusal {
    Refusal::new(RefusalCode::Internal, "the node gave an answer that does not fit; its log says more")
}

// === replies ===

fn of_reply(call: &Call, reply: Reply, base: impl Fn() -> String) -> Answer {
    let Reply { body, replayed, stale } = reply;
    let answer = match body {
        ReplyBody::Done(done) => of_done(call, &done, base),
        ReplyBody::Refused(refusal) => of_refusal(call, &refusal),
        ReplyBody::Imported(imported) => json_answer(StatusCode::OK, outcomes(&imported)),
        ReplyBody::Again => Answer::of_refusal(&unfit()),
    };
    Answer { replayed, stale, ..answer }
}

/// PATCH says 409 of a finalised record, which is there and can be read (spec 13).
fn of_refusal(call: &Call, refusal: &Refusal) -> Answer {
    let answer = Answer::of_refusal(refusal);
    let is_there = refusal.code == RefusalCode::RecordFinalised && call.route.operation == Operation::PatchRecord;
    if is_there { Answer { status: StatusCode::CONFLICT, ..answer } } else { answer }
}

fn of_done(call: &Call, done: &Done, base: impl Fn() -> String) -> Answer {
    use Operation::{AddRecord, MakeCampaign, MakeGroup, MakeList, Remove};
    match call.route.operation {
        Remove => removed(done),
        AddRecord => {
            let answer = record(StatusCode::CREATED, &done.attributes, &base);
            let handle = done.attributes.iter().find(|(name, _)| name == key::RECORD_HANDLE);
            match handle {
                Some((_, Value::Int(handle))) => located(answer, &format!("{VERSION_PREFIX}/records/{handle}")),
                _ => answer,
            }
        }
        MakeList | MakeCampaign | MakeGroup => {
            let answer = record(StatusCode::CREATED, &done.attributes, &base);
            located(answer, &format!("{VERSION_PREFIX}{}/{}", call.route.path, segment(&call.made)))
        }
        _ => record(StatusCode::OK, &done.attributes, &base),
    }
}

/// An entry that was not there is not found.
fn removed(done: &Done) -> Answer {
    let is_removed = done.attributes.iter().any(|(name, value)| name == "removed" && *value != Value::Int(0));
    if is_removed {
        return Answer::new(StatusCode::NO_CONTENT, Bytes::new());
    }
    let is_customer = done.attributes.iter().any(|(name, _)| name == key::CUSTOMER_ID);
    let code = if is_customer { RefusalCode::CustomerNotFound } else { RefusalCode::PhoneNotFound };
    Answer::of_refusal(&Refusal::new(code, "there is no such Do-Not-Call entry"))
}

/// The outcome of each entry of a batch, as far as the state tells entries apart: those that were rejected, and counts.
fn outcomes(imported: &Imported) -> Json {
    let rejected = imported.rejected.iter().map(|row| json!({ "entry": row.row, "reason": row.reason }));
    json!({
        "entered": imported.added,
        "stood": imported.duplicates,
        "rejected": rejected.collect::<Vec<_>>(),
    })
}

// === JSON ===

/// A record, or the acknowledgement of a request, with its ETag where the row's version is known.
fn record(status: StatusCode, pairs: &[(String, Value)], base: &impl Fn() -> String) -> Answer {
    let (object, version) = object(pairs, base);
    let answer = json_answer(status, object);
    match version.and_then(|version| HeaderValue::from_str(&format!("\"{version}\"")).ok()) {
        Some(tag) => with_header(answer, header::ETAG, tag),
        None => answer,
    }
}

/// The pairs as an object, and the version of the row, which is a header and no member.
fn object(pairs: &[(String, Value)], base: &impl Fn() -> String) -> (Json, Option<String>) {
    let (mut members, mut version) = (Map::new(), None);
    for (name, value) in pairs {
        match value {
            Value::Str(text) if name == key::ROW_VERSION => version = Some(text.clone()),
            Value::Str(text) => drop(members.insert(name.clone(), Json::String(text.clone()))),
            Value::Int(number) => {
                members.insert(name.clone(), Json::from(*number));
                if name == key::RECORD_HANDLE {
                    let uri = format!("{}/records/{number}", base());
                    members.insert(key::RECORD_URI.to_owned(), Json::String(uri));
                }
            }
        }
    }
    (Json::Object(members), version)
}

fn json_answer(status: StatusCode, body: Json) -> Answer {
    Answer { content: Content::Json, ..Answer::new(status, body.to_string()) }
}

fn with_header(mut answer: Answer, name: http::HeaderName, value: HeaderValue) -> Answer {
    answer.headers.push((name, value));
    answer
}

fn located(answer: Answer, path: &str) -> Answer {
    match HeaderValue::from_str(path) {
        Ok(path) => with_header(answer, header::LOCATION, path),
        Err(_) => answer,
    }
}

/// A name as a segment of a path.
fn segment(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// An answer of the interface: refusals are problems, and no cache keeps what an answer tells of records, whatever the credential.
pub(crate) fn of_interface(answer: Answer) -> Answer {
    let mut answer = as_problem(answer);
    let unless_set = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    for (name, value) in unless_set {
        if answer.headers.iter().all(|(known, _)| *known != name) {
            answer.headers.push((name, value));
        }
    }
    answer
}

/// A refusal in the form of the protocols as a problem; any other answer stays. The members of the refusal stay members.
fn as_problem(answer: Answer) -> Answer {
    if answer.content != Content::Protocol || !(answer.status.is_client_error() || answer.status.is_server_error()) {
        return answer;
    }
    let Ok(Json::Object(members)) = serde_json::from_slice(&answer.body) else { return answer };
    let mut problem = Map::new();
    problem.insert("type".to_owned(), Json::from("about:blank"));
    problem.insert("title".to_owned(), Json::from(answer.status.canonical_reason().unwrap_or_default()));
    problem.insert("status".to_owned(), Json::from(answer.status.as_u16()));
    for (name, value) in members {
        let name = match name.as_str() {
            key::USER_EVENT => continue,
            key::ERROR => "detail".to_owned(),
            key::ERROR_CODE => "code".to_owned(),
            _ => name,
        };
        problem.entry(name).or_insert(value);
    }
    Answer { body: Json::Object(problem).to_string().into(), content: Content::Problem, ..answer }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_becomes_a_problem_with_its_code_and_its_members() {
        let refusal = Refusal::new(RefusalCode::ListNotFound, "There is no calling list \"x\"");
        let problem = as_problem(Answer::of_refusal(&refusal.with(key::CALLING_LIST, Value::text("x"))));
        let body: Json = serde_json::from_slice(&problem.body).unwrap();
        assert_eq!((problem.status, problem.content), (StatusCode::NOT_FOUND, Content::Problem));
        let wanted = json!({
            "type": "about:blank", "title": "Not Found", "status": 404,
            "detail": "There is no calling list \"x\"", "code": "LIST_NOT_FOUND", "GSW_CALLING_LIST": "x",
        });
        assert_eq!(body, wanted);
    }

    #[test]
    fn no_answer_is_kept_by_a_cache_unless_the_answer_says_otherwise() {
        let header = |answer: &Answer, name: http::HeaderName| {
            let values = answer.headers.iter().filter(|(known, _)| *known == name);
            values.map(|(_, value)| value.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let refusal = Answer::of_refusal(&Refusal::new(RefusalCode::Busy, "later"));
        for answer in [json_answer(StatusCode::OK, json!({})), refusal, Answer::new(StatusCode::NO_CONTENT, "")] {
            let answer = of_interface(answer);
            assert_eq!(header(&answer, header::CACHE_CONTROL), ["no-store"]);
            assert_eq!(header(&answer, header::X_CONTENT_TYPE_OPTIONS), ["nosniff"]);
        }
        let page = of_interface(page::answer(&http::Method::GET, "/api/page.js").unwrap());
        assert_eq!(header(&page, header::CACHE_CONTROL), ["no-cache"]);
        assert_eq!(header(&page, header::X_CONTENT_TYPE_OPTIONS), ["nosniff"]);
    }

    #[test]
    fn a_version_is_an_etag_and_no_member_and_a_handle_has_its_uri() {
        let pairs = vec![
            (key::RECORD_ID.to_owned(), Value::Int(3)),
            (key::RECORD_HANDLE.to_owned(), Value::Int(7)),
            (key::ROW_VERSION.to_owned(), Value::text("a1")),
        ];
        let answer = record(StatusCode::OK, &pairs, &|| "http://x".to_owned());
        let body: Json = serde_json::from_slice(&answer.body).unwrap();
        let uri = "http://x/records/7";
        assert_eq!(body, json!({ "record_id": 3, "GSW_RECORD_HANDLE": 7, "GSW_RECORD_URI": uri }));
        assert_eq!(answer.headers, [(header::ETAG, HeaderValue::from_static("\"a1\""))]);
    }
}
