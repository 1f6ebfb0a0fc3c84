//! Resolves the citations of comments, scripts and documents: `R6 durable-before-acknowledged`, `spec 9, Do-Not-Call`,
//! `spec 10.4`, `decision 0011`, `architecture, Failover`. A citation that leads nowhere fails with its file, its line and the
//! right form.
//!
//! Reads the repository as text; starts nothing. This file is left out: its examples lead nowhere on purpose.

#![allow(clippy::unwrap_used, reason = "a test that cannot read the repository fails")]

mod tree;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use tree::{Prose, children, files, root};

/// This file.
const OWN: &str = "tests/tests/citations.rs";
/// Tags of the specification: how sure a rule is.
const TAGS: [&str; 5] = ["SEED", "DOC", "CLIENT", "MEASURED", "OURS"];

// === the sources of citations ===

/// A section of the specification.
#[derive(Debug, Default)]
struct Section {
    /// The section's own title, and the headings in it.
    headings: Vec<String>,
    /// Numbers of the section's list.
    items: BTreeSet<u32>,
    text: String,
}

/// The sources of all citations.
#[derive(Debug, Default)]
struct Sources {
    /// Name of each rule by its number.
    rules: BTreeMap<u32, String>,
    spec: BTreeMap<u32, Section>,
    /// Four digits each.
    decisions: BTreeSet<String>,
    /// Headings of the architecture, without back-quotes.
    architecture: Vec<String>,
}

impl Sources {
    fn parse(rules: &str, spec: &str, decisions: &[&str], architecture: &str) -> Self {
        let headings =
            |line: &str| line.strip_prefix("## ").or(line.strip_prefix("### ")).map(|line| line.replace('`', ""));
        Self {
            rules: rules.lines().filter_map(rule).collect(),
            spec: sections(spec),
            decisions: decisions.iter().map(|name| name.chars().take(4).collect()).collect(),
            architecture: architecture.lines().filter_map(headings).collect(),
        }
    }

    fn of_the_repository() -> Self {
        let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
        let decisions = stems(&root().join("docs/decisions"));
        Self::parse(
            &read("docs/rules.md"),
            &read("docs/spec/http-interface.md"),
            &decisions.iter().map(String::as_str).filter(|stem| *stem != "README").collect::<Vec<_>>(),
            &read("docs/architecture.md"),
        )
    }
}

/// Number and name of a rule, of the heading `## R6 name`.
fn rule(line: &str) -> Option<(u32, String)> {
    let (number, name) = line.strip_prefix("## R")?.split_once(' ')?;
    Some((number.parse().ok()?, name.to_owned()))
}

fn sections(spec: &str) -> BTreeMap<u32, Section> {
    let mut found: BTreeMap<u32, Section> = BTreeMap::new();
    let mut at = 0;
    for line in spec.lines() {
        let heading = |text: &str| text.split(" (").next().unwrap_or_default().to_owned();
        if let Some((number, title)) = line.strip_prefix("## ").and_then(|line| line.split_once(". ")) {
            at = number.parse().unwrap();
            found.entry(at).or_default().headings.push(heading(title));
        }
        let Some(section) = found.get_mut(&at) else { continue };
        if let Some(title) = line.strip_prefix("### ") {
            section.headings.push(heading(title));
        }
        section.items.extend(line.split_once(". ").and_then(|(number, _)| number.parse::<u32>().ok()));
        section.text.push_str(line);
        section.text.push('\n');
    }
    found
}

// === the prose of a file ===

/// Lines of prose that belong together, joined by spaces: a citation may be broken between two lines.
#[derive(Debug, Default)]
struct Block {
    text: String,
    /// Start of each line in the text, and its number in the file.
    starts: Vec<(usize, usize)>,
}

impl Block {
    fn push(&mut self, text: &str, line: usize) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        self.starts.push((self.text.len(), line));
        self.text.push_str(text.trim());
    }

    fn line_of(&self, offset: usize) -> usize {
        let before = self.starts.partition_point(|(start, _)| *start <= offset);
        self.starts.get(before.saturating_sub(1)).map_or(0, |(_, line)| *line)
    }
}

