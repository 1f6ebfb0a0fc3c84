//! `docs/http/reference.md`, made of the tables that the code uses: a table that changes without its page fails here.
//! `UPDATE_DOCS=1 cargo test -p http-proxy --test proxy reference` writes the page anew; read the difference.

use std::{fmt::Write, fs, path::Path};

use http::StatusCode;
use http_proxy::{
    from_http::{
        ATTRIBUTES_MAX, IDEMPOTENCY_KEY_BYTES_MAX, IDENTIFIER_BYTES_MAX, KEY_BYTES_MAX, TENANT_BYTES_MAX,
        VALUE_BYTES_MAX,
    },
    to_http::{Answer, STATUS},
};
use outbound::{
    ATTRIBUTES, CALL_RESULT, CONTACT_INFO_TYPE, Enumeration, Kind, RECORD_STATUS, RECORD_TYPE, RefusalCode,
    ResourceType, Verb, Word, key, spec_of,
};

const HEAD: &str = "\
# HTTP interface: reference

The tables that the code uses. [The interface](README.md) explains them, [examples](examples.md) show them at work. This page is generated:
`UPDATE_DOCS=1 cargo test -p http-proxy --test proxy reference` writes it anew, and a test fails where it differs from the tables.
";

/// The meaning of each key, with its unit; the order of the table of keys decides the order of the page.
const MEANINGS: &[(&str, &str)] = &[
    (key::RECORD_HANDLE, "the record, for ever: given by AddRecord or an import, never given twice"),
    (
        key::RECORD_URI,
        "`<scheme>://<host>[:port]/records/<handle>`, at the HTTP Proxy that answers or at `advertised_url`",
    ),
    (
        key::PHONE,
        "phone number or address, kept as given (at most 128 letters) and compared in one form however it is written",
    ),
    (key::PHONE_TYPE, "kind of that phone"),
    (key::RECORD_TYPE, "type of the record"),
    (key::RECORD_STATUS, "state of the record; Ready and Retrieved are open, the others finalised"),
    (key::CALL_RESULT, "result of the last call"),
    (key::ATTEMPTS, "attempts so far"),
    (
        key::DATE_TIME,
        "when the record is due: `MM/dd/yyyy HH:mm` in the record's time zone, or in GSW_TZ_NAME of a reschedule; ISO 8601 is taken too, with or without an offset",
    ),
    (key::CALL_TIME, "last call, seconds since 1970 UTC"),
    (key::FROM, "the day's window begins, seconds since midnight in the record's time zone, 0 to 86400"),
    (key::UNTIL, "the window ends; 86400 is the end of the day, and a window that ends where it begins is never open"),
    (key::TZ_NAME, "time zone: the name of a declared zone, or an IANA name such as `Europe/Berlin`"),
    (key::TZ_OFFSET, "the record's offset from UTC now, seconds"),
    (
        key::AGENT_ID,
        "agent of a personal callback, or the one who holds the record; at most 32 letters, compared exactly",
    ),
    (key::CALLBACK_TYPE, "a callback for any agent, the default, or for one"),
    (
        key::CHAIN_ATTR,
        "whether the request is about the whole chain, as DoNotCall by default, or the record alone, as RequestRecordCancel by default",
    ),
    (key::CHAIN_ID, "the chain, a number within its list; in AddRecord: the chain that the record joins"),
    (key::CHAIN_N, "place in the chain, from 0"),
    (key::CUSTOMER_ID, "value of the field that a list declares as its customer id"),
    (key::TREATMENT, "who calls again after a treatment: anybody, or the agent who held the record"),
    (key::APPLICATION_ID, "echoed; decides nothing"),
    (key::CAMPAIGN_NAME, "echoed; decides nothing"),
    (key::CALLING_LIST, "name of the list, or its DBID; narrows requests on phones and customers to this list"),
    (key::CALLING_LIST_DBID, "DBID of the list"),
    (
        key::REFERENCE_ID,
        "the caller's own reference, echoed in every answer, refusals too, in the type in which it came",
    ),
    (key::MESSAGE, "in answers one sentence for a person; in DoNotCall the message of the entry, at most 255 letters"),
    (
        key::RECORDS,
        "how many records the request changed or would have changed, or how many a campaign group that unloads still holds",
    ),
    (
        key::CALL_ATTEMPT_GUID,
        "the attempt, 32 characters 0-9A-F, another one each time that the record is handed out; optional in a request on a record: 409 where another attempt holds it",
    ),
    (key::CAMPAIGN_GROUP_NAME, "campaign and group of agents, as in `Renewals@Agents`"),
    (key::CAMPAIGN_GROUP_DBID, "DBID of the campaign group"),
    (
        IGNORED,
        "keys of the request that belong to no field and to no attribute that it takes, at most 10, separated by commas; absent where there are none",
    ),
];

