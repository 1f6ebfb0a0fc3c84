//! A data node on a disk without a free byte: the node serves reads, also after a restart, and takes part again once there is
//! room.
//!
//! Needs the right to mount a disk in memory; skipped with the reason otherwise.

use std::{
    fs,
    time::{Duration, Instant},
};

use ocs_ha_tests::{Cluster, disk::SmallDisk, until};

const DISK_BYTES: u64 = 256 << 20;
const RESERVE_BYTES: u64 = 16 << 20;
/// The data node with the small disk, and the other one.
const FULL: &str = "b";
const OTHER: &str = "a";
/// Two pages: less than the state needs for [`ROWS`]. The log needs none for them: its segment is on disk to the end.
const LEFT_BYTES: u64 = 8 << 10;
const ROWS: u32 = 3000;
/// Until `ocsctl` shows a disk that ran full, its own start included.
const SHOWN_WITHIN: Duration = Duration::from_millis(1500);
/// Longer than the time after which an unheard node, or a log that stands still, is reported.
const STAYS_SHOWN: Duration = Duration::from_secs(5);

/// A group whose node [`FULL`] is the backup and has a small disk; none: the system gives no such disk. The disk goes first.
#[allow(clippy::print_stdout, reason = "a skipped test prints why")]
fn with_a_small_disk(reserve_bytes: u64) -> Option<(Cluster, SmallDisk)> {
    let mut cluster = Cluster::prepare(&[&format!("node.disk_reserve_bytes={reserve_bytes}")]);
    let disk = match SmallDisk::mount(&cluster.settings().data(FULL), DISK_BYTES) {
        Ok(disk) => disk,
        Err(why) => {
            println!("skipped: {why}");
            return None;
        }
    };
    cluster.form();
    cluster.create_list("demo");
    cluster.move_primary(OTHER);
    Some((cluster, disk))
}

/// Adds a record, and returns its handle once both data nodes have it.
fn add(cluster: &Cluster, number: u32) -> u64 {
    let body = format!(r#"{{"GSW_PHONE":"+9995{number:07}"}}"#);
    let handle = cluster.http(OTHER).post("/lists/demo?req=AddRecord", &body).handle();
    cluster.assert_equal();
    handle
}

fn serves(cluster: &Cluster, handle: u64) -> bool {
    let answer = cluster.http(FULL).send("GET", &format!("/records/{handle}"), &[], "");
    answer.is_ok_and(|answer| answer.status == 200)
}

#[test]
fn a_data_node_killed_on_a_full_disk_starts_serves_reads_and_takes_part_again_once_there_is_room() {
    let Some((mut cluster, disk)) = with_a_small_disk(RESERVE_BYTES) else { return };
    let handle = add(&cluster, 1);
    let kept = cluster.settings().data(FULL).join("start-reserve");
    until("room is kept for a start", || kept.exists());
    disk.fill(0);
    until("it says that its disk is full", || cluster.log(FULL).contains("less than the reserve is left"));
    cluster.kill(FULL);
    disk.fill(0);

    cluster.start_node(FULL, &[]);
    until("reads are served from the full disk", || serves(&cluster, handle));
    assert!(cluster.runs(FULL) && !kept.exists(), "{}", cluster.log(FULL));
    let body = r#"{"GSW_PHONE":"+99950000002"}"#;
    assert_eq!(cluster.http(OTHER).post("/lists/demo?req=AddRecord", body).status, 200, "the others are a quorum");

    disk.empty();
    add(&cluster, 3);
    assert!(cluster.runs(FULL), "{}", cluster.log(FULL));
}

/// The backup as the primary's status shows it.
fn seen_from_the_other(cluster: &Cluster) -> (bool, String) {
    let node = cluster.of_node(OTHER);
    let peer = node["peers"].as_array().and_then(|peers| peers.iter().find(|peer| peer["node"] == FULL).cloned());
    let connected = peer.is_some_and(|peer| peer["connected"] == true);
    (connected, node["survives"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_backup_with_a_full_disk_is_shown_at_once_as_up_and_not_acknowledging_and_stays_so() {
    let Some((cluster, disk)) = with_a_small_disk(RESERVE_BYTES) else { return };
    add(&cluster, 1);
    disk.fill(LEFT_BYTES);
    let told = format!("{FULL} is up, but does not acknowledge updates: its disk is full");
    let filled = Instant::now();
    until("what the group survives counts it out", || seen_from_the_other(&cluster).1.contains(&told));
    assert!(filled.elapsed() < SHOWN_WITHIN, "{:?}", filled.elapsed());

    let mut number = 2;
    while filled.elapsed() < STAYS_SHOWN {
        let body = format!(r#"{{"GSW_PHONE":"+9994{number:07}"}}"#);
        assert_eq!(cluster.http(OTHER).post("/lists/demo?req=AddRecord", &body).status, 200, "updates go on");
        let (connected, survives) = seen_from_the_other(&cluster);
        assert!(connected && survives.contains(&told), "connected {connected}: {survives}");
        number += 1;
    }
    assert_eq!(cluster.ctl(&["status", "--check"]).code, 5);
    let shown = cluster.ctl(&["status"]).fine().split_whitespace().collect::<Vec<_>>().join(" ");
    for part in ["up, does not acknowledge", "node.disk_reserve_bytes is 16777216", "bytes are free in"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("unreachable") && !shown.contains("is lost,"), "{shown}");

    disk.empty();
    cluster.assert_equal();
    until("the group is whole", || cluster.ctl(&["status", "--check"]).code == 0);
}

#[test]
fn a_primary_whose_disk_runs_full_hands_over_although_no_update_comes() {
    let Some((cluster, disk)) = with_a_small_disk(RESERVE_BYTES) else { return };
    add(&cluster, 1);
    cluster.move_primary(FULL);
    disk.fill(LEFT_BYTES);
    until("the other one is primary", || cluster.status()["primary"] == *OTHER);
    let told = format!("{FULL} is up, but does not acknowledge updates: its disk is full");
    until("what the group survives counts it out", || seen_from_the_other(&cluster).1.contains(&told));
    let body = r#"{"GSW_PHONE":"+99950000004"}"#;
    assert_eq!(cluster.http(OTHER).post("/lists/demo?req=AddRecord", body).status, 200, "the others are a quorum");

    disk.empty();
    cluster.assert_equal();
}

#[test]
fn a_state_that_meets_a_full_disk_waits_and_its_node_starts_again_by_itself_once_there_is_room() {
    let Some((mut cluster, disk)) = with_a_small_disk(0) else { return };
    let handle = add(&cluster, 1);
    let pid = cluster.node(FULL).pid();
    disk.fill(LEFT_BYTES);
    let mut rows = "record_id,contact_info,contact_info_type\n".to_owned();
    (1000..1000 + ROWS).for_each(|id| rows.push_str(&format!("{id},+9996{id:06},4\n")));
    fs::write(cluster.path("rows.csv"), rows).unwrap();
    cluster.ctl(&["list", "import", "demo", "rows.csv"]).fine();
    until("the state meets the full disk", || cluster.log(FULL).contains("the state takes no further updates"));
    until("reads go on", || serves(&cluster, handle));
    assert!(cluster.runs(FULL), "{}", cluster.log(FULL));

    disk.empty();
    until("it starts again", || cluster.log(FULL).contains("this node starts again, and applies what it has not"));
    add(&cluster, 9_000_000);
    assert!(cluster.runs(FULL) && cluster.node(FULL).pid() == pid, "{}", cluster.log(FULL));
}