/// The paragraphs of a text.
fn blocks(prose: Prose, text: &str) -> Vec<Block> {
    let mut blocks = vec![Block::default()];
    for (number, prose) in (1..).zip(prose.lines(text)) {
        match prose {
            Some(prose) => blocks.last_mut().unwrap().push(prose, number),
            None => blocks.push(Block::default()),
        }
    }
    blocks.retain(|block| !block.text.is_empty());
    blocks
}

// === citations ===

/// A number at the beginning of a text, and the rest.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

/// Whether a word ends in front of this text.
fn ends(rest: &str) -> bool {
    !rest.starts_with(|letter: char| letter.is_alphanumeric() || letter == '_')
}

/// Every place of a word, in either case of its first letter, and the text behind.
fn places<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    let begins =
        |at: usize| !text[..at].ends_with(|letter: char| letter.is_alphanumeric() || "_<-+/.".contains(letter));
    let is = move |at: &usize| {
        text.get(*at..*at + word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word) && found[1..] == word[1..])
    };
    text.char_indices()
        .map(|(at, _)| at)
        .filter(is)
        .filter(move |at| begins(*at))
        .map(move |at| (at, &text[at + word.len()..]))
}

/// The wrong citations of a text, each with its place and the fault.
fn wrong_citations(text: &str, sources: &Sources) -> Vec<(usize, String)> {
    let mut wrong = Vec::new();
    let mut note = |at: usize, fault: Option<String>| wrong.extend(fault.map(|fault| (at, fault)));
    for (at, rest) in places(text, "R").filter(|(at, _)| text[*at..].starts_with('R')) {
        note(at, wrong_rule(rest, sources));
    }
    for (at, rest) in places(text, "spec ") {
        note(at, wrong_section(rest, sources));
    }
    for word in ["decision ", "decisions "] {
        for (at, rest) in places(text, word) {
            note(at, wrong_decision(rest, sources));
        }
    }
    for word in ["architecture, ", "architecture.md), "] {
        for (at, rest) in text.match_indices(&word[1..]).map(|(at, found)| (at, &text[at + found.len()..])) {
            note(at, wrong_heading(rest, sources));
        }
    }
    wrong.extend(old_forms(text));
    wrong.sort();
    wrong
}

fn wrong_rule(rest: &str, sources: &Sources) -> Option<String> {
    let (rule, rest) = number(rest)?;
    if !ends(rest) || rest.starts_with('<') || rest.starts_with("::") {
        return None;
    }
    let Some(name) = sources.rules.get(&rule) else {
        let last = sources.rules.last_key_value().map_or(0, |(last, _)| *last);
        return Some(format!("R{rule} leads nowhere: docs/rules.md has R1 to R{last}"));
    };
    let letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let cited = rest.strip_prefix(' ').map_or("", |rest| &rest[..rest.find(|l| !letter(l)).unwrap_or(rest.len())]);
    (cited.contains('-') && cited != name).then(|| format!("R{rule} {cited} should be R{rule} {name}"))
}

fn wrong_section(rest: &str, sources: &Sources) -> Option<String> {
    let (mut cited, mut rest) = number(rest)?;
    loop {
        let Some(section) = sources.spec.get(&cited) else {
            return Some(format!(
                "spec {cited} leads nowhere: docs/spec/http-interface.md has no section of that number"
            ));
        };
        if let Some((item, behind)) = rest.strip_prefix('.').and_then(number) {
            if !section.items.contains(&item) {
                return Some(format!(
                    "spec {cited}.{item} leads nowhere: the list of section {cited} has no such number"
                ));
            }
            rest = behind;
        }
        let behind = rest.strip_prefix(", ")?;
        match number(behind) {
            Some((next, further)) if ends(further) => (cited, rest) = (next, further),
            _ => return wrong_part(cited, section, behind),
        }
    }
}

/// Checks the text behind `spec 9, `: a heading, a tag, a word that the section has in capitals, or prose in small letters.
fn wrong_part(cited: u32, section: &Section, part: &str) -> Option<String> {
    let begins = |heading: &&String| part.strip_prefix(heading.as_str()).is_some_and(ends);
    if section.headings.iter().any(|heading| begins(&heading)) {
        return None;
    }
    let capital = |letter: char| letter.is_ascii_uppercase() || letter == '_';
    let word = &part[..part.find(|letter| !capital(letter)).unwrap_or(part.len())];
    if word.len() > 2 && (TAGS.contains(&word) || section.text.contains(word)) {
        return None;
    }
    let small = part.to_lowercase();
    let meant = section.headings.iter().find(|heading| small.starts_with(&heading.to_lowercase()));
    if let Some(heading) = meant {
        return Some(format!("\"spec {cited}, {heading}\" is how that heading is cited"));
    }
    part.starts_with(char::is_uppercase)
        .then(|| format!("\"spec {cited}, {}\" leads nowhere: its headings are {:?}", start(part), section.headings))
}

