//! The reading of a text of declarations: tables with their places, values with their types. Every fault has its line.
//!
//! Never knows what a key means. Called by `things`.

use std::{borrow::Cow, collections::BTreeMap};

use chassis::visible::visible;
use outbound::declaration::DeclaredNames;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Letters of a place that a fault shows, at most.
const PATH_MAX: usize = 300;
/// Letters of a wrong text that a fault shows, at most.
const SHOWN_MAX: usize = 64;

/// A fault of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// From 1; none: the text has no line about the place.
    pub line: Option<usize>,
    /// The place in the declaration, as in `lists.renewals.calendar`; empty: the text as a whole.
    pub path: String,
    /// A sentence.
    pub message: String,
}

impl Fault {
    /// One line for a person: `FILE:LINE: place: sentence`.
    pub fn in_file(&self, file: &str) -> String {
        let sentence = self.sentence();
        match self.line {
            Some(line) => format!("{file}:{line}: {sentence}"),
            None => format!("{file}: {sentence}"),
        }
    }

    /// The place and the sentence. A line end in a name begins no line of its own.
    pub fn sentence(&self) -> String {
        let place = if self.path.is_empty() { String::new() } else { format!("{}: ", excerpt(&self.path)) };
        format!("{}{}", visible(&place), visible(&self.message))
    }
}

/// The beginning of a long place.
fn excerpt(path: &str) -> Cow<'_, str> {
    match path.char_indices().nth(PATH_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", &path[..end])),
        None => Cow::Borrowed(path),
    }
}

/// The lines of a text by the places of its declaration.
#[derive(Debug, Default)]
pub struct Places(BTreeMap<String, usize>);

impl Places {
    /// The line of a place, else of the nearest place around.
    pub fn line_of(&self, path: &str) -> Option<usize> {
        let mut around = path;
        loop {
            if let Some(line) = self.0.get(around) {
                return Some(*line);
            }
            around = &around[..around.rfind('.')?];
        }
    }
}

/// The faults and places of a text so far.
#[derive(Debug)]
pub(super) struct Reading {
    /// The offset at which each line begins; none: the text was an object, which has no lines, and of its faults the first counts.
    lines: Option<Vec<usize>>,
    faults: Vec<Fault>,
    places: Places,
    /// The line of each thing, by the place of its kind and its name.
    things: BTreeMap<(String, String), Option<usize>>,
}

impl Reading {
    pub(super) fn new(text: &str) -> Self {
        let behind = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { lines: Some(std::iter::once(0).chain(behind).collect()), ..Self::of_object() }
    }

    /// For the text of an object.
    pub(super) fn of_object() -> Self {
        Self { lines: None, faults: Vec::new(), places: Places::default(), things: BTreeMap::new() }
    }

    /// The number of the line at an offset, from 1; none: an object.
    fn line(&self, at: usize) -> Option<usize> {
        self.lines.as_ref().map(|lines| lines.partition_point(|start| *start <= at))
    }

    /// Notes a fault at an offset.
    pub(super) fn fault(&mut self, at: usize, path: &str, message: impl Into<String>) {
        if self.lines.is_some() || self.faults.is_empty() {
            self.faults.push(Fault { line: self.line(at), path: path.to_owned(), message: message.into() });
        }
    }

    /// Notes the line of a place; the first line stays.
    fn note(&mut self, path: &str, at: usize) {
        if let Some(line) = self.line(at) {
            self.places.0.entry(path.to_owned()).or_insert(line);
        }
    }

    /// Notes a thing of a kind; a second thing of the same name is a fault.
    fn note_thing(&mut self, kind: &str, name: &str, at: usize) {
        let (line, path) = (self.line(at), format!("{kind}.{name}"));
        self.note(&path, at);
        match self.things.insert((kind.to_owned(), name.to_owned()), line) {
            None => {}
            Some(None) => self.fault(at, &path, "is there twice"),
            Some(Some(first)) => self.fault(at, &path, format!("is there twice: the first stands in line {first}")),
        }
    }

    /// Notes another name of a noted place.
    pub(super) fn note_too(&mut self, path: &str, other: &str) {
        if let Some(line) = self.places.0.get(path).copied() {
            self.places.0.entry(other.to_owned()).or_insert(line);
        }
    }

