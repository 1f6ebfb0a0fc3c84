//! Every request name, alias, attribute, value of an enumeration and code of the tables of `outbound` has a golden script, and so has
//! every row of the tables of the specification's sections 4 to 8. A new row, name or value without a script fails here.

use std::{fs, path::Path};

use http_proxy::to_http::STATUS;
use outbound::{ATTRIBUTES, Enumeration, Kind, ResourceType, Verb, Word, key};

use crate::golden;

/// Attributes of requests that no answer has.
const ONLY_ASKED: [&str; 2] = [key::CHAIN_ATTR, key::TREATMENT];
/// Events beside those of the table of requests: of groups in their other states, of no record, of chains.
const FURTHER_EVENTS: [&str; 7] = [
    "PreviewRecordEmpty",
    "CampaignStarted",
    "CampaignStopped",
    "CampaignUnloading",
    "CampaignUnloaded",
    "ChainedRecord",
    "Error",
];

/// A block of a golden script.
struct Block {
    /// Method and target.
    request: String,
    /// Every line of the HTTP request.
    asked: String,
    /// The message of the request, or its refusal.
    message: String,
    /// The answer; empty: the script shows none.
    answer: String,
}

impl Block {
    fn of(text: &str) -> Option<Self> {
        let marked = |mark: char| text.lines().filter_map(move |line| line.strip_prefix(mark)).map(str::trim_start);
        let asked: Vec<&str> = marked('>').collect();
        let outcome: Vec<&str> = text.lines().filter(|line| !line.starts_with(['#', '>', '<'])).collect();
        let is_answer = |line: &&str| line.get(3..5) == Some(" {");
        let at = outcome.iter().position(is_answer).unwrap_or(outcome.len());
        let request = (*asked.first()?).to_owned();
        Some(Self {
            request,
            asked: asked.join("\n"),
            message: outcome[..at].join("\n"),
            answer: outcome[at..].join("\n"),
        })
    }

    /// The value of `req`.
    fn name(&self) -> Option<&str> {
        let (_, query) = self.request.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix("req="))
    }
}

fn blocks() -> Vec<Block> {
    let scripts = golden::scripts().into_iter().map(|path| fs::read_to_string(path).unwrap());
    scripts.flat_map(|script| script.split("\n\n").filter_map(Block::of).collect::<Vec<_>>()).collect()
}

/// Fails with the names of all things without a script.
fn none(missing: &[String]) {
    assert!(missing.is_empty(), "no golden script under tests/golden/ has\n{}\n", missing.join("\n"));
}

#[test]
fn every_request_name_and_alias_has_a_script() {
    let blocks = blocks();
    let mut missing = Vec::new();
    for verb in Verb::all().filter(|verb| *verb != Verb::PatchRecord) {
        let begins = format!("{} on ", verb.name());
        let begins = begins.as_str();
        let of_verb = || blocks.iter().filter(move |block| block.message.starts_with(begins));
        if verb == Verb::GetRecord {
            missing.extend(of_verb().next().is_none().then(|| "GET of a record".to_owned()));
            continue;
        }
        let names = std::iter::once(verb.name()).chain(verb.aliases().iter().copied());
        let absent = names.filter(|name| !of_verb().any(|block| block.name() == Some(*name)));
        missing.extend(absent.map(|name| format!("the request name {name}")));
        for kind in verb.on() {
            let on = format!("{begins}{} ", kind.word());
            let is_answered = of_verb().any(|block| block.message.starts_with(&on) && block.answer.starts_with("200 "));
            missing.extend((!is_answered).then(|| format!("an answer to {on}")));
        }
    }
    none(&missing);
}

#[test]
fn every_event_has_a_script() {
    let blocks = blocks();
    let of_http = Verb::all().filter(|verb| *verb != Verb::PatchRecord);
    let events = of_http.map(Verb::event).chain(FURTHER_EVENTS);
    let has =
        |event: &str| blocks.iter().any(|block| block.answer.contains(&format!("\"GSW_USER_EVENT\":\"{event}\"")));
    none(&events.filter(|event| !has(event)).map(|event| format!("the event {event}")).collect::<Vec<_>>());
}

