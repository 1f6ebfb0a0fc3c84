//! Disks of nodes that misbehave on command (`powercut`), and the cutting of a node's power. Called by the drills on disks.

use std::{collections::BTreeMap, fs, path::PathBuf};

use powercut::Mounted;
use rand::Rng;

use super::stage::Stage;
use crate::{cluster::Cluster, process::Signal};

/// Size of a disk; only written pages take memory.
const DISK_BYTES: u64 = 1 << 30;

/// The disks of a group, one a node. Dropped after the group.
#[derive(Debug, Default)]
pub struct Disks {
    disks: BTreeMap<&'static str, Mounted>,
    group: PathBuf,
}

impl Disks {
    /// Forms a group whose nodes keep their data on such disks.
    ///
    /// # Errors
    /// The reason why this machine has no such disk.
    pub fn form(&mut self, nodes: &[&'static str]) -> Result<Cluster, String> {
        if let Some(why) = powercut::missing() {
            return Err(why);
        }
        let mut cluster = Cluster::prepare(&[]);
        cluster.settings().dir.clone_into(&mut self.group);
        for node in nodes {
            let at = cluster.settings().data(node);
            fs::create_dir_all(&at).map_err(|error| error.to_string())?;
            let disk = Mounted::at(&at, DISK_BYTES).map_err(|error| format!("no disk for {node}: {error}"))?;
            self.disks.insert(node, disk);
        }
        cluster.form();
        Ok(cluster)
    }

    /// A node's disk.
    ///
    /// # Panics
    /// When the node has none.
    pub fn of(&self, node: &str) -> &Mounted {
        self.disks.get(node).expect("a node with a disk of its own")
    }

    /// Cuts the power of some nodes at the same moment: their calls never return, the processes are killed, and chance decides
    /// on the writes that were not synced. The nodes stay down. Returns the losses, in a few words.
    pub fn cut_power(&self, stage: &mut Stage, nodes: &[&'static str]) -> String {
        nodes.iter().for_each(|node| stage.excuse(node));
        nodes.iter().for_each(|node| self.of(node).cut());
        for node in nodes {
            if stage.cluster.runs(node) {
                stage.cluster.signal(node, Signal::KILL);
            }
        }
        let mut told = Vec::new();
        for node in nodes {
            self.of(node).off();
            stage.cluster.kill(node); // reaps the process, the last user of the disk
            let seed = stage.rng.random_range(0..1_000_000);
            let lost = self.of(node).on(seed);
            told.push(format!("{node} (seed {seed}) lost {} pages, {} names", lost.pages, lost.names));
        }
        told.join("; ")
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        self.disks.clear(); // unmounts
        let _ = fs::remove_dir_all(&self.group); // the group has left its mount points
    }
}