/// Keys of answers alone, which no table of requests knows; and a key that requests may carry in vain.
const ANSWERED: &[(&str, &str, &str)] = &[
    (key::USER_EVENT, "str", "the event that acknowledges the request, `Record`, or `Error`; always the first"),
    (key::ERROR, "str", "what is wrong, where, and what to do: one sentence"),
    (key::ERROR_CODE, "str", "a code of the [table of refusals](#refusals), for programs"),
    (IGNORED, "str", meaning_of(IGNORED)),
    (key::SCOPE, "str", "the scope that the credential lacks: `read`, `update` or `admin`"),
    (key::AGENT_REQ_TYPE, "str", "taken and ignored: `req` in the query says the same"),
];

const IGNORED: &str = key::IGNORED;

#[test]
fn the_reference_page_is_what_the_tables_give() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/http/reference.md");
    let made = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &made).unwrap();
        return;
    }
    let kept = fs::read_to_string(&path).unwrap();
    let kept_lines = kept.lines().map(Some).chain(std::iter::repeat(None));
    let differs = made.lines().zip(kept_lines).position(|(made, kept)| Some(made) != kept);
    if let Some(at) = differs.or((made != kept).then(|| made.lines().count())) {
        panic!(
            "docs/http/reference.md differs from the tables in line {}: {:?} stands there, {:?} is right; \
             `UPDATE_DOCS=1 cargo test -p http-proxy --test proxy reference` writes it anew",
            at + 1,
            kept.lines().nth(at),
            made.lines().nth(at)
        );
    }
}

#[test]
fn every_key_has_one_meaning_and_every_code_one_status() {
    for (key, _) in MEANINGS {
        let known = spec_of(key).is_some() || *key == IGNORED;
        assert!(known, "{key} is no key");
        assert_eq!(MEANINGS.iter().filter(|(other, _)| other == key).count(), 1, "{key}");
    }
    for code in RefusalCode::all() {
        assert_eq!(STATUS.iter().filter(|(known, ..)| *known == code).count(), 1, "{code:?}");
    }
}

fn page() -> String {
    let parts = [resources(), requests(), attributes(), enumerations(), refusals(), limits()];
    let mut page = HEAD.to_owned();
    for part in parts {
        write!(page, "\n{part}").unwrap();
    }
    page
}

/// Words as code, separated by commas; a dash where there are none.
fn listed<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    if words.is_empty() { "–".to_owned() } else { words.join(", ") }
}

fn table(title: &str, headers: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = format!("## {title}\n\n| {} |\n|{}\n", headers.join(" | "), " --- |".repeat(headers.len()));
    for row in rows {
        writeln!(text, "| {} |", row.join(" | ")).unwrap();
    }
    text
}

fn resources() -> String {
    let row = |kind: ResourceType| {
        let identifier = match kind {
            ResourceType::Records => "a record by its handle, decimal digits",
            ResourceType::Phones => "the records of a phone, in any of its forms",
            ResourceType::CustomerIds => "the records of a customer",
            ResourceType::Lists => "a list by its name; by its DBID where no list bears that name",
            ResourceType::CampaignGroups => "a campaign group by its DBID, or `Campaign@Group`",
        };
        let names = listed(Verb::names_on(kind));
        vec![format!("`/{}/`", kind.word()), listed(kind.aliases()), identifier.to_owned(), names]
    };
    let headers = ["path", "also taken", "names", "requests"];
    table("Resources", &headers, ResourceType::ALL.into_iter().map(row))
}