#[test]
fn every_word_of_a_path_has_a_script() {
    let blocks = blocks();
    let words = ResourceType::ALL.into_iter().flat_map(|kind| std::iter::once(kind.word()).chain(kind.aliases()));
    let is_asked = |word: &str| {
        let path = format!(" /{word}/");
        blocks.iter().any(|block| block.request.to_ascii_lowercase().contains(&path) && block.message.contains(" on "))
    };
    none(&words.filter(|word| !is_asked(word)).map(|word| format!("the path /{word}/")).collect::<Vec<_>>());
}

#[test]
fn every_attribute_has_a_script_with_a_request_and_with_an_answer() {
    let blocks = blocks();
    let mut missing = Vec::new();
    for spec in ATTRIBUTES {
        let is_asked = blocks.iter().any(|block| block.asked.to_ascii_uppercase().contains(spec.key));
        missing.extend((!is_asked).then(|| format!("{} in a request", spec.key)));
        let is_answered = blocks.iter().any(|block| block.answer.contains(&format!("\"{}\":", spec.key)));
        let is_missing = !is_answered && !ONLY_ASKED.contains(&spec.key);
        missing.extend(is_missing.then(|| format!("{} in an answer", spec.key)));
    }
    none(&missing);
}

#[test]
fn every_attribute_that_a_request_takes_has_a_script_with_it() {
    let blocks = blocks();
    let mut missing = Vec::new();
    for verb in Verb::all().filter(|verb| *verb != Verb::PatchRecord) {
        let begins = format!("{} on ", verb.name());
        for key in verb.takes() {
            let is_taken =
                |block: &Block| block.message.starts_with(&begins) && block.message.contains(&format!("  {key} = "));
            missing.extend((!blocks.iter().any(is_taken)).then(|| format!("{} with {key}", verb.name())));
        }
    }
    none(&missing);
}

#[test]
fn every_value_of_an_enumeration_has_a_script_by_name_alias_and_number() {
    let blocks = blocks();
    let reads = |asked: &str, line: &str| {
        blocks
            .iter()
            .any(|block| block.asked.contains(asked) && block.message.lines().any(|of_message| of_message == line))
    };
    let mut missing = Vec::new();
    for spec in ATTRIBUTES {
        let pairs = match spec.kind {
            Kind::Number(enumeration) => numbers(spec.key, enumeration),
            Kind::Word(word) => words(spec.key, word),
            Kind::Int | Kind::Str | Kind::Any => Vec::new(),
        };
        missing.extend(pairs.iter().filter(|(asked, line)| !reads(asked, line)).map(|(asked, _)| asked.clone()));
    }
    none(&missing);
}

/// The text of a request with each name and each number, and the line of the message.
fn numbers(key: &str, enumeration: &Enumeration) -> Vec<(String, String)> {
    let values = enumeration.names.iter().enumerate();
    let pair = |(value, name): (usize, &&str)| {
        let line = format!("  {key} = {value}");
        [(format!("\"{key}\":\"{name}\""), line.clone()), (format!("{key}={value}"), line)]
    };
    values.flat_map(pair).collect()
}

/// The same for names, aliases and positions, all of which mean a name.
fn words(key: &str, word: &Word) -> Vec<(String, String)> {
    let own = word.words.iter().map(|name| ((*name).to_owned(), *name));
    let aliases = word.aliases.iter().map(|(alias, name)| ((*alias).to_owned(), *name));
    let numbers = word.words.iter().enumerate().map(|(at, name)| (at.to_string(), *name));
    let pair = |(given, name): (String, &str)| (format!("\"{key}\":\"{given}\""), format!("  {key} = {name:?}"));
    own.chain(aliases).chain(numbers).map(pair).collect()
}