fn wrong_decision(rest: &str, sources: &Sources) -> Option<String> {
    let end = rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len());
    let (cited, rest) = rest.split_at(end);
    if cited.is_empty() {
        return None;
    }
    if !sources.decisions.contains(cited) {
        return Some(format!("decision {cited} leads nowhere: docs/decisions has {:?}", sources.decisions));
    }
    let next = rest.strip_prefix(", ").or(rest.strip_prefix(" and "));
    next.and_then(|next| wrong_decision(next, sources))
}

fn wrong_heading(rest: &str, sources: &Sources) -> Option<String> {
    let cited = rest.replace('`', "");
    if sources.architecture.iter().any(|heading| cited.strip_prefix(heading.as_str()).is_some_and(ends)) {
        return None;
    }
    let small = cited.to_lowercase();
    let meant =
        sources.architecture.iter().any(|heading| small.strip_prefix(&heading.to_lowercase()).is_some_and(ends));
    (meant || cited.starts_with(char::is_uppercase) || cited.starts_with("services/")).then(|| {
        format!("\"architecture, {}\" leads nowhere: its headings are {:?}", start(&cited), sources.architecture)
    })
}

fn start(text: &str) -> String {
    text.split_whitespace().take(4).collect::<Vec<_>>().join(" ")
}

/// Citations of documents that the repository does not contain.
fn old_forms(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let small = text.to_ascii_lowercase();
    let instead = "cite a rule as R6, the rest as \"architecture, Heading\" or \"decision 0011\"";
    for (at, rest) in places(&small, "design ") {
        if rest.starts_with(|letter: char| letter.is_ascii_digit()) || rest.starts_with("rule") {
            found.push((at, format!("\"{}\" cites what is not here: {instead}", start(&text[at..]))));
        }
    }
    for (word, several) in [("rule ", false), ("rules ", true)] {
        for (at, rest) in places(&small, word) {
            let Some((_, behind)) = number(rest) else { continue };
            let list = [", ", " and "]
                .iter()
                .find_map(|between| behind.strip_prefix(between))
                .is_some_and(|next| number(next).is_some());
            if !several || list {
                found.push((at, format!("\"{}\" is cited as R and its number", start(&text[at..]))));
            }
        }
    }
    found
}

// === the repository ===

fn stems(directory: &Path) -> Vec<String> {
    children(directory).iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect()
}

fn all() -> Vec<PathBuf> {
    let mut found = files(&root());
    found.retain(|path| !path.ends_with(OWN));
    found
}

fn faults_of(path: &Path, sources: &Sources) -> Vec<String> {
    let Some(prose) = Prose::of(path) else { return Vec::new() };
    let text = fs::read_to_string(path).unwrap();
    let shown = path.strip_prefix(root()).unwrap_or(path).display().to_string();
    let blocks = blocks(prose, &text);
    let faults = blocks.iter().flat_map(|block| {
        let wrong = wrong_citations(&block.text, sources);
        wrong.into_iter().map(|(at, fault)| (block.line_of(at), fault)).collect::<Vec<_>>()
    });
    // texts that programs print must not cite missing documents either
    let lines = text.lines().enumerate();
    let printed = lines.flat_map(|(at, line)| old_forms(line).into_iter().map(move |(_, fault)| (at + 1, fault)));
    let found: BTreeSet<(usize, String)> = faults.chain(printed).collect();
    found.into_iter().map(|(line, fault)| format!("{shown}:{line}: {fault}")).collect()
}

