//! Counts subjects without a noun in comments and documents: "it", "who" or "what" with a verb, which a reader has to decode.
//!
//! `tests/nouns.tsv` holds the ceiling of each file; a ceiling may only fall. `RECORD_NOUNS=1` lowers the ceilings to the counts.
//! Reads the repository as text; starts nothing. This file is not counted: its examples contain such subjects.

#![allow(clippy::unwrap_used, reason = "a test that cannot read the repository fails")]

mod tree;

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
};

use tree::{Prose, files, root};

/// Subjects without a noun per 1,000 words of the whole tree.
const PER_THOUSAND_MAX: usize = 4;
/// The ceilings, with their path from the root.
const TABLE: &str = "tests/nouns.tsv";
/// This file.
const OWN: &str = "tests/tests/nouns.rs";
/// Documents whose text is given or generated.
const LEFT_OUT: [&str; 3] = ["docs/spec/", "docs/benchmarks/", "docs/drills/"];
/// The variable that records lower ceilings.
const RECORD: &str = "RECORD_NOUNS";

const HEADER: &str = "\
# Ceilings of tests/tests/nouns.rs: subjects without a noun and the path of a file, separated by a tab. A ceiling may only fall.
# RECORD_NOUNS=1 lowers them. The line of a renamed file is edited by hand.
";

const MEND: &str = "give each sentence a noun of the field as its subject: \
     \"It is woken once a batch\" becomes \"The driver is woken once a batch\", \
     \"who waits is told\" becomes \"a waiting client gets a refusal\", \
     \"what has queued is written\" becomes \"the batch is written\"";

// === the words ===

const SUBJECTS: &[&str] = &[
    "who",
    "whoever",
    "what",
    "whatever",
    "one",
    "it",
    "somebody",
    "someone",
    "anybody",
    "nobody",
    "everybody",
    "everyone",
];

/// Adverbs that may stand between a subject and its verb.
const ADVERBS: &[&str] = &[
    "also", "only", "never", "then", "still", "now", "not", "alone", "just", "itself", "already", "even", "again",
    "once", "first", "there", "here", "really", "thus", "always", "ever", "too", "soon",
];

/// Verbs beside those that end in "s" or "ed".
const VERBS: &[&str] = &[
    "is", "are", "were", "have", "had", "do", "did", "can", "cannot", "could", "may", "might", "must", "will", "would",
    "shall", "should", "came", "went", "led", "took", "knew", "got", "held", "kept", "left", "sent", "said", "saw",
    "stood", "began", "lost", "made", "wrote", "fell", "gave", "found", "told", "ran",
];

/// Words in "s" that are no verbs, and stand behind such a subject.
const NO_VERBS: &[&str] = &[
    "process", "address", "access", "class", "status", "loss", "always", "less", "this", "its", "as", "us", "across",
    "perhaps", "besides", "towards", "times", "series", "pass", "yes", "ms", "those", "seconds", "minutes", "bytes",
    "entries", "rows", "bus",
];

fn is_verb(word: &str) -> bool {
    let ends = word.len() > 2 && word.ends_with('s') && !NO_VERBS.contains(&word);
    VERBS.contains(&word) || ends || (word.len() > 3 && word.ends_with("ed"))
}

fn letter_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The word of ASCII letters at the beginning of a text, and the rest; none: the text begins otherwise, or the word goes on.
fn word(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(text.len());
    (end > 0 && !text[end..].starts_with(letter_of_word)).then(|| text.split_at(end))
}

/// The next word behind one space, or behind a comma and one space.
fn next_word(rest: &str) -> Option<(&str, &str)> {
    word(rest.strip_prefix(',').unwrap_or(rest).strip_prefix(' ')?)
}

/// The text behind the verb that follows a subject; none: no verb follows.
fn behind_verb(rest: &str) -> Option<&str> {
    let (next, behind) = next_word(rest)?;
    let second = next_word(behind).filter(|(second, _)| ADVERBS.contains(&next) && is_verb(second));
    second.map(|(_, behind)| behind).or(is_verb(next).then_some(behind))
}

/// The subjects without a noun in a line of prose, each with its verb, in small letters.
fn subjects(prose: &str) -> Vec<String> {
    let small = prose.to_ascii_lowercase();
    let begins = |at: &usize| !small[..*at].ends_with(letter_of_word);
    let hit = |at: usize| {
        let (subject, rest) = word(&small[at..])?;
        let behind = behind_verb(rest).filter(|_| SUBJECTS.contains(&subject))?;
        Some(small[at..small.len() - behind.len()].to_owned())
    };
    small.char_indices().map(|(at, _)| at).filter(begins).filter_map(hit).collect()
}

