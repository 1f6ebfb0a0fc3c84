//! `ocsctl node replace`: a dead node, or a running one that gives its id up, votes again under a new id.

use std::fs;

use ocs_ha_tests::{Cluster, until};

use crate::replacing::{replaced, replacing};

#[test]
fn a_witness_is_replaced_dead_and_a_data_node_live_and_the_primary_never() {
    let mut cluster = Cluster::start();
    cluster.create_list("demo");
    let (primary, backup) = (cluster.primary(), cluster.other(cluster.primary()));
    assert_eq!(cluster.ctl(&["node", "replace", primary, "--live"]).code, 1);
    assert_eq!(cluster.ctl(&["node", "replace", backup]).code, 1, "it is heard");

    cluster.kill("w");
    fs::remove_dir_all(cluster.settings().data("w")).unwrap();
    until("it is missed", || {
        cluster.ctl(&["--timeout", "1", "node", "replace", "w"]).err.contains("not replaced in time")
    });
    let refused = cluster.ctl(&["node", "replace", backup, "--live"]);
    assert!(refused.err.contains("no quorum without it"), "{}", refused.err);
    let child = replacing(&cluster, &["w"]);
    cluster.start_node("w", &[]);
    assert_eq!(replaced(child)["new_id"], 0x1_0003);

    let child = replacing(&cluster, &[backup, "--live"]);
    until("it gave its id up and ended", || !cluster.runs(backup));
    cluster.restart_if_ended(backup);
    let view = replaced(child);
    assert_eq!(view["new_id"].as_u64().map(|id| id >> 16), Some(1), "{view}");
    cluster.assert_equal();
    assert_eq!(cluster.primary(), primary);
}
