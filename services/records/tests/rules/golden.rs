//! Golden scripts: `tests/golden/*.txt`, whose names are claims. A line with a leading `>` is a step, and the lines below are its
//! expected output; every script begins with an empty state. `UPDATE_GOLDEN=1` writes the actual output.
//!
//! Steps: `create LIST [zone=Z] [COLUMN:KIND[=DEFAULT][@SEND_ATTRIBUTE] …]`, `VERB RESOURCE/ID KEY=VALUE …` with
//! `@key=`, `@id=NODE.INCARNATION.COUNTER[.TOKEN]`, `@tenant=`, `@principal=`, `wait MILLISECONDS`, `export LIST COLUMN,…`,
//! `import LIST IMPORT_ID FIRST_ROW HEADER ROW …`, `rules replay_window_us=… …` (the node's own file), `raise VERSION KEY=VALUE …`,
//! `set KEY=VALUE …`, `settings`, `stamp VERSION` (for the commands from here on), `rewrite ROWS`,
//! `find PHONE`, `delete LIST`, `delete-records DBID ROWS`, `take-back PHONE [LIST]` (its Do-Not-Call entry), `events`, `dnc`,
//! `messages` (of entries).
//! In a word, `\u{…}` is a letter by its number. `@query=KEY`: the key is only in the query; `@form=unknown`: the body is a form
//! without any known key.

use std::{fmt::Write as _, fs, path::Path};

use crate::common::{World, batch, export, field, request, show};
use outbound::{Body, DeleteRecords, RemoveDoNotCall, RequestId, RewritePhones, Setting};
use records::{DncSubject, Event, Key, Row, Table};

#[test]
fn every_golden_script_comes_out_as_written() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut scripts: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    scripts.sort();
    assert!(!scripts.is_empty());
    for script in scripts {
        let written = fs::read_to_string(&script).unwrap();
        let came = run(&written);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&script, &came).unwrap();
        } else {
            assert_eq!(written, came, "{}", script.display());
        }
    }
}

fn run(script: &str) -> String {
    let mut world = World::default();
    let mut came = String::new();
    for line in script.lines() {
        let Some(step) = line.strip_prefix("> ") else {
            if line.is_empty() || line.starts_with('#') {
                writeln!(came, "{line}").unwrap();
            }
            continue;
        };
        let result = take_step(&mut world, &words(step));
        writeln!(came, "{line}").unwrap();
        if !result.is_empty() {
            writeln!(came, "{result}").unwrap();
        }
    }
    came
}

fn take_step(world: &mut World, words: &[String]) -> String {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["wait", ms] => {
            world.wait_ms(ms.parse().unwrap());
            String::new()
        }
        ["create", name, rest @ ..] => create(world, name, rest),
        ["export", list, columns] => {
            let columns: Vec<String> = columns.split(',').map(str::to_owned).collect();
            export(&world.map, list, &columns)[1..].join("\n")
        }
        ["import", list, import_id, first_row, lines @ ..] => {
            show(&world.ask(Body::ImportBatch(batch(list, import_id, first_row.parse().unwrap(), lines))))
        }
        ["rules", settings @ ..] => set_rules(world, settings),
        ["raise", to, pairs @ ..] => show(&world.raise(to.parse().unwrap(), settings(pairs))),
        ["set", pairs @ ..] => show(&world.ask(Body::SetSettings(settings(pairs)))),
        ["stamp", version] => {
            world.version = version.parse().unwrap();
            String::new()
        }
        ["rewrite", rows_max] => {
            let rows_max = rows_max.parse().unwrap();
            show(&world.ask(Body::RewritePhones(RewritePhones { rows_max })))
        }
        ["delete", list] => show(&world.ask(Body::DeleteList((*list).to_owned()))),
        ["delete-records", list, rows_max] => {
            let (list, rows_max) = (list.parse().unwrap(), rows_max.parse().unwrap());
            show(&world.ask(Body::DeleteRecords(DeleteRecords { list, rows_max })))
        }
        ["take-back", phone, rest @ ..] => {
            let (phone, list) = ((*phone).to_owned(), rest.first().copied().unwrap_or_default().to_owned());
            show(&world.ask(Body::RemoveDoNotCall(RemoveDoNotCall { phone, list, ..RemoveDoNotCall::default() })))
        }
        ["find", phone] => {
            let found = records::records_by_phone(&world.map, phone, 10);
            found.iter().map(|(handle, _)| handle.to_string()).collect::<Vec<_>>().join(" ")
        }
        ["settings"] => show_settings(world),
        ["events"] => world.events.iter().map(told).collect::<Vec<_>>().join("\n"),
        ["dnc"] => {
            let entries = world.map.table(Table::Dnc);
            entries.iter().map(|(key, _)| format!("{key:?}")).collect::<Vec<_>>().join("\n")
        }
        ["messages"] => messages(world),
        [verb, resource, pairs @ ..] => ask(world, verb, resource, pairs),
        _ => panic!("no step: {words:?}"),
    }
}

