//! Debian's Prometheus beside a group, with the shipped alert rules at short intervals. Only waits and windows differ from the
//! shipped file, never an expression. Called by `alerts`.

use std::{fs, path::Path, process::Command};

use ocs_ha_tests::{Cluster, NODES, Process, Ran, until};

use crate::site::repository;

/// Paths of the programs in Debian and others.
const PROMETHEUS: &str = "/usr/bin/prometheus";
const PROMTOOL: &str = "/usr/bin/promtool";
/// The windows of the shipped expressions, and the one that takes their place.
const WINDOWS: [&str; 5] = ["[5m]", "[10m]", "[15m]", "[1h]", "[6h]"];
const WINDOW: &str = "[20s]";
/// Not the port of a Prometheus that the package may have started.
const PORT: u16 = 9190;

/// A running Prometheus, which ends with the value.
pub(crate) struct Prometheus {
    url: String,
    _process: Process,
}

/// The reason for which Prometheus does not run on this machine; none: both programs are installed.
pub(crate) fn missing() -> Option<String> {
    let absent = [PROMETHEUS, PROMTOOL].into_iter().find(|program| !Path::new(program).exists());
    absent.map(|program| format!("skipped: {program} is not installed (apt-get install prometheus)"))
}

/// Runs promtool in the directory of the shipped files.
pub(crate) fn promtool(words: &[&str]) -> Ran {
    Ran::of(Command::new(PROMTOOL).current_dir(repository().join("deploy/prometheus")).args(words))
}

impl Prometheus {
    /// Scrapes every node of a group each second, and evaluates the rules as often.
    pub(crate) fn start(cluster: &Cluster) -> Self {
        let dir = cluster.path("prometheus");
        fs::create_dir(&dir).unwrap();
        let rules = fs::read_to_string(repository().join("deploy/prometheus/ocs.rules.yml")).unwrap();
        fs::write(dir.join("ocs.rules.yml"), quick(&rules)).unwrap();
        let targets = NODES.map(|node| cluster.settings().address(node, "admin")).join(", ");
        let configuration = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s }}\n\
             rule_files: [ocs.rules.yml]\n\
             scrape_configs:\n  \
               - job_name: ocs\n    \
                 static_configs: [{{ targets: [{targets}], labels: {{ cluster: test }} }}]\n"
        );
        fs::write(dir.join("prometheus.yml"), configuration).unwrap();
        let address = format!("{}:{PORT}", cluster.settings().ip);
        let mut command = Command::new(PROMETHEUS);
        command.current_dir(&dir).args([
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            "--log.level=warn",
        ]);
        command.arg(format!("--web.listen-address={address}"));
        let process = Process::start("prometheus", &mut command, &dir.join("log"));
        let prometheus = Self { url: format!("http://{address}"), _process: process };
        until("Prometheus has scraped every node", || prometheus.answers("up == 1", NODES.len()));
        prometheus
    }

    /// Whether an alert fires.
    pub(crate) fn fires(&self, alert: &str) -> bool {
        self.answers(&format!("ALERTS{{alertname=\"{alert}\",alertstate=\"firing\"}}"), 1)
    }

    /// Whether a query has so many results or more.
    fn answers(&self, query: &str, count: usize) -> bool {
        let ran = promtool(&["query", "instant", &self.url, query]);
        ran.code == 0 && ran.out.lines().filter(|line| line.contains("=>")).count() >= count
    }
}

/// The rules with waits of a second and short windows.
fn quick(rules: &str) -> String {
    let soon = |line: &str| match line.trim_start().strip_prefix("for: ") {
        Some(wait) => line.replace(wait, "1s"),
        None => WINDOWS.iter().fold(line.to_owned(), |line, window| line.replace(window, WINDOW)),
    };
    rules.lines().map(soon).collect::<Vec<_>>().join("\n")
}