#[test]
fn every_code_of_a_refusal_has_a_script_with_its_status() {
    let blocks = blocks();
    let rows = STATUS.iter().map(|(code, status, word, _)| (status.as_u16(), format!("{code:?}"), *word));
    let is_shown = |(status, code, word): &(u16, String, &str)| {
        let (by_proxy, by_node) = (format!("{status} {code}: "), format!("{status} {{\"GSW_USER_EVENT\":\"Error\""));
        let word = format!("\"GSW_ERROR_CODE\":\"{word}\"");
        let of_node = |block: &Block| block.answer.starts_with(&by_node) && block.answer.contains(&word);
        blocks.iter().any(|block| block.message.starts_with(&by_proxy) || of_node(block))
    };
    none(&rows.filter(|row| !is_shown(row)).map(|(status, code, _)| format!("{status} {code}")).collect::<Vec<_>>());
}

// === the rows of the specification ===

const SPEC: &str = include_str!("../../../../docs/spec/http-interface.md");

/// A row of a table of the specification, by its section and the beginning of its first cell, and the place that shows the row: a
/// script under `tests/golden/` with a comment that has this text, or a file of tests with a test of this name.
const ROWS: &[(u8, &str, &str, &str)] = &[
    (4, "one flat JSON object", "values_are_taken_in_every_type_that_callers_send", "User-defined fields keep theirs"),
    (4, "`Content-Type` and `Accept` decide", "clients.rs", "json_is_read_whatever_its_label"),
    (4, "decide by content", "a_body_that_nobody_understood_is_refused", "Whatever its label says"),
    (
        4,
        "no body and no length on POST",
        "every_request_is_acknowledged_by_its_event",
        "which needs nothing but its handle",
    ),
    (4, "head and body in separate segments", "clients.rs", "head_and_body_may_come_byte_by_byte"),
    (4, "UTF-8 unless a charset says otherwise", "bodies_and_answers_are_in_their_charset", "UTF-8 unless the option"),
    (4, "an integer attribute", "values_are_taken_in_every_type_that_callers_send", "An integer attribute"),
    (4, "a string attribute", "values_are_taken_in_every_type_that_callers_send", "A string attribute"),
    (
        4,
        "`null` is an absent attribute",
        "values_are_taken_in_every_type_that_callers_send",
        "null is an absent attribute",
    ),
    (4, "an enumeration takes", "values_are_taken_in_every_type_that_callers_send", "An enumeration takes"),
    (
        4,
        "`GSW_*` keys are case-insensitive",
        "values_are_taken_in_every_type_that_callers_send",
        "GSW_ keys in any case",
    ),
    (4, "a key that maps to no field", "every_attribute_travels_in_its_type", "GSW_IGNORED"),
    (4, "a boolean, array or object", "bad_values_are_refused_by_key", "A boolean, an array or an object"),
    (4, "limits: body 1 MiB", "limits.rs", "too_many_attributes_and_too_long_values_get_400_limit"),
    (5, "`AddRecord`", "every_request_is_acknowledged_by_its_event", "AddRecord"),
    (5, "`UpdateCallCompletionStats`", "every_request_is_acknowledged_by_its_event", "UpdateCallCompletionStats"),
    (5, "`RecordProcessed`", "every_request_is_acknowledged_by_its_event", "RecordProcessed"),
    (5, "`RecordReschedule`", "every_request_is_acknowledged_by_its_event", "RecordReschedule"),
    (5, "`ScheduledRecordReschedule`", "every_request_is_acknowledged_by_its_event", "ScheduledRecordReschedule"),
    (5, "`RequestRecordCancel`", "every_request_is_acknowledged_by_its_event", "RequestRecordCancel"),
    (5, "`DoNotCall`", "every_request_is_acknowledged_by_its_event", "DoNotCall"),
    (5, "`RecordReject`", "every_request_is_acknowledged_by_its_event", "RecordReject"),
    (5, "`ChainedRecordRequest`", "every_request_is_acknowledged_by_its_event", "ChainedRecordRequest"),
    (5, "`PreviewRecordRequest`", "every_request_is_acknowledged_by_its_event", "PreviewRecordRequest"),
    (5, "`CampaignStatusRequest`", "every_request_is_acknowledged_by_its_event", "CampaignStatusRequest"),
    (5, "`LoadCampaign`", "every_request_is_acknowledged_by_its_event", "LoadCampaign, StartDialing"),
    (6, "malformed body", "every_refusal_has_its_status_and_code", "malformed body"),
    (6, "no or unknown `req`", "every_refusal_has_its_status_and_code", "no or unknown `req`"),
    (6, "not authenticated", "every_refusal_has_its_status_and_code", "not authenticated / not allowed"),
    (6, "unknown resource type", "every_refusal_has_its_status_and_code", "unknown resource type"),
    (6, "unknown handle", "every_refusal_has_its_status_and_code", "unknown handle"),
    (6, "handle already finalised", "every_refusal_has_its_status_and_code", "handle already finalised"),
    (6, "state conflict", "every_refusal_has_its_status_and_code", "state conflict"),
    (6, "the phone or the customer is on", "every_refusal_has_its_status_and_code", "the phone or the customer is on"),
    (6, "the list takes a phone once", "every_refusal_has_its_status_and_code", "the list takes a phone once"),
    (6, "one request would change more", "every_refusal_has_its_status_and_code", "one request would change more"),
    (6, "an Idempotency-Key used again", "every_refusal_has_its_status_and_code", "an Idempotency-Key used again"),
    (6, "method", "every_refusal_has_its_status_and_code", "method"),
    (6, "request not complete in time", "every_refusal_has_its_status_and_code", "request not complete in time"),
    (6, "too large / head too large", "every_refusal_has_its_status_and_code", "too large / head too large"),
    (6, "bug", "every_refusal_has_its_status_and_code", "bug"),
    (6, "no primary for longer", "every_refusal_has_its_status_and_code", "no primary for longer"),
    (
        6,
        "the deadline (default 10 s) passed",
        "every_refusal_has_its_status_and_code",
        "the deadline (default 10 s) passed",
    ),
    (7, "GSW_CALL_ATTEMPT_GUID", "a_preview_has_its_keys_in_their_types", "GSW_CALL_ATTEMPT_GUID"),
    (7, "GSW_APPLICATION_ID", "a_preview_has_its_keys_in_their_types", "GSW_APPLICATION_ID"),
    (7, "GSW_ATTEMPTS", "a_preview_has_its_keys_in_their_types", "GSW_ATTEMPTS"),
    (7, "GSW_DATE_TIME, GSW_RECORD_TYPE", "a_preview_has_its_keys_in_their_types", "GSW_DATE_TIME, GSW_RECORD_TYPE"),
    (7, "GSW_MESSAGE", "a_preview_has_its_keys_in_their_types", "GSW_MESSAGE"),
    (8, "GSW_RECORD_HANDLE", "every_attribute_travels_in_its_type", "GSW_RECORD_HANDLE"),
    (8, "GSW_PHONE / GSW_PHONE_TYPE", "every_attribute_travels_in_its_type", "GSW_PHONE / GSW_PHONE_TYPE"),
    (
        8,
        "GSW_RECORD_TYPE, GSW_RECORD_STATUS",
        "every_attribute_travels_in_its_type",
        "GSW_RECORD_TYPE, GSW_RECORD_STATUS",
    ),
    (8, "GSW_ATTEMPTS", "every_attribute_travels_in_its_type", "GSW_ATTEMPTS"),
    (8, "GSW_DATE_TIME", "every_attribute_travels_in_its_type", "GSW_DATE_TIME"),
    (8, "GSW_CALL_TIME", "every_attribute_travels_in_its_type", "GSW_CALL_TIME"),
    (8, "GSW_FROM / GSW_UNTIL", "every_attribute_travels_in_its_type", "GSW_FROM / GSW_UNTIL"),
    (8, "GSW_TZ_NAME", "every_attribute_travels_in_its_type", "GSW_FROM / GSW_UNTIL; GSW_TZ_NAME"),
    (8, "GSW_TZ_NAME in answers", "every_attribute_travels_in_its_type", "GSW_TZ_NAME in answers"),
    (8, "GSW_TZ_OFFSET", "every_attribute_travels_in_its_type", "GSW_TZ_OFFSET"),
    (8, "GSW_AGENT_ID", "every_attribute_travels_in_its_type", "GSW_AGENT_ID"),
    (8, "GSW_CALLBACK_TYPE", "every_attribute_travels_in_its_type", "GSW_CALLBACK_TYPE"),
    (8, "GSW_CHAIN_ATTR", "every_attribute_travels_in_its_type", "GSW_CHAIN_ATTR"),
    (8, "GSW_CHAIN_ID / GSW_CHAIN_N", "every_attribute_travels_in_its_type", "GSW_CHAIN_ID / GSW_CHAIN_N"),
    (8, "GSW_CUSTOMER_ID", "every_attribute_travels_in_its_type", "GSW_CUSTOMER_ID"),
    (8, "GSW_TREATMENT", "every_attribute_travels_in_its_type", "GSW_TREATMENT"),
    (8, "GSW_CAMPAIGN_GROUP_NAME", "every_attribute_travels_in_its_type", "GSW_CAMPAIGN_GROUP_NAME"),
    (8, "GSW_CALL_ATTEMPT_GUID", "every_attribute_travels_in_its_type", "GSW_CALL_ATTEMPT_GUID; GSW_MESSAGE"),
    (8, "GSW_RECORDS", "every_attribute_travels_in_its_type", "GSW_RECORDS"),
    (8, "GSW_IGNORED", "every_attribute_travels_in_its_type", "GSW_IGNORED"),
    (8, "GSW_MESSAGE", "every_attribute_travels_in_its_type", "GSW_MESSAGE"),
    (
        8,
        "GSW_APPLICATION_ID, GSW_CAMPAIGN_NAME",
        "every_attribute_travels_in_its_type",
        "GSW_APPLICATION_ID, GSW_CAMPAIGN_NAME",
    ),
];

