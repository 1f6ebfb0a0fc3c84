//! The disk of a data node runs full, the backup's and the primary's in turn, and has room again: see
//! `docs/drills/disk-full.md`. Called by `drill`.

use ocs_ha_tests::{
    Cluster,
    disk::SmallDisk,
    drill::{DATA, Drill, Options, Round, Scenario, Stage},
    until,
};

pub(crate) const DRILL: Drill =
    Drill { name: "disk-full", bar: None, network: false, scenario: || Box::new(Disks::default()) };

const DISK_BYTES: u64 = 192 << 20;
const RESERVE_BYTES: u64 = 16 << 20;
/// Left when the disk is full.
const LEFT_BYTES: u64 = 12 << 20;

/// Small disks, in memory. They go after the group.
#[derive(Debug, Default)]
struct Disks(Vec<(&'static str, SmallDisk)>);

impl Scenario for Disks {
    fn start(&mut self, _options: &Options) -> Result<Cluster, String> {
        let mut cluster = Cluster::prepare(&[&format!("node.disk_reserve_bytes={RESERVE_BYTES}")]);
        for node in DATA {
            self.0.push((node, SmallDisk::mount(&cluster.settings().data(node), DISK_BYTES)?));
        }
        cluster.form();
        Ok(cluster)
    }

    fn round(&mut self, stage: &mut Stage) -> Round {
        let (primary, backup) = stage.roles();
        let full = [backup, primary][stage.number as usize % 2];
        let other = stage.cluster.other(full);
        let disk =
            self.0.iter().find(|(node, _)| *node == full).map(|(_, disk)| disk).expect("each data node has a disk");
        stage.excuse(full);
        disk.fill(LEFT_BYTES);
        until("it says that its disk is full", || stage.said(full).contains("less than the reserve is left"));
        until("the other one is primary", || stage.cluster.status()["primary"] == *other);
        stage.more(other, 30);
        disk.empty();
        stage.back(full);
        Round::of(format!("fill the disk of {full}"))
    }
}
