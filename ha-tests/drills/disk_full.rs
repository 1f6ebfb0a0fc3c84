//! The disk of a data node runs full, the backup's and the primary's in turn, and has room again: see
//! `docs/drills/disk-full.md`. Called by `drill`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use ocs_ha_tests::{
    Cluster,
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
struct Disks(Vec<PathBuf>);

impl Scenario for Disks {
    fn start(&mut self, _options: &Options) -> Result<Cluster, String> {
        let mut cluster = Cluster::prepare(&[&format!("node.disk_reserve_bytes={RESERVE_BYTES}")]);
        for node in DATA {
            let at = cluster.settings().data(node);
            fs::create_dir_all(&at).map_err(|error| error.to_string())?;
            mount(&at)?;
            self.0.push(at);
        }
        cluster.form();
        Ok(cluster)
    }

    fn round(&mut self, stage: &mut Stage) -> Round {
        let (primary, backup) = stage.roles();
        let full = [backup, primary][stage.number as usize % 2];
        let other = stage.cluster.other(full);
        let filler = stage.cluster.settings().data(full).join("filler");
        stage.excuse(full);
        fill(&filler);
        until("it says that its disk is full", || stage.said(full).contains("less than the reserve is left"));
        until("the other one is primary", || stage.cluster.status()["primary"] == *other);
        stage.more(other, 30);
        fs::remove_file(&filler).expect("the filler is there");
        stage.back(full);
        Round::of(format!("fill the disk of {full}"))
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        for disk in &self.0 {
            let _ = Command::new("umount").arg("-l").arg(disk).status(); // the group's directory may be gone already
        }
    }
}

fn mount(at: &Path) -> Result<(), String> {
    let size = format!("size={DISK_BYTES}");
    let ran = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "ocs-drill"]).arg(at).output();
    let output = ran.map_err(|error| format!("mount: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("no disk of its own for a node: {}", said.trim())) }
}

/// Takes all room but a little less than the reserve.
fn fill(filler: &Path) {
    let disk = rustix::fs::statvfs(filler.parent().expect("it lies in a directory")).expect("a disk answers");
    let free_bytes = disk.f_bavail * disk.f_frsize;
    fs::write(filler, vec![1; free_bytes.saturating_sub(LEFT_BYTES) as usize]).expect("there is room for it");
}