/// Section and first cell of every row of the tables of sections 4 to 8, without their headers.
fn rows_of_the_specification() -> Vec<(u8, &'static str)> {
    let (mut section, mut rows) = (None, Vec::new());
    let lines: Vec<&str> = SPEC.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.split_once('.').and_then(|(number, _)| number.parse().ok());
        }
        let is_header = lines.get(at + 1).is_some_and(|next| next.starts_with("| ---"));
        let cell = line.strip_prefix("| ").filter(|row| !row.starts_with("---") && !is_header);
        if let (Some(section @ 4..=8), Some((cell, _))) = (section, cell.and_then(|row| row.split_once(" | "))) {
            rows.push((section, cell));
        }
    }
    rows
}

/// The line of [`ROWS`] for a row: the longest beginning counts.
fn line_of(section: u8, cell: &str) -> Option<&'static (u8, &'static str, &'static str, &'static str)> {
    ROWS.iter().filter(|row| row.0 == section && cell.starts_with(row.1)).max_by_key(|row| row.1.len())
}

#[test]
fn every_row_of_the_tables_of_the_specification_has_a_script_or_a_test() {
    let rows = rows_of_the_specification();
    assert!(rows.len() > 60, "the specification is not read: {rows:?}");
    let mut used = Vec::new();
    for (section, cell) in rows {
        let line =
            line_of(section, cell).unwrap_or_else(|| panic!("section {section}, {cell:?}: no golden script shows it"));
        used.push(line.1);
        assert!(is_there(line.2, line.3), "section {section}, {cell:?}: {:?} is not in {}", line.3, line.2);
    }
    let stray: Vec<_> = ROWS.iter().filter(|row| !used.contains(&row.1)).collect();
    assert!(stray.is_empty(), "the specification has no such rows: {stray:?}");
}

/// Whether a script has a comment with a text, or a file of tests a test of a name.
fn is_there(file: &str, mark: &str) -> bool {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    if file.ends_with(".rs") {
        let source = fs::read_to_string(tests.join("proxy").join(file)).unwrap();
        return source.contains(&format!("fn {mark}("));
    }
    let script = fs::read_to_string(tests.join("golden").join(file).with_extension("txt")).unwrap();
    script.lines().filter_map(|line| line.strip_prefix('#')).any(|comment| comment.contains(mark))
}