fn requests() -> String {
    let row = |verb: Verb| {
        let name = match verb {
            Verb::GetRecord => "none".to_owned(),
            Verb::CampaignStatusRequest => format!("`{}`, or none in a GET", verb.name()),
            verb => format!("`{}`", verb.name()),
        };
        let methods = match verb {
            Verb::GetRecord => "GET",
            verb if verb.reads() => "GET, POST, PUT",
            _ => "POST, PUT",
        };
        let needed = verb.needs().iter().map(|key| format!("**{key}**"));
        let others = verb.takes().iter().filter(|key| !verb.needs().contains(key)).map(|key| (*key).to_owned());
        let fields = verb.sets_fields().then(|| "user-defined fields".to_owned());
        let taken: Vec<String> = needed.chain(others).chain(fields).collect();
        let taken = if taken.is_empty() { "–".to_owned() } else { taken.join(", ") };
        let on = listed(verb.on().iter().map(|kind| kind.word()));
        vec![name, listed(verb.aliases().iter().copied()), methods.to_owned(), on, taken, listed(events(verb))]
    };
    let headers = ["`req`", "also taken", "methods", "on", "attributes (bold: mandatory)", "acknowledged by"];
    table("Requests", &headers, Verb::all().filter(|verb| *verb != Verb::PatchRecord).map(row))
}

/// The acknowledging events of a verb; of a campaign group they tell its state.
fn events(verb: Verb) -> Vec<&'static str> {
    match verb {
        Verb::PreviewRecordRequest => vec![verb.event(), "PreviewRecordEmpty"],
        Verb::CampaignStatusRequest => {
            vec!["CampaignUnloaded", verb.event(), "CampaignStarted", "CampaignStopped", "CampaignUnloading"]
        }
        Verb::UnloadCampaign => vec![verb.event(), "CampaignUnloading"],
        verb => vec![verb.event()],
    }
}

const fn meaning_of(key: &str) -> &'static str {
    let mut at = 0;
    while at < MEANINGS.len() {
        if is_same(MEANINGS[at].0, key) {
            return MEANINGS[at].1;
        }
        at += 1;
    }
    panic!("a key without a meaning: add it to MEANINGS")
}

const fn is_same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut at = 0;
    while at < left.len() && at < right.len() && left[at] == right[at] {
        at += 1;
    }
    at == left.len() && at == right.len()
}

fn attributes() -> String {
    let known = ATTRIBUTES.iter().map(|spec| {
        let means = MEANINGS.iter().find(|(key, _)| *key == spec.key).map(|(_, means)| *means);
        let means = means.unwrap_or_else(|| panic!("{} has no meaning: add it to MEANINGS", spec.key));
        vec![spec.key.to_owned(), type_of(spec.kind), means.to_owned()]
    });
    let answered = ANSWERED.iter().filter(|(key, ..)| spec_of(key).is_none());
    let answered = answered.map(|(key, kind, means)| vec![(*key).to_owned(), (*kind).to_owned(), (*means).to_owned()]);
    table("Attributes", &["key", "type", "meaning"], known.chain(answered))
}

fn type_of(kind: Kind) -> String {
    match kind {
        Kind::Int => "int".to_owned(),
        Kind::Str => "str".to_owned(),
        Kind::Number(enumeration) => format!("int, a [{0}](#{0})", enumeration.name),
        Kind::Word(word) => words(word),
        Kind::Any => "int or str".to_owned(),
    }
}

fn words(word: &Word) -> String {
    let mut text = listed(word.words.iter().copied());
    for (alias, means) in word.aliases {
        write!(text, "; `{alias}` is `{means}`").unwrap();
    }
    text
}

fn enumerations() -> String {
    let one = |enumeration: &Enumeration| {
        let values = enumeration.names.iter().enumerate().map(|(value, name)| format!("{value} {name}"));
        format!("\n### {}\n\n{}\n", enumeration.name, values.collect::<Vec<_>>().join(" · "))
    };
    let all = [&RECORD_TYPE, &RECORD_STATUS, &CONTACT_INFO_TYPE, &CALL_RESULT].map(one);
    let head = "A request gives the number, the number as a string, or the name in any case; answers give the number.";
    format!("## Enumerations\n\n{head}\n{}", all.concat())
}

