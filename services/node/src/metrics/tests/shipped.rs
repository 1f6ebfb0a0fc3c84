//! The shipped alert rules and the dashboard ask for metrics, labels and values that a node has; the table of metrics is complete.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;

use super::*;

/// Labels that the scrape configuration and PromQL add to those of a node.
const ADDED: [&str; 6] = ["alertname", "alertstate", "cluster", "instance", "job", "le"];
/// Words of PromQL and of Grafana's queries, and metrics of Prometheus itself.
const WORDS: [&str; 24] = [
    "ALERTS",
    "and",
    "by",
    "changes",
    "count",
    "delta",
    "group_left",
    "histogram_quantile",
    "increase",
    "label_values",
    "max",
    "min",
    "on",
    "or",
    "rate",
    "sum",
    "time",
    "unless",
    "up",
    "without",
    "cluster",
    "instance",
    "avg",
    "abs",
];
/// Words of the documents that begin as metrics do.
const NO_METRICS: [&str; 2] = ["ocs_client", "ocs_drill"];
/// Words in front of a list of labels.
const LISTS: [&str; 4] = ["by", "on", "without", "group_left"];

/// A family of a page in the text format.
#[derive(Debug, Default, PartialEq)]
struct Family {
    kind: String,
    help: String,
    labels: BTreeSet<String>,
    /// Every label with each of its values.
    values: BTreeSet<(String, String)>,
}

/// Each family by its name.
type Families = BTreeMap<String, Family>;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Labels as a sample or a selector has them: name, operator and value.
fn labels(text: &str) -> Vec<(String, String, String)> {
    let label = |part: &str| {
        let (left, value) = part.split_once('"').unwrap_or_else(|| panic!("no label: {part}"));
        let name = left.trim().trim_end_matches(['=', '!', '~']);
        (name.to_owned(), left.trim()[name.len()..].to_owned(), value.trim_end_matches('"').to_owned())
    };
    text.split("\",").filter(|part| !part.is_empty()).map(label).collect()
}

fn families(page: &str) -> Families {
    let (mut found, mut name) = (Families::new(), String::new());
    for line in page.lines() {
        if let Some((of, words)) = line.strip_prefix("# HELP ").and_then(|line| line.split_once(' ')) {
            of.clone_into(&mut name);
            found.entry(name.clone()).or_default().help = words.trim_end_matches('.').to_owned();
        } else if let Some((_, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' ')) {
            found.entry(name.clone()).or_default().kind = kind.to_owned();
        } else if let Some((_, rest)) = line.split_once('{') {
            let family = found.entry(name.clone()).or_default();
            for (label, _, value) in labels(rest.rsplit_once('}').unwrap().0).into_iter().filter(|(of, ..)| of != "le")
            {
                family.labels.insert(label.clone());
                family.values.insert((label, value));
            }
        }
    }
    found
}

/// The page of a node on which every family has a sample.
async fn full_page() -> String {
    let stage = stage().await;
    let mut now = status(7, A);
    now.peers[0].matched = Some(4);
    stage.group.become_status(now);
    stage.metrics.count_http(true);
    for port in ["admin", "control", "health", "peer"] {
        stage.metrics.count_refusals(port, Arc::new(Refusals::new(port)));
    }
    let request = RequestCount { request: "AddRecord".into(), status: 200, durations_us: vec![1000] };
    stage.metrics.add(&Stats { requests: vec![request], ..Stats::default() });
    let certificate = ocs_proto::link::Certificate { usage: "http".into(), ..Default::default() };
    let report = ocs_proto::link::Certificates { order: 0, certificates: vec![certificate] };
    stage.sources.certificates.reported(report);
    stage.page()
}

// === expressions ===