fn words(prose: &str) -> usize {
    let parts = prose.split(|letter: char| !letter.is_ascii_alphabetic() && letter != '\'' && letter != '-');
    parts.filter(|part| part.contains(|letter: char| letter.is_ascii_alphabetic())).count()
}

// === the prose of a file ===

/// Each line of prose with its number, and with code in back-quotes shortened.
fn lines(prose: Prose, text: &str) -> Vec<(usize, String)> {
    let numbered = (1..).zip(prose.lines(text));
    numbered.filter_map(|(number, prose)| Some((number, without_code(prose?)))).collect()
}

/// A line with each part in back-quotes replaced by a word that is neither subject nor verb.
fn without_code(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    let closed = parts.len() - (parts.len() + 1) % 2;
    let mut shown = String::new();
    for (at, part) in parts.iter().enumerate() {
        match at {
            0 => {}
            _ if at >= closed => shown.push('`'),
            _ if at % 2 == 1 => shown.push_str("`x"),
            _ => shown.push('`'),
        }
        if at % 2 == 0 || at >= closed {
            shown.push_str(part);
        }
    }
    shown
}

/// The subjects without a noun of one file.
#[derive(Debug, Default)]
struct Count {
    /// Line, and the subject with its verb.
    hits: Vec<(usize, String)>,
    words: usize,
}

impl Count {
    fn of(prose: Prose, text: &str) -> Self {
        let mut count = Self::default();
        for (line, prose) in lines(prose, text) {
            count.words += words(&prose);
            count.hits.extend(subjects(&prose).into_iter().map(|hit| (line, hit)));
        }
        count
    }
}

// === the ceilings ===

type Ceilings = BTreeMap<String, usize>;

fn parse(table: &str) -> Ceilings {
    let lines = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let ceiling = |line: &str| match line.split_once('\t') {
        Some((count, path)) => (path.to_owned(), count.parse().expect("a count")),
        None => panic!("a line of {TABLE} is a count, a tab and a path: {line:?}"),
    };
    lines.map(ceiling).collect()
}

fn write(ceilings: &Ceilings) -> String {
    let lines = ceilings.iter().map(|(path, count)| format!("{count}\t{path}\n"));
    HEADER.to_owned() + &lines.collect::<String>()
}

/// The ceilings lowered to the counts: none is raised or added.
fn lowered(ceilings: &Ceilings, counts: &BTreeMap<String, Count>) -> Ceilings {
    let now = |path: &str| counts.get(path).map_or(0, |count| count.hits.len());
    let lower = ceilings.iter().map(|(path, ceiling)| (path.clone(), now(path).min(*ceiling)));
    lower.filter(|(_, ceiling)| *ceiling > 0).collect()
}

/// Differences between the counts and the ceilings, each with its remedy.
fn faults(ceilings: &Ceilings, counts: &BTreeMap<String, Count>) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, count) in counts {
        let ceiling = ceilings.get(path).copied().unwrap_or(0);
        let hits = count.hits.len();
        if hits > ceiling {
            faults.push(format!("{path}: subjects without a noun: {hits}, ceiling: {ceiling}; {MEND}"));
            faults.extend(count.hits.iter().map(|(line, hit)| format!("  {path}:{line}: \"{hit}\"")));
        } else if hits == 0 && ceiling > 0 {
            faults.push(format!(
                "{path} has no subject without a noun any more: remove its line, or run with {RECORD}=1"
            ));
        } else if hits < ceiling {
            faults.push(format!("{path} has a ceiling of {ceiling}: lower it to {hits}, or run with {RECORD}=1"));
        }
    }
    let gone = ceilings.keys().filter(|path| !counts.contains_key(*path));
    faults.extend(gone.map(|path| format!("{path} is gone: remove its line, or run with {RECORD}=1")));
    faults
}

// === the repository ===

/// Each counted file by its path from the root.
fn counts() -> BTreeMap<String, Count> {
    let count = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().to_str()?.to_owned();
        let prose = Prose::of(&path)?;
        let counted = name != OWN && !LEFT_OUT.iter().any(|directory| name.starts_with(directory));
        counted.then(|| (name, Count::of(prose, &String::from_utf8_lossy(&fs::read(&path).unwrap()))))
    };
    files(&root()).into_iter().filter_map(count).collect()
}

