//! The site that the pages speak of, three machines with units and files, made of one group of a test. Called by the tests.
//!
//! `systemctl`, `systemd-run`, `sudo`, `install`, `chown`, `useradd`, `usermod`, `journalctl` and `ssh` are small programs
//! first in the path; places such as `/etc/ocs` are below the group's directory, and 127.0.0.1 is the group's address.
//! Everything else is real. The nodes are the test's own processes: the test answers a call of `systemctl`, and the line that
//! announces a new section.

use std::{
    collections::BTreeSet,
    env,
    fmt::Write as _,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use ocs_ha_tests::{Cluster, NODES, Process, Release, program, until_some_within};

use crate::page::{self, Block};

/// A page restarts every node up to four times.
const PAGE_PATIENCE: Duration = Duration::from_secs(400);

/// Asks the test, and ends with the status of its answer; without a test, too.
const CALL: &str = r#"#!/bin/sh
set -eu
call="$SITE/calls/$$"
printf '%s' "${0##*/} $*" > "$call.part"
mv "$call.part" "$call.call"
until [ -e "$call.done" ]; do
  [ -d "$SITE/calls" ] || exit 1
  sleep 0.05
done
rm "$call.done"
"#;
const SUDO: &str = "#!/bin/sh\n[ \"$1\" != -u ] || shift 2\nexec \"$@\"\n";
const SSH: &str = "#!/bin/sh\nshift\nexec sh -c \"$*\"\n";
/// The nodes run as the test's own user.
const NOTHING: &str = "#!/bin/sh\n";
/// `journalctl -u ocsd@NODE -n LINES`
const JOURNALCTL: &str = "#!/bin/sh\nexec tail -n \"$4\" \"$SITE/${2#ocsd@}.log\"\n";
/// The service's user is not there, and programs are large: a link will do for them.
const INSTALL: &str = r#"#!/bin/bash
set -eu
words=()
while [ $# -gt 0 ]; do
  case $1 in
    -o | -g) shift ;;
    *) words+=("$1") ;;
  esac
  shift
