//! A node's data directory is put back from an older copy: see `docs/drills/old-disk.md`. Called by `drill`.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use ocs_ha_tests::{
    Cluster, Signal,
    drill::{Drill, Options, Round, Scenario, Stage},
    until,
};
use rand::Rng;

pub(crate) const DRILL: Drill =
    Drill { name: "old-disk", bar: None, network: false, scenario: || Box::new(OldDisk::default()) };

/// A group must be whole again within this time of the start of the old disk, without a person.
const READY_MAX: Duration = Duration::from_secs(30);
/// Followers write down their leader's counts within half of this time.
const WRITTEN_DOWN: Duration = Duration::from_millis(1200);

/// Age of a copy.
#[derive(Debug, Clone, Copy)]
enum Age {
    /// The node has started once more since then.
    OneStart,
    /// The same, and many updates were acknowledged.
    ManyUpdates,
    /// Of the running process: a snapshot of the machine.
    WithinThisStart,
}

/// The nodes that are up when the old disk starts.
#[derive(Debug, Clone, Copy)]
enum Order {
    /// Both others.
    Live,
    /// None but one that knows better.
    Cold,
    /// The primary, which knows better; the witness missed the updates, starts at the same time, and sees no fault in the disk.
    BesideTheWitness,
}

/// The incarnation of each node's newest id.
#[derive(Debug, Default)]
struct OldDisk(BTreeMap<&'static str, u64>);

impl Scenario for OldDisk {
    fn start(&mut self, _options: &Options) -> Result<Cluster, String> {
        Ok(Cluster::start())
    }

    fn round(&mut self, stage: &mut Stage) -> Round {
        let (primary, backup) = stage.roles();
        let order = [Order::Live, Order::Cold, Order::BesideTheWitness][stage.rng.random_range(0..3)];
        let beside = matches!(order, Order::BesideTheWitness);
        let aged = if beside { backup } else { [primary, backup, "w"][stage.rng.random_range(0..3)] };
        let ages = [Age::WithinThisStart, Age::OneStart, Age::ManyUpdates];
        let age = ages[if beside { 0 } else { stage.rng.random_range(0..3) }];
        let others: Vec<&'static str> = ["a", "b", "w"].into_iter().filter(|node| *node != aged).collect();
        let first = others[stage.rng.random_range(0..2)];
        let cold = matches!(order, Order::Cold);
        let copy = stage.cluster.path(&format!("copy-{}", stage.number));
        let data = stage.cluster.settings().data(aged);
        if beside {
            stage.kill("w");
            stage.cluster.kill("w"); // reaps the process
            copy_running(stage, aged, &copy);
            stage.more(primary, 40);
        } else {
            take_copy(stage, aged, age, &copy);
        }
        stage.kill(aged);
        stage.cluster.kill(aged); // reaps the process
        fs::remove_dir_all(&data).expect("its data directory");
        copy_to(&copy, &data);
        match order {
            Order::Cold => stop_all_and_start(stage, first, aged),
            Order::Live => {
                stage.more(stage.cluster.other(aged), 30);
                stage.cluster.start_node(aged, &[]);
            }
            Order::BesideTheWitness => ["w", aged].iter().for_each(|node| stage.cluster.start_node(node, &[])),
        }
        let started = Instant::now();
        until("the node says that its disk is old", || stage.said(aged).contains("older copy of itself"));
        for other in others.iter().filter(|other| cold && **other != first) {
            stage.cluster.start_node(other, &[]);
        }
        let incarnation = self.0.entry(aged).or_default();
        *incarnation += 1;
        stage.cluster.wait_new_id(aged, *incarnation);
        ["a", "b", "w"].iter().for_each(|node| stage.back(node));
        let ready = started.elapsed();
        assert!(ready <= READY_MAX, "the group was whole after {ready:?} only");
        clear(&copy, &data);
        let order = match order {
            Order::Cold => format!("cold, {first} first"),
            Order::Live => "live".to_owned(),
            Order::BesideTheWitness => "beside the witness, which missed the updates".to_owned(),
        };
        Round::of(format!("{aged}, {age:?}, {order}, whole after {:.1} s", ready.as_secs_f32()))
    }
}

/// Takes a copy of a node's directory, and makes the copy old.
fn take_copy(stage: &mut Stage, aged: &'static str, age: Age, copy: &Path) {
    let data = stage.cluster.settings().data(aged);
    let other = stage.cluster.other(aged);
    match age {
        Age::WithinThisStart => {
            copy_running(stage, aged, copy);
            stage.back(aged);
        }
        Age::OneStart | Age::ManyUpdates => {
            stage.kill(aged);
            stage.cluster.kill(aged); // reaps the process
            copy_to(&data, copy);
            stage.more(other, 10);
            stage.cluster.start_node(aged, &[]);
            stage.back(aged);
        }
    }
    stage.more(other, if matches!(age, Age::ManyUpdates) { 600 } else { 40 });
    std::thread::sleep(WRITTEN_DOWN);
}

/// Copies the directory of a process that is stopped for so long.
fn copy_running(stage: &mut Stage, aged: &'static str, copy: &Path) {
    stage.excuse(aged);
    stage.cluster.signal(aged, Signal::STOP);
    copy_to(&stage.cluster.settings().data(aged), copy);
    stage.cluster.signal(aged, Signal::CONT);
}

/// All nodes are down; the node that knows better is up first beside the old disk.
fn stop_all_and_start(stage: &mut Stage, first: &'static str, aged: &'static str) {
    for node in ["a", "b", "w"].into_iter().filter(|node| *node != aged) {
        stage.kill(node);
        stage.cluster.kill(node); // reaps the process
    }
    stage.cluster.start_node(first, &[]);
    stage.cluster.start_node(aged, &[]);
}

fn copy_to(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.is_ok_and(|status| status.success()), "cannot copy {} to {}", from.display(), to.display());
}

/// Removes the copy, and the directories that the node moved aside: fifty rounds would fill a disk.
fn clear(copy: &Path, data: &Path) {
    let _ = fs::remove_dir_all(copy);
    let names = fs::read_dir(data).expect("its data directory").filter_map(Result::ok);
    for aside in names.filter(|entry| entry.file_name().to_string_lossy().contains(".aside-")) {
        let _ = fs::remove_dir_all(aside.path());
    }
}
