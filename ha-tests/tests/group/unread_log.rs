//! A log without a reader: a full pipe behind standard error delays neither an update nor the end of the node.

use std::{
    io::{BufRead, BufReader},
    process::ChildStderr,
};

use ocs_ha_tests::{Cluster, until};

const DROPPED: &str = "ocs_log_lines_dropped_total";
/// Far more lines than delayed an update when each line was written synchronously.
const LINES: f64 = 2000.0;

/// Adds records at the node until so many lines of its log were dropped; the node must take every record.
fn update_until_dropped(cluster: &Cluster, node: &str, lines: f64, series: u32) {
    let mut client = cluster.http(node);
    let mut number = 0;
    until("the log is full, and lines are dropped", || {
        for _ in 0..10 {
            number += 1;
            let body = format!(r#"{{"GSW_PHONE":"+9995{series}{number:06}"}}"#);
            let added = client.post("/lists/demo?req=AddRecord", &body);
            assert_eq!(added.status, 200, "{added:?}");
        }
        cluster.metric(node, DROPPED) >= lines
    });
}

/// Reads until the node says how many lines were dropped.
fn read_the_notice(log: &mut BufReader<ChildStderr>) {
    let mut line = String::new();
    while !line.contains(" lines were dropped: ") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "the node ended, and did not say it");
    }
}

#[test]
fn a_log_that_nobody_reads_stops_no_update_and_no_stop_and_says_what_was_dropped_once_it_is_read() {
    let mut cluster = Cluster::prepare(&[]);
    let loud = ["--bootstrap", "--set", "logging.filter=info,h2=trace,hyper=trace"];
    cluster.start_node_unread("a", &loud);
    cluster.start_node("b", &["--bootstrap"]);
    cluster.start_node("w", &["--bootstrap"]);
    cluster.wait_whole();
    cluster.create_list("demo");
    cluster.move_primary("a");

    update_until_dropped(&cluster, "a", LINES, 1);
    assert_eq!(cluster.primary(), "a", "the role did not move either");
    cluster.assert_equal();

    let mut log = BufReader::new(cluster.node("a").take_stderr());
    read_the_notice(&mut log);
    update_until_dropped(&cluster, "a", cluster.metric("a", DROPPED) + 1.0, 2);
    assert_eq!(cluster.stop("a"), 0, "a stop waits for the log, but not for ever");
    drop(log); // the pipe was open and full all the time
}