    /// The places, or the faults in the order of the lines.
    pub(super) fn into_places(mut self) -> Result<Places, Vec<Fault>> {
        self.faults.sort_by_key(|fault| fault.line);
        if self.faults.is_empty() { Ok(self.places) } else { Err(self.faults) }
    }

    fn takes(&mut self, at: usize, path: &str, wanted: &str, value: &DeValue<'_>) {
        self.fault(at, path, format!("takes {wanted}, not {}", shown(value)));
    }
}

/// A value as a fault shows it.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => {
            let short: String = text.chars().take(SHOWN_MAX).collect();
            let dots = if short.len() < text.len() { "…" } else { "" };
            format!("{short:?}{dots}")
        }
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(_) => "a date or time without quotes".to_owned(),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// A kind of thing that a file declares by tables: `[[lists]]`.
pub(super) struct Kind<T> {
    /// The key of the tables.
    pub(super) word: &'static str,
    /// The mandatory keys whose values, joined by `@`, name a thing.
    pub(super) names: &'static [&'static str],
    /// All other keys.
    pub(super) keys: &'static [&'static str],
    /// The thing of a table.
    pub(super) make: fn(&Section<'_, '_>, &mut Reading) -> T,
}

/// A table with its place in the declaration.
pub(super) struct Section<'t, 'i> {
    path: String,
    table: &'t DeTable<'i>,
}

impl<'t, 'i> Section<'t, 'i> {
    /// The whole file.
    pub(super) fn root(table: &'t DeTable<'i>) -> Self {
        Self { path: String::new(), table }
    }