done
case ${words[2]} in
  release/*)
    for file in "${words[@]:2:${#words[@]}-3}"; do
      [ -x "$file" ]
      ln -sf "$(readlink -f "$file")" "${words[-1]}"
    done ;;
  *) exec /usr/bin/install "${words[@]}" ;;
esac
"#;
const PROGRAMS: [&str; 3] = ["ocsd", "ocs-http-proxy", "ocsctl"];

/// Names a missing program that a page needs.
pub(crate) fn missing(tools: &[&str]) -> Option<String> {
    let runs = |tool: &str| Command::new(tool).arg("--version").output().is_ok();
    tools.iter().find(|tool| !runs(tool)).map(|tool| format!("skipped: {tool} is not installed"))
}

/// A group and its surroundings.
pub(crate) struct Site {
    pub(crate) cluster: Cluster,
    dir: PathBuf,
    /// Nodes whose unit runs: a node that ends by itself is started again.
    running: BTreeSet<&'static str>,
    /// The node on whose machine a page's `127.0.0.1:7501` is.
    pub(crate) machine: &'static str,
}

impl Site {
    /// Files and programs of a group whose nodes have not started yet; `more` is added to the configuration of each node.
    pub(crate) fn prepare(set: &[&str], more: impl Fn(&Path, &str) -> String) -> Self {
        let cluster = Cluster::prepare(set);
        let dir = cluster.settings().dir.clone();
        let site = Self { cluster, dir, running: BTreeSet::new(), machine: "a" };
        for name in ["backups", "bin", "calls", "data", "release", "tools", "units"] {
            fs::create_dir(site.dir.join(name)).unwrap();
        }
        site.write_tools();
        PROGRAMS.iter().for_each(|name| symlink(program(name), site.dir.join("release").join(name)).unwrap());
        symlink(repository().join("deploy"), site.dir.join("deploy")).unwrap();
        site.move_certificates();
        for node in NODES {
            let file = site.cluster.settings().config(node);
            let certs = site.cluster.settings().certs().display().to_string();
            let text = fs::read_to_string(&file).unwrap().replace(&certs, &site.dir.display().to_string());
            fs::write(&file, text + &more(&site.dir, node)).unwrap();
        }
        site
    }

    /// The same, started and whole.
    pub(crate) fn start() -> Self {
        let mut site = Self::prepare(&[], |_, _| String::new());
        site.form();
        site
    }

    /// Starts every node for the first time.
    pub(crate) fn form(&mut self) {
        self.cluster.form();
        self.running = NODES.into_iter().collect();
    }

    /// kill -9 of a node, which no unit starts again.
    pub(crate) fn lose(&mut self, node: &'static str) {
        self.running.remove(node);
        self.cluster.kill(node);
    }

    /// Starts every node that is down, and waits until the group is whole.
    pub(crate) fn bring_back(&mut self) {
        NODES.into_iter().for_each(|node| self.start_unit(node));
        self.cluster.wait_whole();
    }

    fn write_tools(&self) {
        let tools = [
            ("systemctl", CALL),
            ("systemd-run", CALL),
            ("section", CALL),
            ("chown", NOTHING),
            ("useradd", NOTHING),
            ("usermod", NOTHING),
            ("sudo", SUDO),
            ("ssh", SSH),
            ("journalctl", JOURNALCTL),
            ("install", INSTALL),
        ];
        for (name, text) in tools {
            let file = self.dir.join("tools").join(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let names = NODES.map(|node| {
            let admin = self.cluster.settings().address(node, "admin");
            let port = admin.rsplit_once(':').map(|(_, port)| port).unwrap();
            format!("connect-to = \"{node}:{port}:{admin}\"\n")
        });
        fs::write(self.dir.join(".curlrc"), names.concat()).unwrap();
    }

    /// `/etc/ocs` has certificates beside configurations.
    fn move_certificates(&self) {
        for entry in fs::read_dir(self.cluster.settings().certs()).unwrap() {
            let entry = entry.unwrap();
            fs::rename(entry.path(), self.dir.join(entry.file_name())).unwrap();
        }
    }

    /// Follows a page from its first block to its last. `before` is called for each section with a block, before its first.
    ///
    /// # Panics
    /// When a block does not end as the page says.
    pub(crate) fn follow(&mut self, page: &str, mut before: impl FnMut(&mut Self, &str)) {
        let blocks = page::blocks(&page::read(page));
        assert!(!blocks.is_empty(), "{page} has no block that can be run");
        fs::write(self.dir.join("page.sh"), self.script(page, &blocks)).unwrap();
        let log = self.dir.join("page.log");
        let mut bash = Process::start("bash", self.command("bash").arg("page.sh"), &log);
        let ended = until_some_within(PAGE_PATIENCE, &format!("the last block of {page}"), || {
            self.serve(&mut before);
            bash.ended()
        });
        let came = |number: usize| fs::read_to_string(self.output(number)).unwrap_or_default();
        let said = fs::read_to_string(&log).unwrap_or_default();
        if !ended.success() {
            let last = (0..blocks.len()).rev().find(|number| self.output(*number).exists()).unwrap_or_default();
            panic!("the last block of these fails, {ended}:\n{said}\nit wrote:\n{}", came(last));
        }
        blocks.iter().enumerate().for_each(|(number, block)| block.check(page, &came(number)));
    }

    fn output(&self, number: usize) -> PathBuf {
        self.dir.join(format!("output-{number}"))
    }

    /// The page as one script: variables of a block are there in the next.
    fn script(&self, page: &str, blocks: &[Block]) -> String {
        let mut script = "set -euo pipefail\n".to_owned();
        let mut section = None;
        for (number, block) in blocks.iter().enumerate() {
            if section.replace(&block.section) != Some(&block.section) {
                writeln!(script, "section '{}'", block.section).unwrap();
            }
            let (text, output) = (self.here(&block.script), self.output(number).display().to_string());
            writeln!(script, "echo '=== docs/{page}:{}' >&2", block.line).unwrap();
            match block.exit {
                0 => writeln!(script, "{{\n{text}}} > {output}"),
                // In a subshell whose status no condition tests: in a condition `set -e` would mean nothing.
                code => writeln!(
                    script,
                    "set +e\n(\nset -euo pipefail\n{text}) > {output}\ncode=$?\nset -e\n[ \"$code\" = {code} ]"
                ),
            }
            .unwrap();
        }
        script
    }

    /// The places of the pages are below the group's directory.
    fn here(&self, text: &str) -> String {
        let place = |name: &str| self.dir.join(name).display().to_string();
        text.replace("/etc/systemd/system", &place("units"))
            .replace("/etc/ocs", &self.dir.display().to_string())
            .replace("/var/lib/ocs", &place("data"))
            .replace("/var/backups/ocs", &place("backups"))
            .replace("/usr/bin", &place("bin"))
            .replace("127.0.0.1:7501", &self.cluster.settings().address(self.machine, "admin"))
            .replace("127.0.0.1", &self.cluster.settings().ip)
    }

    fn command(&self, program: &str) -> Command {
        outside(&self.cluster, program, &self.dir.join("tools"))
    }

    // === calls ===

    /// Answers the questions of the page, and starts nodes again as its unit would.
    fn serve(&mut self, before: &mut impl FnMut(&mut Self, &str)) {
        let entries = fs::read_dir(self.dir.join("calls")).unwrap().map(|entry| entry.unwrap().path());
        for call in entries.filter(|path| path.extension().is_some_and(|ending| ending == "call")).collect::<Vec<_>>() {
            let words = fs::read_to_string(&call).unwrap();
            match words.split_once(' ') {
                Some(("section", heading)) => before(self, heading),
                Some(("systemctl", words)) => self.systemctl(words),
                Some(("systemd-run", words)) => self.systemd_run(words),
                _ => panic!("nobody answers {words:?}"),
            }
            fs::rename(&call, call.with_extension("done")).unwrap();
        }
        for node in self.running.clone() {
            self.cluster.restart_if_ended(node);
        }
    }

    fn systemctl(&mut self, words: &str) {
        let mut words = words.split(' ').filter(|word| *word != "--now");
        let verb = words.next().unwrap_or_default();
        for node in words.map(node_of) {
            match verb {
                "start" | "enable" => self.start_unit(node),
                "stop" | "disable" => self.stop_unit(node),
                "restart" => {
                    self.stop_unit(node);
                    self.start_unit(node);
                }
                _ => panic!("no unit hears {verb:?}"),
            }
        }
    }

    /// `--unit ocsd-form-NODE --uid ocs ocsd --config FILE --bootstrap`
    fn systemd_run(&mut self, words: &str) {
        let words: Vec<&str> = words.split(' ').collect();
        let program = words.iter().position(|word| *word == "ocsd").expect("only ocsd is run as a unit");
        assert_eq!((words[0], words[2], words[3]), ("--unit", "--uid", "ocs"), "{words:?}");
        self.cluster.start_node(node_of(words[1]), &words[program + 3..]);
    }

    fn start_unit(&mut self, node: &'static str) {
        let programs = self.dir.join("bin");
        if programs.join("ocsd").exists() {
            self.cluster.install(node, &Release { programs, set: Vec::new() });
        }
        self.running.insert(node);
        self.cluster.restart_if_ended(node);
    }

    fn stop_unit(&mut self, node: &'static str) {
        self.running.remove(node);
        if self.cluster.runs(node) {
            self.cluster.stop(node);
        }
    }
}

/// The node of a unit.
fn node_of(unit: &str) -> &'static str {
    let name = unit.strip_prefix("ocsd@").or_else(|| unit.strip_prefix("ocsd-form-"));
    let node = NODES.into_iter().find(|node| name == Some(node));
    node.unwrap_or_else(|| panic!("there is no unit {unit}"))
}

pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A program as an operator or a client of the group starts it, in the group's directory, `tools` first in its path.
pub(crate) fn outside(cluster: &Cluster, name: &str, tools: &Path) -> Command {
    let dir = &cluster.settings().dir;
    let mut command = Command::new(name);
    for (name, value) in cluster.ctl_command(&[]).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let own = program("ocsd").parent().unwrap().to_owned();
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([tools.to_owned(), own].into_iter().chain(env::split_paths(&path))).unwrap();
    let pages = repository().join("docs/http");
    let proxies = ["a", "b"].map(|node| format!("http://{}", cluster.settings().address(node, "http"))).join(",");
    command.current_dir(dir).env("PATH", path).env("SITE", dir).env("CURL_HOME", dir).env("no_proxy", "*");
    command.env("PYTHONPATH", pages).env("PYTHONDONTWRITEBYTECODE", "1").env("OCS_PROXIES", proxies);
    command
}
