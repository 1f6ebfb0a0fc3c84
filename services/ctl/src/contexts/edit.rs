//! Changes of the file of contexts, which keep its comments and its order. Never writes a file that could not be read again.

use std::{
    fs::DirBuilder,
    io::Write,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use toml_edit::{Array, DocumentMut, Item, Table, TableLike, value};

use super::{
    ContextFile, exposed_files,
    reading::{self, KEYS, LISTS},
};
use crate::{
    failure::Failure,
    output_file::{OutputFile, Readers},
};

impl ContextFile {
    /// Sets keys of a context, which is made where absent; a key without a value is taken out. Returns lines about files that are
    /// not there, or that other users can read.
    ///
    /// # Errors
    /// Exit code 2: a wrong key, value or name. Exit code 1: the file cannot be written.
    pub(crate) fn set(&self, name: &str, values: &[(String, String)]) -> Result<Vec<String>, Failure> {
        if name.is_empty() || name.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
            return Err(Failure::Usage(format!("{name:?} is no name of a context: blanks do not belong there")));
        }
        let mut document = self.document();
        let context = table_in(table_in(document.as_table_mut(), "contexts", true), name, false);
        for (key, text) in values {
            match text.as_str() {
                _ if !KEYS.contains(&key.as_str()) => {
                    return Err(Failure::Usage(format!("{key} is no key of a context; there are {}", KEYS.join(", "))));
                }
                "" => drop(context.remove(key)),
                text => put(context, key, item(key, text)?),
            }
        }
        self.write(&document)?;
        self.doubts(name)
    }

    /// Makes a context the current one; none: no context is.
    ///
    /// # Errors
    /// Exit code 2: no such context. Exit code 1: the file cannot be written.
    pub(crate) fn make_current(&self, name: Option<&str>) -> Result<(), Failure> {
        let mut document = self.document();
        match name {
            Some(name) => {
                self.named(name)?;
                put(document.as_table_mut(), "current", value(name));
            }
            None => drop(document.remove("current")),
        }
        self.write(&document)
    }

    /// Removes a context; after the removal of the current context no context is current.
    ///
    /// # Errors
    /// As [`ContextFile::make_current`].
    pub(crate) fn remove(&self, name: &str) -> Result<(), Failure> {
        self.named(name)?;
        let mut document = self.document();
        drop(table_in(document.as_table_mut(), "contexts", true).remove(name));
        if self.current.as_deref() == Some(name) {
            drop(document.remove("current"));
        }
        self.write(&document)
    }

    fn document(&self) -> DocumentMut {
        self.text.parse().expect("the same text was read before")
    }

    /// The file appears whole, for its owner alone, behind symbolic links too.
    fn write(&self, document: &DocumentMut) -> Result<(), Failure> {
        let text = document.to_string();
        reading::read(&self.path, &text)?;
        if let Some(directory) = self.path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
            made.map_err(|error| Failure::file(directory, error))?;
        }
        let file = OutputFile::create(&self.path, true, Readers::Owner)?;
        file.file().write_all(text.as_bytes()).map_err(|error| file.failed(error))?;
        file.finish()
    }

    /// Lines about the files that a context names now.
    fn doubts(&self, name: &str) -> Result<Vec<String>, Failure> {
        let now = Self::at(self.path.clone())?;
        let context = now.named(name)?;
        let named = [&context.ca, &context.cert, &context.key, &context.token_file];
        let absent = named.into_iter().flatten().filter(|file| !file.exists());
        let mut lines: Vec<String> =
            absent.map(|file| format!("{}: there is no such file yet", file.display())).collect();
        lines.extend(exposed_files(context.key.as_deref(), context.token_file.as_deref()));
        Ok(lines)
    }
}

/// The table of a key, made where absent; `implicit`: a table that has only tables needs no header.
fn table_in<'t>(table: &'t mut dyn TableLike, key: &str, implicit: bool) -> &'t mut dyn TableLike {
    let made = || {
        let mut made = Table::new();
        made.set_implicit(implicit);
        Item::Table(made)
    };
    table.entry(key).or_insert_with(made).as_table_like_mut().expect("the file was read, and this is a table")
}

/// Sets a key; the comments around a value that stands there stay.
fn put(table: &mut dyn TableLike, key: &str, mut item: Item) {
    let Some(before) = table.get_mut(key) else {
        table.insert(key, item);
        return;
    };
    if let (Some(before), Some(now)) = (before.as_value(), item.as_value_mut()) {
        *now.decor_mut() = before.decor().clone();
    }
    *before = item;
}

/// The value of a key: a list of addresses, or a file from the root.
fn item(key: &str, text: &str) -> Result<Item, Failure> {
    if !LISTS.contains(&key) {
        return file(key, text).map(value);
    }
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    for part in &parts {
        if !is_address(key, part) {
            let form = if key == "proxies" { "http://host:port or https://host:port" } else { "host:port" };
            return Err(Failure::Usage(format!("{key}: `{part}` is not of the form {form}")));
        }
    }
    Ok(value(Array::from_iter(parts)))
}

fn is_address(key: &str, text: &str) -> bool {
    let bare = match key {
        "proxies" => text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")),
        _ => Some(text.split_once("://").map_or(text, |(_, bare)| bare)),
    };
    let Some(bare) = bare.map(|bare| bare.trim_end_matches('/')) else { return false };
    let port = bare.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
    let host_alone = key == "proxies" && port.is_none() && !bare.is_empty();
    let in_brackets = bare.starts_with('[') && bare.ends_with(']') && key == "proxies";
    !bare.contains('/') && (matches!(port, Some(Ok(_))) || host_alone || in_brackets)
}

fn file(key: &str, text: &str) -> Result<String, Failure> {
    let path = std::path::absolute(Path::new(text)).map_err(|error| Failure::Usage(format!("{key}: {error}")))?;
    let text = |path: PathBuf| path.into_os_string().into_string().ok();
    text(path).ok_or_else(|| Failure::Usage(format!("{key}: the present directory has a name that is not UTF-8")))
}