/// Where a code arises, and whether the same request may be sent again.
fn explained(code: RefusalCode) -> (&'static str, &'static str) {
    const NO: &str = "no: mend the request";
    match code {
        RefusalCode::BadBody => ("the body cannot be read, or nobody understood it: nothing was changed", NO),
        RefusalCode::BadValue => ("a value is of the wrong type or outside its range; the message names the key", NO),
        RefusalCode::MissingAttribute => ("a mandatory attribute is absent", NO),
        RefusalCode::BadRequestName => ("no `req`, an unknown one, or one that does not work on this resource", NO),
        RefusalCode::Unauthenticated => (
            "the entrance asks for a credential, and the request has none that is known and in force; `WWW-Authenticate` names the kind",
            "no: get a good credential",
        ),
        RefusalCode::Forbidden => (
            "the credential does not reach the request; GSW_SCOPE or GSW_CALLING_LIST names the lack",
            "no: get another credential",
        ),
        RefusalCode::BadResource => ("no resource has this path", NO),
        RefusalCode::RecordNotFound => ("no record bears the handle", "no"),
        RefusalCode::ListNotFound => ("no list bears the name", "no"),
        RefusalCode::GroupNotFound => ("no campaign group has the DBID or the name", "no"),
        RefusalCode::PhoneNotFound => ("no record has the phone", "no"),
        RefusalCode::CustomerNotFound => ("no record has the customer id", "no"),
        RefusalCode::TenantNotFound => ("no tenant has the name", "no"),
        RefusalCode::RecordFinalised => ("the record is finalised; another request may have done it", "no"),
        RefusalCode::Conflict => (
            "the state of the record or of the campaign group does not allow the request, the time is past, or another attempt holds the record",
            "no",
        ),
        RefusalCode::DoNotCall => ("the phone or the customer is on the Do-Not-Call list", "no, never"),
        RefusalCode::Duplicate => ("the list takes a phone once, and the record GSW_RECORD_HANDLE has it", "no"),
        RefusalCode::TooMany => (
            "the request would change more than `records_per_request_max` records, a chain pass 100 records, or a list 1,000 different windows; nothing was changed",
            "no",
        ),
        RefusalCode::KeyReused => ("the Idempotency-Key was used for another request", "no: take a new key"),
        RefusalCode::Method => ("the method does not fit; `Allow` names those that do", NO),
        RefusalCode::RequestTimeout => ("the request was not complete in time; nothing was changed", "yes"),
        RefusalCode::Limit => ("too many attributes, or one that is too long", NO),
        RefusalCode::Busy => ("too many requests are under way; nothing was changed", "yes, after `Retry-After`"),
        RefusalCode::Internal => ("a bug; the log says more", "only with the same Idempotency-Key"),
        RefusalCode::Unavailable => (
            "no primary, HTTP Proxy is ending, no room, or a node of an older release that does not know the request: known not to be applied",
            "yes, after `Retry-After`",
        ),
        RefusalCode::PreconditionFailed => {
            ("REST alone: the record has changed since its ETag was read", "no: read the record again")
        }
        RefusalCode::OutcomeUnknown => {
            ("handed to a primary, and no answer in time: it may be applied", "yes, with the same Idempotency-Key")
        }
    }
}

fn refusals() -> String {
    let row = |(code, status, word, later): &(RefusalCode, StatusCode, &str, bool)| {
        let (when, again) = explained(*code);
        assert_eq!(*later, again.contains("Retry-After"), "{code:?}: what is said of Retry-After, and sent");
        vec![status.as_u16().to_string(), (*word).to_owned(), again.to_owned(), when.to_owned()]
    };
    let beside = |status: StatusCode, when: &str| {
        let again = "no: make it smaller".to_owned();
        vec![status.as_u16().to_string(), "LIMIT".to_owned(), again, when.to_owned()]
    };
    let body = beside(Answer::body_too_large(0).status, "the body is larger than `body_bytes_max` (1 MiB by default)");
    let head = beside(
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        "the head is larger than `head_bytes_max` (64 KiB by default)",
    );
    let statuses: &[(RefusalCode, StatusCode, &str, bool)] = &STATUS;
    let rows = statuses.iter().map(row).chain([body, head]);
    table("Refusals", &["status", "GSW_ERROR_CODE", "send it again?", "when"], rows)
}

fn limits() -> String {
    let rows = [
        ("attributes of a request, query and body together", ATTRIBUTES_MAX),
        ("key of an attribute, bytes", KEY_BYTES_MAX),
        ("value of an attribute, bytes", VALUE_BYTES_MAX),
        ("Idempotency-Key, bytes", IDEMPOTENCY_KEY_BYTES_MAX),
        ("identifier in the path, bytes", IDENTIFIER_BYTES_MAX),
        ("name of a tenant, bytes", TENANT_BYTES_MAX),
    ];
    let rows = rows.map(|(what, most)| vec![what.to_owned(), most.to_string()]);
    table("Limits", &["what", "at most"], rows)
}