#[test]
fn no_file_has_more_subjects_without_a_noun_than_its_ceiling() {
    let table = root().join(TABLE);
    let (mut ceilings, counts) = (parse(&fs::read_to_string(&table).unwrap()), counts());
    if env::var_os(RECORD).is_some_and(|value| value == "1") {
        ceilings = lowered(&ceilings, &counts);
        fs::write(&table, write(&ceilings)).unwrap();
    }
    let faults = faults(&ceilings, &counts);
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn the_whole_tree_has_at_most_four_subjects_without_a_noun_in_a_thousand_words() {
    let counts = counts();
    let hits: usize = counts.values().map(|count| count.hits.len()).sum();
    let words: usize = counts.values().map(|count| count.words).sum();
    assert!(words > 50_000, "{words} words: the tree is not read");
    assert!(hits * 1000 <= PER_THOUSAND_MAX * words, "{hits} subjects without a noun in {words} words");
}

// === the counter itself ===

#[test]
fn subjects_without_a_noun_are_counted() {
    for (text, told) in [
        ("It is woken", "it is"),
        ("for those who wait, and whoever waits", "whoever waits"),
        ("what never came", "what never came"),
        ("one that waits, one waits", "one waits"),
        ("nobody, then, reads", "nobody, then, reads"),
        ("if it, once, failed", "it, once, failed"),
        ("(it cannot)", "it cannot"),
        ("no-one knows", "one knows"),
        ("everyone led", "everyone led"),
        ("Somebody has-been", "somebody has"),
        ("whatever it is", "it is"),
        ("it again it has", "it has"),
    ] {
        assert_eq!(subjects(text), [told], "{text}");
    }
    assert_eq!(subjects("who asks and what was asked"), ["who asks", "what was"]);
}

#[test]
fn sentences_with_a_noun_are_not_counted() {
    for text in [
        "The driver is woken",
        "one process, one address, one always, what times",
        "it, the driver, is woken",
        "it's; it isn't; it_is; it  is; it-is; it. Is",
        "unit is, someones is, phone is, né_it is",
        "whose and whom has; which is; one entry has",
        "it led3 it is_ it wasé",
        "it only then waits",
        "it red, it us, it as",
    ] {
        assert_eq!(subjects(text), [""; 0], "{text}");
    }
}

#[test]
fn words_are_counted_as_a_reader_counts_them() {
    assert_eq!(words("don't re-read 3rd, x1y 42 -- 'tis `x`"), 7);
}

#[test]
fn only_prose_is_counted() {
    let lines = |prose: Prose, text: &str| lines(prose, text).into_iter().map(|(line, _)| line).collect::<Vec<_>>();
    let of = |path: &str| Prose::of(Path::new(path));
    let rust = "//! a\n/// b\n  // c\nlet it = 1; // d\nlet url = \"http://it is\";\nlet x = \"// it is\";\nlet y = \" // it\";\n";
    assert_eq!(lines(Prose::Slashes, rust), [1, 2, 3, 4]);
    assert_eq!(lines(Prose::Hash, "#!/bin/sh\n# a\nx=1 # b\nx=${1#it is}\n[it]\n"), [2, 3]);
    assert_eq!(lines(Prose::Markdown, "a\n```\nit is\n```\nb\n"), [1, 5]);
    assert_eq!(without_code("`it` is `what is` here"), "`x` is `x` here");
    assert_eq!(without_code("`it is` and `it is"), "`x` and `it is");
    assert_eq!(without_code("no code"), "no code");
    assert_eq!(["a.rs", "a.proto"].map(of), [Some(Prose::Slashes); 2]);
    assert_eq!(["a.sh", "a.py", "a.toml", "a/Makefile", "a.service"].map(of), [Some(Prose::Hash); 5]);
    assert_eq!(["a.md", "a.tsv"].map(of), [Some(Prose::Markdown), None]);
}

#[test]
fn a_ceiling_only_falls() {
    let ceilings = parse("# head\n2\ta.rs\n1\tb.rs\n3\tc.rs\n1\tgone.rs\n");
    let count = |hits: &str| Count::of(Prose::Markdown, hits);
    let paths = ["a.rs", "b.rs", "c.rs", "new.rs"].map(str::to_owned);
    let counts: BTreeMap<_, _> =
        paths.into_iter().zip(["it is\nwho is\nit was", "", "it is", "a\nit is"].map(count)).collect();
    let faults = faults(&ceilings, &counts);
    let told = |part: &str| faults.iter().any(|fault| fault.contains(part));
    for part in [
        "a.rs: subjects without a noun: 3, ceiling: 2",
        "  a.rs:2: \"who is\"",
        "b.rs has no",
        "lower it to 1",
        "gone.rs is gone",
        "  new.rs:2: \"it is\"",
    ] {
        assert!(told(part), "{part}: {faults:?}");
    }
    let lowered = lowered(&ceilings, &counts);
    assert_eq!(lowered, parse("2\ta.rs\n1\tc.rs"));
    assert_eq!(parse(&write(&lowered)), lowered);
}