/// Faults of an expression, each in words.
fn faults(expression: &str, families: &Families) -> Vec<String> {
    let known: BTreeSet<&str> =
        families.values().flat_map(|family| &family.labels).map(String::as_str).chain(ADDED).collect();
    let (mut rest, mut faults) = (expression, Vec::new());
    while let Some(at) = rest.find(|letter: char| letter.is_ascii_alphanumeric() || "_[\"{".contains(letter)) {
        let (first, behind) = (rest[at..].chars().next().unwrap_or_default(), &rest[at..]);
        let end = |closing: char| behind[1..].find(closing).map_or(behind.len(), |end| end + 2);
        let word_end = behind.find(|letter: char| !letter.is_ascii_alphanumeric() && !"_:.".contains(letter));
        let word = &behind[..word_end.unwrap_or(behind.len())];
        rest = match first {
            '[' => &behind[end(']')..],
            '"' => &behind[end('"')..],
            '{' => &behind[end('}')..],
            _ => &behind[word.len()..],
        };
        if first.is_ascii_digit() || "[\"{".contains(first) {
            continue;
        }
        if LISTS.contains(&word) {
            let list = rest.trim_start().strip_prefix('(').and_then(|list| list.split_once(')'));
            let (list, behind_list) = list.unwrap_or(("", rest));
            let strays = list.split(',').map(str::trim).filter(|label| !label.is_empty() && !known.contains(label));
            faults.extend(strays.map(|label| format!("no metric has the label {label}")));
            rest = behind_list;
        } else if !WORDS.contains(&word) {
            let selector =
                rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(inside, _)| inside);
            faults.extend(faults_of_selector(word, selector, families));
        }
    }
    faults
}

fn faults_of_selector(name: &str, selector: &str, families: &Families) -> Vec<String> {
    let of_sample = |suffix: &&str| {
        let family = families.get(name.strip_suffix(*suffix)?)?;
        (suffix.is_empty() || family.kind == "histogram").then_some(family)
    };
    let Some(family) = ["", "_bucket", "_sum", "_count"].iter().find_map(of_sample) else {
        return vec![format!("no node has {name}")];
    };
    let mut faults = Vec::new();
    for (label, operator, value) in labels(selector).into_iter().filter(|(label, ..)| !ADDED.contains(&label.as_str()))
    {
        let exact = ["=", "!="].contains(&operator.as_str());
        if !family.labels.contains(&label) {
            faults.push(format!("{name} has no label {label}"));
        } else if exact && !value.contains('$') && !family.values.contains(&(label.clone(), value.clone())) {
            faults.push(format!("{name} never has {label}={value:?}"));
        }
    }
    faults
}

/// The expressions of the alert rules, each with its alert.
fn of_rules(rules: &str) -> Vec<(String, String)> {
    let (mut found, mut alert, mut block) = (Vec::new(), String::new(), false);
    for line in rules.lines() {
        let inner = line.trim_start();
        if let Some(name) = inner.strip_prefix("- alert: ") {
            name.clone_into(&mut alert);
        }
        if let Some(expression) = inner.strip_prefix("expr: ") {
            block = expression == "|";
            let whole = expression.trim_matches('\'').replace("''", "'");
            found.push((alert.clone(), if block { String::new() } else { whole }));
        } else if block && line.starts_with("          ") {
            let (_, expression) = found.last_mut().expect("a block belongs to an expression");
            expression.push_str(inner);
            expression.push('\n');
        } else {
            block = false;
        }
    }
    found
}

