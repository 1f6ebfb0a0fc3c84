//! A page of `docs/` as its blocks of commands. Never runs anything. Called by `site` and by the tests.
//!
//! Blocks in `sh` and `python` are run, in their order, in one shell. `sh exit=4`: the block must end with that status. A block in
//! `json` or `text` right behind a block shows its result.

use std::fs;

use serde_json::{Deserializer, Value};

use crate::site::repository;

/// Members of an answer whose values differ from run to run, or are words for people.
const VARY: [&str; 4] = ["GSW_RECORD_HANDLE", "GSW_RECORD_URI", "GSW_CHAIN_ID", "GSW_ERROR"];

/// A block that is run.
#[derive(Debug)]
pub(crate) struct Block {
    /// Where its fence opens, from 1.
    pub(crate) line: usize,
    /// The heading above it.
    pub(crate) section: String,
    /// For bash.
    pub(crate) script: String,
    /// The exit status that the block must have.
    pub(crate) exit: i32,
    /// The result that the page shows.
    answer: Answer,
}

#[derive(Debug)]
enum Answer {
    Unsaid,
    /// Objects: each member of the page's object is in the answer of the same place too.
    Json(String),
    /// Lines that are among those of the output.
    Lines(String),
}

/// A fenced block.
#[derive(Debug)]
pub(crate) struct Fence {
    line: usize,
    section: String,
    /// Language and options.
    pub(crate) info: String,
    text: String,
    /// Nothing but empty lines stands between the block before and this one.
    follows: bool,
}

/// The text of a page below `docs/`.
pub(crate) fn read(page: &str) -> String {
    let path = repository().join("docs").join(page);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The blocks of a page that are run, in their order.
pub(crate) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for fence in fences(text) {
        let (language, options) = fence.info.split_once(' ').unwrap_or((&fence.info, ""));
        match language {
            "sh" => blocks.push(block(&fence, fence.text.clone(), options)),
            "python" => blocks.push(block(&fence, format!("python3 - <<'PYTHON'\n{}PYTHON\n", fence.text), options)),
            "json" | "text" if fence.follows => {
                let answer = if language == "json" { Answer::Json } else { Answer::Lines };
                blocks.last_mut().expect("an answer stands behind a block").answer = answer(fence.text);
            }
            _ => {}
        }
    }
    blocks
}

fn block(fence: &Fence, script: String, options: &str) -> Block {
    let exit = options.strip_prefix("exit=").map_or(0, |code| code.parse().expect("exit=NUMBER"));
    Block { line: fence.line, section: fence.section.clone(), script, exit, answer: Answer::Unsaid }
}

/// Every fenced block of a page.
pub(crate) fn fences(text: &str) -> Vec<Fence> {
    let mut found = Vec::new();
    let mut open: Option<(usize, Fence)> = None;
    let (mut section, mut prose) = (String::new(), true);
    for (at, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        open = match open.take() {
            Some((_, fence)) if trimmed == "```" => {
                found.push(fence);
                prose = false;
                None
            }
            Some((indent, mut fence)) => {
                fence.text.push_str(line.get(indent..).unwrap_or(trimmed));
                fence.text.push('\n');
                Some((indent, fence))
            }
            None if trimmed.starts_with("```") => {
                let info = trimmed.trim_start_matches('`').trim().to_owned();
                let section = section.clone();
                let fence = Fence { line: at + 1, section, info, text: String::new(), follows: !prose };
                Some((line.len() - trimmed.len(), fence))
            }
            None => {
                if line.starts_with('#') {
                    line.trim_start_matches('#').trim().clone_into(&mut section);
                }
                prose |= !trimmed.is_empty();
                None
            }
        };
    }
    assert!(open.is_none(), "a block never ends");
    found
}

impl Block {
    /// Compares an answer with the one on the page.
    ///
    /// # Panics
    /// When the page is wrong.
    pub(crate) fn check(&self, page: &str, came: &str) {
        let place = format!("docs/{page}:{}", self.line);
        match &self.answer {
            Answer::Unsaid => {}
            Answer::Lines(lines) => {
                for line in lines.lines() {
                    assert!(came.lines().any(|other| other == line), "{place}: {line:?} did not come: {came}");
                }
            }
            Answer::Json(text) => {
                let (said, came) = (objects(&place, text), objects(&place, came));
                assert_eq!(said.len(), came.len(), "{place}: {came:?}");
                said.iter().zip(&came).for_each(|(said, came)| compare(&place, said, came));
            }
        }
    }
}

fn objects(place: &str, text: &str) -> Vec<Value> {
    let values = Deserializer::from_str(text).into_iter::<Value>();
    values.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{place}: {error}: {text}"))
}

fn compare(place: &str, said: &Value, came: &Value) {
    for (name, value) in said.as_object().expect("an answer is an object") {
        let there = came.get(name).unwrap_or_else(|| panic!("{place}: no {name} in {came}"));
        assert!(VARY.contains(&name.as_str()) || there == value, "{place}: {name} is {there}, not {value}");
    }
}