/// The messages of Do-Not-Call entries.
fn told(event: &Event) -> String {
    match event {
        Event::Effect(effect) => format!("{effect:?}"),
        event => format!("{event:?}"),
    }
}

fn messages(world: &World) -> String {
    let line = |(key, row)| match (key, row) {
        (Key::Dnc(_, DncSubject::Phone(form)), Row::Dnc(entry)) => {
            format!("{form}: {}", entry.message).trim_end().to_owned()
        }
        other => panic!("no entry of a phone: {other:?}"),
    };
    world.map.table(Table::Dnc).into_iter().map(line).collect::<Vec<_>>().join("\n")
}

fn create(world: &mut World, name: &str, rest: &[&str]) -> String {
    let zone = rest.iter().find_map(|word| word.strip_prefix("zone=")).unwrap_or_default();
    let fields = rest.iter().filter(|word| !word.starts_with("zone=")).map(|word| {
        let (column, kind) = word.split_once(':').unwrap();
        let (kind, send_attribute) = kind.split_once('@').unwrap_or((kind, ""));
        let (kind, default) = kind.split_once('=').unwrap_or((kind, ""));
        let mut field = field(column, kind);
        (field.default, field.send_attribute) = (default.to_owned(), send_attribute.to_owned());
        field
    });
    let fields = fields.collect();
    show(&world.create(name, zone, fields))
}

fn set_rules(world: &mut World, settings: &[&str]) -> String {
    for setting in settings {
        let (name, value) = setting.split_once('=').unwrap();
        let place = match name {
            "replay_window_us" => &mut world.rules.replay_window_us,
            "idempotency_keys_max" => &mut world.rules.idempotency_keys_max,
            "records_per_request_max" => &mut world.rules.records_per_request_max,
            _ => panic!("no rule {name}"),
        };
        *place = value.parse().unwrap();
    }
    String::new()
}

fn ask(world: &mut World, verb: &str, resource: &str, words: &[&str]) -> String {
    let pairs: Vec<(&str, &str)> = words.iter().map(|word| word.split_once('=').unwrap()).collect();
    let (options, attributes): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(key, _)| key.starts_with('@'));
    let mut request = request(verb, resource, &attributes);
    let mut id = None;
    for (option, value) in options {
        match option {
            "@key" => request.idempotency_key = Some(value.as_bytes().to_vec()),
            "@tenant" => value.clone_into(&mut request.tenant),
            "@principal" => value.clone_into(&mut request.principal),
            "@id" => id = Some(request_id(value)),
            "@query" => request.attributes.sent.query_keys.push(value.to_owned()),
            "@form" => request.attributes.sent.unknown_form = value == "unknown",
            _ => panic!("no option {option}"),
        }
    }
    show(&match id {
        Some(id) => world.ask_as(id, Body::Request(request)),
        None => world.ask(Body::Request(request)),
    })
}

fn request_id(text: &str) -> RequestId {
    let mut parts = text.split('.').map(|part| part.parse::<u64>().unwrap());
    let mut next = || parts.next().unwrap();
    let (node, incarnation, counter) = (u32::try_from(next()).unwrap(), next(), next());
    RequestId { node, incarnation, token: parts.next().unwrap_or_default().into(), counter }
}

fn settings(pairs: &[&str]) -> Vec<Setting> {
    let setting = |pair: &&str| {
        let (key, value) = pair.split_once('=').unwrap();
        Setting { key: key.into(), value: value.into() }
    };
    pairs.iter().map(setting).collect()
}

fn show_settings(world: &World) -> String {
    match records::settings(&world.map) {
        Some(settings) => {
            let lines = settings.values().iter().map(|setting| format!("{}={}", setting.key, setting.value));
            let head = format!("rules version {}, release {}", settings.rules_version(), settings.release());
            [head].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
        }
        None => "none".to_owned(),
    }
}

/// Words of a step; a double quote holds spaces together, and an empty word apart.
fn words(step: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for letter in step.chars() {
        match letter {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words.iter().map(|word| with_letters(word)).collect()
}

/// A word with its letters by number replaced.
fn with_letters(word: &str) -> String {
    let mut pieces = word.split("\\u{");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |word, piece| {
        let (number, rest) = piece.split_once('}').unwrap();
        let letter = char::from_u32(u32::from_str_radix(number, 16).unwrap()).unwrap();
        format!("{word}{letter}{rest}")
    })
}
