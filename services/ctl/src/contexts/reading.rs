//! The text of the file of contexts, and its faults by line and key. Never shows a value: a misplaced value may be a secret.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

use toml_edit::{Document, Item, Key, TableLike, TomlError};

use super::Context;
use crate::{failure::Failure, print::visible};

/// The keys of a context.
pub(super) const KEYS: [&str; 6] = ["endpoints", "ca", "cert", "key", "proxies", "token_file"];
/// Keys that hold several values.
pub(super) const LISTS: [&str; 2] = ["endpoints", "proxies"];
/// Keys of other tools' files that would hold a secret.
const SECRETS: [&str; 4] = ["token", "password", "secret", "key_data"];

/// The content of a file.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) current: Option<String>,
    pub(super) contexts: BTreeMap<String, Context>,
}

/// Reads a text. Files in a context count from the directory of the file at `path`.
///
/// # Errors
/// Exit code 2: all faults, a line each.
pub(super) fn read(path: &Path, text: &str) -> Result<Read, Failure> {
    let document = Document::parse(text).map_err(|error| syntax(path, text, &error))?;
    let mut reader = Reader { path, text, faults: Vec::new() };
    let read = reader.root(document.as_table());
    if reader.faults.is_empty() {
        return Ok(read);
    }
    reader.faults.sort();
    let lines: Vec<String> = reader.faults.into_iter().map(|(_, line)| line).collect();
    Err(Failure::Usage(lines.join("\n")))
}

fn syntax(path: &Path, text: &str, error: &TomlError) -> Failure {
    let at = error.span().map_or(0, |span| span.start);
    let reason = error.message().lines().collect::<Vec<_>>().join(", ");
    Failure::Usage(format!("{}, line {}: this is no TOML: {reason}", path.display(), line_of(text, at)))
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

struct Reader<'t> {
    path: &'t Path,
    text: &'t str,
    /// Line and words.
    faults: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn root(&mut self, table: &dyn TableLike) -> Read {
        let mut read = Read { current: None, contexts: BTreeMap::new() };
        for (word, item) in table.iter() {
            let at = table.key(word).and_then(Key::span);
            match word {
                "current" => read.current = self.text(at, word, item),
                "contexts" => read.contexts = self.contexts(at, item),
                _ => self.fault(at, word, "is no key of a file of contexts; there are current, contexts"),
            }
        }
        if let Some(current) = read.current.as_ref().filter(|current| !read.contexts.contains_key(*current)) {
            let at = table.key("current").and_then(Key::span);
            self.fault(at, "current", &format!("names {current:?}, and the file has no context of that name"));
        }
        read
    }

    fn contexts(&mut self, at: Option<Range<usize>>, item: &Item) -> BTreeMap<String, Context> {
        let Some(table) = item.as_table_like() else {
            self.takes(at, "contexts", "tables, [contexts.NAME] once for each", item);
            return BTreeMap::new();
        };
        let mut contexts = BTreeMap::new();
        for (name, item) in table.iter() {
            let (at, place) = (table.key(name).and_then(Key::span), format!("contexts.{name}"));
            match item.as_table_like() {
                Some(table) => drop(contexts.insert(name.to_owned(), self.context(&place, table))),
                None => self.takes(at, &place, "a table", item),
            }
        }
        contexts
    }

    fn context(&mut self, place: &str, table: &dyn TableLike) -> Context {
        let mut context = Context::default();
        for (word, item) in table.iter() {
            let (at, key) = (table.key(word).and_then(Key::span), format!("{place}.{word}"));
            match word {
                "endpoints" => context.endpoints = self.texts(at, &key, item),
                "proxies" => context.proxies = self.texts(at, &key, item),
                "ca" => context.ca = self.file(at, &key, item),
                "cert" => context.cert = self.file(at, &key, item),
                "key" => context.key = self.file(at, &key, item),
                "token_file" => context.token_file = self.file(at, &key, item),
                _ if SECRETS.contains(&word) => {
                    self.fault(at, &key, "a secret stands in a file of its own: name the file by token_file or key");
                }
                _ => self.fault(at, &key, &format!("is no key of a context; there are {}", KEYS.join(", "))),
            }
        }
        context
    }

    fn text(&mut self, at: Option<Range<usize>>, key: &str, item: &Item) -> Option<String> {
        let text = item.as_str().filter(|text| !text.is_empty());
        if text.is_none() {
            self.takes(at, key, "a text in quotes that is not empty", item);
        }
        text.map(str::to_owned)
    }

    /// From the directory of the file.
    fn file(&mut self, at: Option<Range<usize>>, key: &str, item: &Item) -> Option<PathBuf> {
        let directory = self.path.parent().unwrap_or(Path::new(""));
        self.text(at, key, item).map(|file| directory.join(file))
    }

    fn texts(&mut self, at: Option<Range<usize>>, key: &str, item: &Item) -> Vec<String> {
        const WANTED: &str = "an array of texts: [\"…\", \"…\"]";
        let Some(array) = item.as_array() else {
            self.takes(at, key, WANTED, item);
            return Vec::new();
        };
        let texts: Option<Vec<String>> = array.iter().map(|value| value.as_str().map(str::to_owned)).collect();
        match texts {
            Some(texts) if !texts.iter().any(String::is_empty) => texts,
            _ => {
                self.takes(at, key, WANTED, item);
                Vec::new()
            }
        }
    }

    fn takes(&mut self, at: Option<Range<usize>>, key: &str, wanted: &str, item: &Item) {
        self.fault(at, key, &format!("takes {wanted}, and not this {}", item.type_name()));
    }

    fn fault(&mut self, at: Option<Range<usize>>, key: &str, words: &str) {
        let line = line_of(self.text, at.map_or(0, |at| at.start));
        let told = format!("{}, line {line}: key {key}: {words}", self.path.display());
        self.faults.push((line, visible(&told).into_owned()));
    }
}