#[test]
fn every_citation_leads_somewhere() {
    let sources = Sources::of_the_repository();
    let wrong: Vec<String> = all().iter().flat_map(|path| faults_of(path, &sources)).collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn what_can_be_cited_is_found() {
    let sources = Sources::of_the_repository();
    assert!(sources.rules.keys().copied().eq(1..=sources.rules.len() as u32), "{:?}", sources.rules);
    assert!(sources.rules.len() >= 13 && sources.spec.len() >= 13 && sources.decisions.len() >= 15);
    assert!(sources.spec[&10].items.contains(&8) && sources.spec[&9].headings.contains(&"Do-Not-Call".to_owned()));
    assert!(sources.architecture.contains(&"services/consensus".to_owned()));
}

// === rules and their holders ===

/// The files that list deliberate mistakes.
const MUTANTS: [&str; 3] =
    ["services/consensus/src/mutant.rs", "services/dispatch/src/mutant.rs", "services/records/src/mutant.rs"];

/// Tests, mutants and claims that a rule may name as its holders.
#[derive(Debug, Default)]
struct Holders {
    tests: BTreeSet<String>,
    mutants: BTreeSet<String>,
    /// Claims of the simulator.
    claims: BTreeSet<String>,
}

impl Holders {
    fn of_the_repository() -> Self {
        let mut holders = Self::default();
        for path in all() {
            let golden = path.parent().is_some_and(|parent| parent.ends_with("golden"));
            if golden {
                holders.tests.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            holders.tests.extend(tests_of(&text));
            if MUTANTS.iter().any(|file| path.ends_with(file)) {
                holders.mutants.extend(text.lines().filter_map(mutant_of));
            }
            if path.starts_with(root().join("tests/src/sim")) {
                holders.claims.extend(text.split('"').skip(1).step_by(2).map(str::to_owned));
            }
        }
        holders
    }
}

/// Functions that a test runner finds.
fn tests_of(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut waits = false;
    for line in text.lines().map(str::trim_start) {
        waits |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        if let Some((_, name)) = line.split_once("fn ").filter(|_| waits) {
            found.push(name.split('(').next().unwrap_or_default().to_owned());
            waits = false;
        }
    }
    found
}

fn mutant_of(line: &str) -> Option<String> {
    Some(line.trim().strip_prefix("Self::")?.strip_suffix(',')?.to_owned())
}

/// The parts of a text in back-quotes (or other quotes).
fn quoted(text: &str, quote: char) -> impl Iterator<Item = &str> {
    text.split(quote).skip(1).step_by(2)
}

/// The number of holders that a rule's table names and that exist, and a fault for each of the others.
fn holders_of(section: &str, holders: &Holders) -> (usize, Vec<String>) {
    let (mut there, mut wrong) = (0, Vec::new());
    let mut look = |known: &BTreeSet<String>, name: &str, kind: &str| match known.contains(name) {
        true => there += 1,
        false => wrong.push(format!("there is no {kind} {name}")),
    };
    for part in section.lines().filter(|line| line.starts_with('|')).flat_map(|line| line.split([';', '|'])) {
        let part = part.trim();
        if part.starts_with("mutant") {
            quoted(part, '`').for_each(|name| look(&holders.mutants, name, "mutant"));
        } else if part.starts_with("simulator:") {
            quoted(part, '"').for_each(|name| look(&holders.claims, name, "claim of the simulator"));
        } else {
            let is_test = |name: &&str| name.matches('_').count() > 3 && !name.contains([':', '/', '.', ' ']);
            quoted(part, '`').filter(is_test).for_each(|name| look(&holders.tests, name, "test"));
        }
    }
    (there, wrong)
}

#[test]
fn every_rule_names_what_holds_it() {
    let holders = Holders::of_the_repository();
    let text = fs::read_to_string(root().join("docs/rules.md")).unwrap();
    let mut wrong = Vec::new();
    for section in text.split("\n## ").skip(1) {
        let title = section.lines().next().unwrap_or_default();
        let (there, missing) = holders_of(section, &holders);
        wrong.extend(missing.into_iter().map(|missing| format!("docs/rules.md, {title}: {missing}")));
        if there == 0 {
            wrong.push(format!("docs/rules.md, {title}: names no test, mutant or claim of the simulator"));
        }
        for part in ["**Rule.**", "**Reason.**"].iter().filter(|part| !section.contains(**part)) {
            wrong.push(format!("docs/rules.md, {title}: has no {part}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

// === the resolver itself ===

fn example() -> Sources {
    Sources::parse(
        "# Rules\n\n## R1 first-rule\n\n## R2 second-rule\n",
        "## 1. What it is\n\nTOO_MANY\n\n## 2. Life (SEED)\n\n1. one\n2. two\n\n### Do-Not-Call (OURS)\n",
        &["0001-a-decision", "0012-another"],
        "# Architecture\n\n## Failover\n\n### `services/node`\n",
    )
}

fn faults(text: &str) -> Vec<String> {
    wrong_citations(text, &example()).into_iter().map(|(_, fault)| fault).collect()
}

#[test]
fn citations_of_what_is_there_are_taken() {
    for text in [
        "(R1) R2. [R1](x) `R2` R1 first-rule; R2 second-rule",
        "(spec 1) spec 1, 2. spec 2.1; spec 2, Do-Not-Call; Spec 2, Life (spec 2, OURS) spec 1, TOO_MANY",
        "spec 2, in the order of its steps",
        "decision 0001, decisions 0001 and 0012; a decision of 2 nodes",
        "architecture, Failover; Architecture, services/node: why; architecture, `services/node`; the architecture, as it is",
        "rules version 3, formats 1 to 2, rules 1 to 2, the rules, by design",
        "Vec<R9>, MR12, R9::new, AR9 and R9x are no citations",
    ] {
        assert_eq!(faults(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn citations_that_lead_nowhere_are_told_with_what_is_right() {
    for (text, told) in [
        ("(R3)", "R1 to R2"),
        ("R1 second-rule", "should be R1 first-rule"),
        ("spec 3", "no section"),
        ("spec 1, 4", "no section"),
        ("spec 2.3", "no such number"),
        ("spec 2, Treatments", "Do-Not-Call"),
        ("spec 2, do-not-call", "\"spec 2, Do-Not-Call\""),
        ("spec 2, TOO_MANY", "leads nowhere"),
        ("decision 0002", "leads nowhere"),
        ("decision 12", "leads nowhere"),
        ("decisions 0001 and 0002", "decision 0002"),
        ("architecture, Switchover", "Failover"),
        ("Architecture, failover", "Failover"),
        ("architecture, services/nodes", "leads nowhere"),
    ] {
        let faults = faults(text);
        assert!(faults.len() == 1 && faults[0].contains(told), "{text}: {faults:?}");
    }
}

#[test]
fn the_forms_of_documents_that_are_not_here_are_told() {
    for text in
        ["(design 2)", "Design 1: x", "design rule one", "Rule 6: x", "(rule 1)", "rules 6 and 10", "rules 1, 2"]
    {
        assert!(!faults(text).is_empty(), "{text}");
    }
}

#[test]
fn a_citation_that_is_broken_between_two_lines_is_found_in_its_line() {
    let rust = "let rule = 6; // a comment\n\n/// One (spec\n/// 3), and (R1\n/// second-rule).\nlet url = \"http://x // R9\";\n";
    let found = blocks(Prose::Slashes, rust);
    let place = |block: &Block| {
        let wrong = wrong_citations(&block.text, &example());
        wrong.into_iter().map(|(at, _)| block.line_of(at)).collect::<Vec<_>>()
    };
    assert_eq!(found.iter().flat_map(place).collect::<Vec<_>>(), [3, 4]);
    let page = "text (R1)\n```\nR9\n```\n| R9 |\n";
    assert_eq!(blocks(Prose::Markdown, page).iter().flat_map(place).collect::<Vec<_>>(), [5]);
    assert_eq!(blocks(Prose::Hash, "x = 1 # R9\n#R9\n").iter().flat_map(place).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_rule_that_names_what_is_not_there_is_told() {
    let known = |name: &str| BTreeSet::from([name.to_owned()]);
    let holders =
        Holders { tests: known("a_test_that_holds_the_rule"), mutants: known("Broken"), claims: known("it holds") };
    let good = "| part | `a_test_that_holds_the_rule`, `a::symbol`; simulator: \"it holds\"; mutants `Broken` |";
    assert_eq!(holders_of(good, &holders), (3, Vec::new()));
    let bad = "| part | `a_test_that_is_not_there_any_more`; simulator: \"gone\"; mutant `Gone` |";
    assert_eq!(holders_of(bad, &holders).1.len(), 3);
    assert_eq!(holders_of("`a_test_that_holds_the_rule` outside of a table", &holders).0, 0);
    assert_eq!(
        tests_of("#[test]\nfn a() {}\nfn b() {}\n#[tokio::test(start_paused = true)]\nasync fn c() {}"),
        ["a", "c"]
    );
}
