//! Measurements of a drill's rounds, and their verdict.

use super::*;

fn report(check: Check, stopped: Option<String>) -> Report {
    let began = Instant::now();
    let at = |ms| began + Duration::from_millis(ms);
    let probe = |proxy, sent_ms, outcome| Probe { number: 0, proxy, sent: at(sent_ms), done: at(sent_ms + 1), outcome };
    let probes = vec![
        probe(0, 10, Outcome::Acked),
        probe(0, 100, Outcome::Failed(0)),
        probe(0, 110, Outcome::Unknown),
        probe(1, 120, Outcome::Failed(503)),
        probe(1, 130, Outcome::Unknown),
        probe(0, 900, Outcome::Failed(503)),
    ];
    let round = |unavailable_ms| Round {
        node: "a".to_owned(),
        unavailable: Duration::from_millis(unavailable_ms),
        down: Some((at(90), at(500))),
    };
    let probes = Probes { probes, nodes: vec![Some("a".to_owned()), Some("b".to_owned())], skipped: 0 };
    let ran = Ran {
        list: "drill-1".to_owned(),
        list_left: None,
        wanted: 2,
        rounds: vec![round(100), round(140)],
        refusals: 0,
        stopped,
    };
    Report::new(DrillKind::Kill, ran, &probes, &check)
}

#[test]
fn what_fails_at_a_node_while_it_is_down_is_counted_apart() {
    let report = report(Check::default(), None);
    assert_eq!((report.acknowledged, report.at_down_node, report.failed, report.unknown), (1, 2, 2, 1));
    assert_eq!(report.updates, report.acknowledged + report.at_down_node + report.failed + report.unknown);
}

#[test]
fn a_lost_update_or_a_duplicate_fails_the_drill_and_a_failed_request_does_not() {
    assert_eq!(report(Check::default(), None).complaint(), None);
    assert!(report(Check { lost: 1, ..Check::default() }, None).complaint().is_some());
    assert!(report(Check { duplicates: 1, ..Check::default() }, None).complaint().is_some());
    assert!(report(Check::default(), Some("round 2: no".to_owned())).complaint().is_some());
}

#[test]
fn the_table_shows_percentiles_of_the_rounds() {
    let table = report(Check::default(), None).table();
    assert!(table.contains("100.0") && table.contains("140.0") && table.contains("within target"), "{table}");
    assert!(table.contains("2: their node was down on purpose") && table.contains("LIMIT"), "{table}");
    assert!(table.lines().all(|line| line.chars().count() <= print::WIDTH), "{table}");
}
