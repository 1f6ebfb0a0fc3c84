//! The files of the repository, and the prose in them: comments, and documents outside fences. Called by the checks of the tree.

#![allow(dead_code)] // no check uses all of it

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Directories of build products and of clusters, with their path from the root.
pub(crate) const MADE: [&str; 3] = ["target", "tests/fuzz/target", "run"];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

pub(crate) fn children(directory: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// Every file below a directory but hidden ones; `.ci` counts.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in children(directory) {
        let name = path.file_name().unwrap().to_string_lossy();
        let hidden = name.starts_with('.') && name != ".ci";
        let made = MADE.iter().any(|made| path == root().join(made));
        if path.is_dir() && !hidden && !made {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

/// How a file marks its prose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prose {
    /// Behind `//`.
    Slashes,
    /// Behind `#`.
    Hash,
    /// Everything outside fences.
    Markdown,
}

impl Prose {
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("rs" | "proto") => Some(Self::Slashes),
            Some("sh" | "py" | "toml" | "yml" | "yaml" | "service" | "cfg") => Some(Self::Hash),
            Some("md") => Some(Self::Markdown),
            _ => ["Makefile", "Containerfile", "run", "with-mutants"].contains(&name).then_some(Self::Hash),
        }
    }

    /// The prose of each line; none: the line has none, and a paragraph ends.
    pub(crate) fn lines(self, text: &str) -> Vec<Option<&str>> {
        let mut fenced = false;
        let of_document = |line| {
            let fence = str::trim_start(line).starts_with("```");
            fenced ^= fence;
            (!fence && !fenced && !line.trim().is_empty()).then_some(line)
        };
        if self == Self::Markdown {
            text.lines().map(of_document).collect()
        } else {
            text.lines().map(|line| self.comment(line)).collect()
        }
    }

    fn mark(self) -> &'static str {
        if self == Self::Slashes { "//" } else { "#" }
    }

    /// The comment of a line of code.
    fn comment(self, line: &str) -> Option<&str> {
        match line.trim_start().strip_prefix(self.mark()) {
            Some(comment) if self == Self::Slashes => Some(comment.strip_prefix(['/', '!']).unwrap_or(comment)),
            Some(comment) if !comment.starts_with('!') => Some(comment),
            _ => self.trailing(line),
        }
    }

    /// The comment behind code: its mark stands between white space; the end of a text or of a URL is no code.
    fn trailing(self, line: &str) -> Option<&str> {
        line.match_indices(self.mark()).find_map(|(at, _)| {
            let (code, comment) = (&line[..at], &line[at + self.mark().len()..]);
            let before = code.strip_suffix(char::is_whitespace)?;
            let quoted = before.matches('"').count() % 2 == 1;
            let text = self == Self::Slashes && (quoted || before.is_empty() || before.ends_with([':', '"', '\'']));
            comment.strip_prefix(char::is_whitespace).filter(|_| !text)
        })
    }
}
