//! Wall clocks of nodes that jump while they run: libfaketime, controlled by a file for each node. Also the group's stamps of
//! records, seen from outside. Never moves the machine's own clock. Called by the drills on clocks.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::stage::Stage;
use crate::{cluster::Cluster, http::Client, poll::until, settings::NODES};

/// Path of the library in Debian and others.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
];
/// The list of the stamped records.
const LIST: &str = "stamps";
/// Pause between two records whose stamps are compared.
const LOOK: Duration = Duration::from_millis(10);
/// Stamps are shown in seconds: a stamp that has not advanced for so long stands still.
const STILL: Duration = Duration::from_secs(3);

/// The clocks of a group's nodes.
#[derive(Debug)]
pub struct Clocks {
    files: BTreeMap<&'static str, PathBuf>,
    stamped: u64,
}

impl Clocks {
    /// Forms a group whose nodes' wall clocks can be moved, also those of nodes that are started again.
    ///
    /// # Errors
    /// libfaketime is not here.
    pub fn form() -> Result<(Self, Cluster), String> {
        let library = LIBRARIES.into_iter().find(|path| Path::new(path).exists());
        let library = library.ok_or("libfaketime is not installed (faketime)")?;
        let mut cluster = Cluster::prepare(&[]);
        let files = NODES.map(|node| (node, cluster.path(&format!("{node}.clock"))));
        let clocks = Self { files: files.into(), stamped: 0 };
        for node in NODES {
            clocks.set(node, 0);
            let file = clocks.files[node].display().to_string();
            let environment = [
                ("LD_PRELOAD", library),
                ("FAKETIME_TIMESTAMP_FILE", &file),
                ("FAKETIME_NO_CACHE", "1"),
                ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ];
            cluster.give_environment(node, &environment);
        }
        cluster.form();
        cluster.create_list(LIST);
        Ok((clocks, cluster))
    }

    /// Sets a node's wall clock so many seconds off, from now on.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn set(&self, node: &str, seconds: i64) {
        let (file, next) = (&self.files[node], self.files[node].with_extension("next"));
        fs::write(&next, format!("{seconds:+}\n")).expect("a temporary file can be written");
        fs::rename(&next, file).expect("it is seen whole or not at all");
    }

    /// Sets every node's wall clock so many seconds off, from now on.
    ///
    /// # Panics
    /// When a file cannot be written.
    pub fn set_all(&self, seconds: i64) {
        NODES.iter().for_each(|node| self.set(node, seconds));
    }

    /// Waits until both data nodes name these clocks as odd, and no others.
    ///
    /// # Panics
    /// When they do not.
    pub fn wait_named(&self, stage: &Stage, odd: &[&str]) {
        until(&format!("both data nodes name the odd clocks {odd:?}"), || {
            let status = stage.cluster.status();
            let nodes = status["nodes"].as_array().cloned().unwrap_or_default();
            let named = |node: &serde_json::Value| {
                let names: Vec<_> = node["odd_clocks"].as_array().into_iter().flatten().collect();
                names.len() == odd.len() && names.iter().all(|name| odd.iter().any(|odd| **name == **odd))
            };
            nodes.iter().filter(|node| node["role"] != "witness").all(named)
        });
    }

    /// Sets some clocks so many seconds off for a time, and then right again; meanwhile both data nodes name these as odd, and
    /// the primary reports so. Returns how far the stamps had moved at the end of that time, and once all were right,
    /// milliseconds.
    ///
    /// # Panics
    /// When they do not.
    pub fn jump(
        &mut self,
        stage: &mut Stage,
        (wrong, seconds): (&[&str], i64),
        named: &[&str],
        lasts: Duration,
    ) -> (i64, i64) {
        let before = self.lead_ms(stage);
        wrong.iter().for_each(|node| self.set(node, seconds));
        self.wait_named(stage, named);
        let (primary, _) = stage.roles();
        assert!(stage.said(primary).contains("wall clocks differ"), "{primary} did not say so in its log");
        thread::sleep(lasts); // the clocks are wrong for so long
        let during = self.lead_ms(stage) - before;
        wrong.iter().for_each(|node| self.set(node, 0));
        self.wait_named(stage, &[]);
        (during, self.lead_ms(stage) - before)
    }

    /// How far the group's stamps are ahead of this machine's clock, milliseconds: seen at the next full second of the stamps.
    ///
    /// # Panics
    /// When the stamps stand still, or go back.
    pub fn lead_ms(&mut self, stage: &Stage) -> i64 {
        let mut client = stage.cluster.http("a");
        let (first, begun) = (self.stamp_s(&mut client), Instant::now());
        loop {
            let now = self.stamp_s(&mut client);
            assert!(now >= first, "a stamp went back from {first} to {now}");
            if now > first {
                return now * 1000 - wall_ms();
            }
            assert!(begun.elapsed() < STILL, "the stamps stand still at {now}");
            thread::sleep(LOOK);
        }
    }

    /// The group's stamp of the time when a record was processed.
    fn stamp_s(&mut self, client: &mut Client) -> i64 {
        self.stamped += 1;
        let body = format!("{{\"GSW_PHONE\":\"+1777{:09}\"}}", self.stamped);
        let handle = client.post(&format!("/lists/{LIST}?req=AddRecord"), &body).handle();
        let done = client.post(&format!("/records/{handle}?req=RecordProcessed"), "");
        assert_eq!(done.status, 200, "{done:?}");
        let shown = client.get(&format!("/records/{handle}"));
        shown.attribute("GSW_CALL_TIME").as_i64().unwrap_or_else(|| panic!("no stamp in {shown:?}"))
    }
}

fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
