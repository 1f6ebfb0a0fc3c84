//! The tools of strangers: nmap and slowhttptest, each with a time limit of its own.

use std::{
    io::Read,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use ocs_ha_tests::{Process, until_some_within};

use crate::site::Site;

/// A scan with every probe takes minutes; a tool that takes longer than this is ended, and its run has failed.
const TOOL_PATIENCE: Duration = Duration::from_secs(15 * 60);
const LOOK: Duration = Duration::from_millis(100);

/// The path of a tool.
///
/// # Errors
/// The package of the tool is not installed.
pub(crate) fn find(name: &str, package: &str) -> Result<PathBuf, String> {
    let directories = ["/usr/bin", "/usr/sbin", "/usr/local/bin"];
    let found = directories.iter().map(|directory| Path::new(directory).join(name)).find(|path| path.exists());
    found.ok_or_else(|| format!("{name} is not installed (apt-get install {package})"))
}

/// Scans all ports with every probe, so many times with half-open connections (where the user may) and with whole ones. Returns the
/// number of scans.
///
/// # Panics
/// When a port is not open, or a scan does not end.
pub(crate) fn nmap(tool: &Path, site: &Site, rounds: u32) -> u32 {
    let host = site.ports()[0].1.ip().to_string();
    let ports = site.ports().iter().map(|(_, address)| address.port().to_string()).collect::<Vec<_>>().join(",");
    let mut scans = 0;
    for kind in ["-sS", "-sT"] {
        for round in 1..=rounds {
            let mut command = Command::new(tool);
            command.args([kind, "-sV", "--version-all", "-sC", "-T4", "-Pn", "-n", "-p", &ports, &host]);
            let said = output(&mut command);
            if said.contains("requires root privileges") {
                println!("nmap {kind}: skipped: only root may send such packets");
                break;
            }
            let open = said.lines().filter(|line| line.contains("/tcp") && line.contains(" open ")).count();
            assert_eq!(open, site.ports().len(), "{kind}: not all ports are open\n{said}");
            println!("nmap {kind}: scan {round}, {open} ports open");
            scans += 1;
        }
    }
    scans
}

/// One test of slowhttptest, and the time within which the last of its connections is closed.
pub(crate) struct SlowTest {
    pub(crate) name: &'static str,
    arguments: &'static [&'static str],
    /// The node's limit, and some seconds to notice.
    closed_within: Duration,
}

/// Heads, bodies and answers that come or go at a byte now and then.
pub(crate) const SLOW_TESTS: [SlowTest; 3] = [
    SlowTest { name: "slow heads", arguments: &["-H", "-i", "2", "-x", "24"], closed_within: Duration::from_secs(25) },
    SlowTest {
        name: "slow bodies",
        arguments: &["-B", "-i", "5", "-s", "8192", "-x", "10", "-t", "POST"],
        closed_within: Duration::from_secs(45),
    },
    SlowTest {
        name: "slow readers",
        arguments: &["-X", "-w", "10", "-y", "20", "-n", "5", "-z", "32", "-k", "3"],
        closed_within: Duration::from_secs(90),
    },
];

/// Opens slow connections and waits until the node has closed all of them. The tool, which reads slowly, may notice later.
///
/// # Panics
/// When connections stay open beyond their limit.
pub(crate) fn slow(tool: &Path, test: &SlowTest, site: &Site, connections: u32) {
    let (_, address) = site.ports()[0];
    let path = if test.name == "slow bodies" { "/records/1?req=RecordProcessed" } else { "/records/1" };
    let mut command = Command::new(tool);
    command.args(test.arguments);
    command.args(["-c", &connections.to_string(), "-r", "500", "-p", "3", "-l", "600"]);
    command.args(["-u", &format!("http://{address}{path}")]);
    let open = || site.cluster().metric("a", "ocs_http_connections");
    let few = open() + 1.0;
    let begun = Instant::now();
    let _running = Process::start("slowhttptest", &mut command, &site.cluster().path("slowhttptest.log"));
    let half = f64::from(connections) / 2.0;
    until_some_within(test.closed_within, "slow connections are open", || (open() > few + half).then_some(()));
    until_some_within(test.closed_within, "all slow connections are closed", || (open() <= few).then_some(()));
    println!("{}: all closed {:?} after the first began", test.name, begun.elapsed());
}

/// Both outputs of a tool.
///
/// # Panics
/// When the tool does not start, or does not end in time.
fn output(command: &mut Command) -> String {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let begun = Instant::now();
    let (out, err) = (read(child.stdout.take()), read(child.stderr.take()));
    while child.try_wait().expect("a child can be waited for").is_none() {
        if begun.elapsed() > TOOL_PATIENCE {
            let _ = child.kill(); // the tool may just have ended
            panic!("{command:?} did not end within {TOOL_PATIENCE:?}");
        }
        thread::sleep(LOOK);
    }
    let text = |reader: JoinHandle<String>| reader.join().unwrap_or_default();
    text(out) + &text(err)
}

/// Reads a pipe to its end, which is the end of the tool.
fn read(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes); // the bytes that were read count
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