    /// The place in the declaration; empty: the file.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The place of a key or a thing in this table.
    fn place(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Notes the places of all keys, and faults those that are not known. `what`: the table in words.
    pub(super) fn check(&self, what: &str, known: &[&str], reading: &mut Reading) {
        for (key, _) in self.table.iter() {
            let name: &str = key.get_ref();
            let (place, at) = (self.place(name), key.span().start);
            if !known.contains(&name) {
                reading.fault(at, &place, format!("is no key of {what}; there are {}", known.join(", ")));
            } else if !self.path.is_empty() {
                // the first table of a kind is not the place of a thing that the file lacks
                reading.note(&place, at);
            }
        }
    }

    /// The value of a key; none: the key is absent, or has a fault. `wanted`: the values that `convert` takes, in words.
    pub(super) fn value<T>(
        &self,
        key: &str,
        wanted: &str,
        reading: &mut Reading,
        convert: impl FnOnce(&DeValue<'i>) -> Option<T>,
    ) -> Option<T> {
        let (name, value) = self.table.get_key_value(key)?;
        let converted = convert(value.get_ref());
        if converted.is_none() {
            reading.takes(name.span().start, &self.place(key), wanted, value.get_ref());
        }
        converted
    }

    /// A text.
    pub(super) fn text(&self, key: &str, reading: &mut Reading) -> Option<String> {
        self.value(key, "a text in quotes", reading, |value| value.as_str().map(str::to_owned))
    }

    /// A whole number.
    pub(super) fn number(&self, key: &str, reading: &mut Reading) -> Option<u32> {
        self.value(key, "a whole number from 0 to 4294967295", reading, number)
    }

    /// True or false.
    pub(super) fn flag(&self, key: &str, reading: &mut Reading) -> Option<bool> {
        self.value(key, "true or false", reading, DeValue::as_bool)
    }

    /// The values of an array; none: the key is absent, or has a fault.
    pub(super) fn values<T>(
        &self,
        key: &str,
        wanted: &str,
        reading: &mut Reading,
        convert: impl Fn(&DeValue<'i>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let (name, value) = self.table.get_key_value(key)?;
        let place = self.place(key);
        let Some(array) = value.get_ref().as_array() else {
            reading.takes(name.span().start, &place, &format!("an array: [{wanted}, …]"), value.get_ref());
            return None;
        };
        let mut values = Vec::new();
        for value in array.iter() {
            match convert(value.get_ref()) {
                Some(value) => values.push(value),
                None => reading.takes(value.span().start, &place, wanted, value.get_ref()),
            }
        }
        Some(values)
    }

    /// The texts of an array.
    pub(super) fn names(&self, key: &str, reading: &mut Reading) -> Option<DeclaredNames> {
        let text = |value: &DeValue<'i>| value.as_str().map(str::to_owned);
        self.values(key, "a text in quotes", reading, text).map(|names| DeclaredNames { names })
    }

    /// The keys of a table with their values, in the order of the file; none: the key is absent, or is no table. `known`: the
    /// keys that the table takes; none: any key.
    pub(super) fn pairs<T>(
        &self,
        key: &str,
        wanted: &str,
        known: Option<&[&str]>,
        reading: &mut Reading,
        convert: impl Fn(&DeValue<'i>) -> Option<T>,
    ) -> Option<Vec<(String, T)>> {
        let section = self.section(key, reading)?;
        if let Some(known) = known {
            section.check(key, known, reading);
        }
        let mut entries: Vec<_> = section.table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let mut pairs = Vec::new();
        for (name, value) in entries {
            let word: &str = name.get_ref();
            let (place, at) = (section.place(word), name.span().start);
            reading.note(&place, at);
            match convert(value.get_ref()) {
                Some(value) => pairs.push((word.to_owned(), value)),
                None => reading.takes(at, &place, wanted, value.get_ref()),
            }
        }
        Some(pairs)
    }

    /// The table of a key; none: the key is absent, or is no table.
    fn section(&self, key: &str, reading: &mut Reading) -> Option<Section<'t, 'i>> {
        let (name, value) = self.table.get_key_value(key)?;
        let path = self.place(key);
        match value.get_ref().as_table() {
            Some(table) => Some(Section { path, table }),
            None => {
                reading.takes(name.span().start, &path, "a table", value.get_ref());
                None
            }
        }
    }

    /// The things of a kind in the order of the file; none: the file has no key of the kind.
    pub(super) fn things<T>(&self, kind: &Kind<T>, reading: &mut Reading) -> Option<Vec<T>> {
        let (name, value) = self.table.get_key_value(kind.word)?;
        let place = self.place(kind.word);
        let Some(array) = value.get_ref().as_array() else {
            let wanted = format!("tables, [[{place}]] once for each");
            reading.takes(name.span().start, &place, &wanted, value.get_ref());
            return None;
        };
        let sections: Vec<_> = array.iter().filter_map(|value| thing(&place, value, kind, reading)).collect();
        Some(sections.iter().map(|section| (kind.make)(section, reading)).collect())
    }
}

/// The table of a thing; none: the value is no table, or has no name.
fn thing<'t, 'i, T>(
    place: &str,
    value: &'t Spanned<DeValue<'i>>,
    kind: &Kind<T>,
    reading: &mut Reading,
) -> Option<Section<'t, 'i>> {
    let at = value.span().start;
    let Some(table) = value.get_ref().as_table() else {
        reading.takes(at, place, "tables", value.get_ref());
        return None;
    };
    let unnamed = Section { path: place.to_owned(), table };
    let name = name_of(&unnamed, at, kind, reading)?;
    reading.note_thing(place, &name, at);
    let section = Section { path: format!("{place}.{name}"), table };
    let known: Vec<&str> = kind.names.iter().chain(kind.keys).copied().collect();
    section.check(&format!("[[{place}]]"), &known, reading);
    Some(section)
}

/// The name of a thing; none: a key of the name is absent, empty or no text.
fn name_of<T>(section: &Section<'_, '_>, at: usize, kind: &Kind<T>, reading: &mut Reading) -> Option<String> {
    let mut names = Vec::new();
    for key in kind.names {
        if section.table.get(*key).is_none() {
            reading.fault(at, section.path(), format!("has no {key}"));
            return None;
        }
        let name = |value: &DeValue<'_>| value.as_str().filter(|name| !name.is_empty()).map(str::to_owned);
        names.push(section.value(key, "a text in quotes that is not empty", reading, name)?);
    }
    Some(names.join("@"))
}

/// The number of an integer without a sign.
pub(super) fn number(value: &DeValue<'_>) -> Option<u32> {
    let number = value.as_integer()?;
    u32::from_str_radix(number.as_str(), number.radix()).ok()
}