/// Every expression and query below a value, with its place.
fn of_dashboard(value: &Value, place: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            let title = members.get("title").and_then(Value::as_str).unwrap_or(place);
            for (name, member) in members {
                match member.as_str() {
                    Some(text) if name == "expr" || (name == "query" && text != "prometheus") => {
                        found.push((title.to_owned(), text.to_owned()));
                    }
                    _ => of_dashboard(member, title, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| of_dashboard(item, place, found)),
        _ => {}
    }
}

#[tokio::test]
async fn every_expression_of_the_rules_and_of_the_dashboard_asks_for_what_a_node_has() {
    let families = families(&full_page().await);
    let mut all = of_rules(&file("deploy/prometheus/ocs.rules.yml"));
    assert!(all.len() > 40, "{all:?}");
    let dashboard: Value = serde_json::from_str(&file("deploy/prometheus/grafana.json")).unwrap();
    let of_rules = all.len();
    of_dashboard(&dashboard, "", &mut all);
    assert!(all.len() > of_rules + 60, "the dashboard has {} expressions", all.len() - of_rules);
    let wrong: Vec<String> = all
        .iter()
        .flat_map(|(place, expression)| {
            faults(expression, &families).into_iter().map(move |fault| format!("{place}: {fault}: {expression}"))
        })
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[tokio::test]
async fn the_table_of_metrics_has_every_metric_with_its_type_labels_and_help() {
    let families = families(&full_page().await);
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, kind, labels, help, _] = cells[..] else { panic!("a row has four cells: {line}") };
        let labels =
            labels.split(", ").map(|label| label.trim_matches('`').to_owned()).filter(|label| !label.is_empty());
        (name.trim_matches('`').to_owned(), (kind.to_owned(), labels.collect::<BTreeSet<_>>(), help.to_owned()))
    };
    let table = file("docs/metrics.md");
    let written: BTreeMap<_, _> = table.lines().filter(|line| line.starts_with("| `")).map(row).collect();
    let known: BTreeMap<_, _> =
        families.into_iter().map(|(name, family)| (name, (family.kind, family.labels, family.help))).collect();
    for (name, facts) in &known {
        assert_eq!(written.get(name), Some(facts), "docs/metrics.md: {name}");
    }
    let gone: Vec<_> = written.keys().filter(|name| !known.contains_key(*name)).collect();
    assert!(gone.is_empty(), "no node has {gone:?}");
}

#[tokio::test]
async fn metrics_that_the_documents_name_are_in_the_table() {
    let table = file("docs/metrics.md");
    for page in ["docs/monitoring.md", "docs/operations.md", "docs/certificates.md", "docs/backup.md", "docs/access.md"]
    {
        let text = file(page);
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let is_metric =
            |word: &&str| word.starts_with("ocs_") && word.len() > "ocs_".len() && !NO_METRICS.contains(word);
        for name in words.filter(is_metric) {
            assert!(table.contains(&format!("| `{name}`")), "{page}: docs/metrics.md has no {name}");
        }
    }
}

#[test]
fn a_wrong_name_label_or_value_is_a_fault() {
    let page = "# HELP ocs_a_total A.\n# TYPE ocs_a_total counter\nocs_a_total{port=\"http\",reason=\"x\"} 1\n\
                # HELP ocs_h_seconds H.\n# TYPE ocs_h_seconds histogram\nocs_h_seconds_bucket{le=\"+Inf\"} 1\n";
    let families = families(page);
    for fine in [
        "sum by (port, le) (rate(ocs_a_total{reason!=\"x\",cluster=\"$cluster\"}[5m])) > 0.01",
        "histogram_quantile(0.99, sum by (le) (rate(ocs_h_seconds_bucket[$__rate_interval]))) > 5e3",
        "ocs_a_total{port=~\"ht.*\"} * on (cluster, instance) group_left () up{job=\"ocs\"}",
        "label_values(ocs_a_total{cluster=\"$cluster\"}, instance)",
    ] {
        assert_eq!(faults(fine, &families), [""; 0], "{fine}");
    }
    for (wrong, fault) in [
        ("rate(ocs_b_total[5m])", "no node has ocs_b_total"),
        ("osc_a_total > 0", "no node has osc_a_total"),
        ("ocs_a_total_sum", "no node has ocs_a_total_sum"),
        ("ocs_a_total{prt=\"http\"}", "ocs_a_total has no label prt"),
        ("ocs_a_total{port=\"admin\"}", "ocs_a_total never has port=\"admin\""),
        ("sum by (reasons) (ocs_a_total)", "no metric has the label reasons"),
    ] {
        assert_eq!(faults(wrong, &families), [fault], "{wrong}");
    }
    let rules =
        "- alert: A\n  expr: 'up{job=\"ocs\"} == 0'\n- alert: B\n  expr: |\n          a\n            b\n  for: 1m\n";
    let wanted = [("A", "up{job=\"ocs\"} == 0"), ("B", "a\nb\n")].map(|(a, e)| (a.to_owned(), e.to_owned()));
    assert_eq!(of_rules(rules), wanted);
}
