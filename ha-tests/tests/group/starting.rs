//! The first minutes of a node: from the first second on its status names the awaited nodes, to operators, to monitoring and to
//! its supervisor; a start that cannot work ends with one line.

use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, net::UnixDatagram, process::CommandExt},
    path::Path,
    process::Command,
    time::Duration,
};

use ocs_ha_tests::{Cluster, PATIENCE, Ran, program, until};

use crate::modes;

/// Wrong use or configuration: a person must mend it.
const USAGE: i32 = 2;
/// A user that owns nothing.
const NOBODY: u32 = 65_534;

/// Waits until a node's admin port says this state, as a node that lives and is not ready.
fn wait_state(cluster: &Cluster, node: &str, state: &str) {
    let mut admin = cluster.admin(node);
    until(&format!("{node} says {state:?}"), || {
        let ready = admin.send("GET", "/readyz", &[], "");
        ready.is_ok_and(|ready| ready.status == 503 && ready.json()["state"] == *state)
    });
    assert_eq!(admin.get("/livez").status, 200);
    assert_eq!(cluster.of_node(node)["starting"], *state, "{}", cluster.status());
}

#[test]
fn a_node_that_waits_for_the_others_or_to_be_taken_in_says_so_from_its_first_second() {
    let mut cluster = Cluster::prepare(&[]);
    cluster.start_node("a", &["--bootstrap"]);
    wait_state(&cluster, "a", "waiting for b, w");
    cluster.start_node("b", &[]);
    wait_state(&cluster, "b", "waiting to join");
    let shown = cluster.ctl(&["status"]).out;
    assert!(shown.contains("starting") && shown.contains("waiting for b, w"), "{shown}");
    assert_eq!(cluster.stop("b"), 0, "a node that waits stops as told");

    cluster.start_node("b", &["--bootstrap"]);
    cluster.start_node("w", &["--bootstrap"]);
    cluster.wait_whole();
    for node in ["a", "b", "w"] {
        assert_eq!(cluster.of_node(node)["starting"], "", "{node} runs");
        assert_eq!(cluster.admin(node).get("/metrics").status, 200, "{node}");
    }
}

#[test]
fn a_node_whose_file_has_another_order_has_written_no_log_and_joins_in_once_the_order_is_right() {
    const RIGHT: [&str; 3] = ["a", "b", "w"];
    let mut cluster = Cluster::prepare(&[]);
    modes::start(&mut cluster, "three", &RIGHT, "a");
    modes::start(&mut cluster, "three", &RIGHT, "w");
    modes::start(&mut cluster, "three", &["b", "a", "w"], "b");
    wait_state(&cluster, "a", "waiting for b");
    wait_state(&cluster, "b", "waiting for a, w");
    assert!(!cluster.settings().data("b").join("log").exists(), "b has begun a log under the number of a");
    assert_eq!(cluster.stop("b"), 0);

    modes::start(&mut cluster, "three", &RIGHT, "b");
    modes::primary(&cluster, &RIGHT);
    until("b runs", || cluster.of_node("b")["starting"] == "");
}

#[test]
fn a_supervisor_hears_that_a_node_answers_what_it_waits_for_and_that_it_lives() {
    let mut cluster = Cluster::prepare(&[]);
    let socket = cluster.path("notify");
    let supervisor = UnixDatagram::bind(&socket).unwrap();
    supervisor.set_read_timeout(Some(PATIENCE)).unwrap();
    let environment = [("NOTIFY_SOCKET", socket.to_str().unwrap()), ("WATCHDOG_USEC", "600000")];
    cluster.start_node_with("a", &["--bootstrap"], &environment);
    let mut due = vec!["READY=1", "STATUS=waiting for b, w", "WATCHDOG=1"];
    while !due.is_empty() {
        let mut message = [0; 512];
        let length = supervisor.recv(&mut message).unwrap_or_else(|error| panic!("{error}; not heard: {due:?}"));
        let message = String::from_utf8_lossy(&message[..length]).into_owned();
        due.retain(|due| !message.lines().any(|line| line == *due));
    }
    // Signs of life go on while the node waits.
    supervisor.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut message = [0; 512];
    let length = supervisor.recv(&mut message).unwrap();
    assert_eq!(&message[..length], b"WATCHDOG=1");
}

#[test]
fn an_own_entry_that_leads_elsewhere_is_warned_of_by_the_check() {
    let cluster = Cluster::prepare(&[]);
    let elsewhere = format!("peer.listen={}:7399", cluster.settings().ip);
    let ran = cluster.run_node("a", &["--check", "--set", &elsewhere]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("warning: key cluster.nodes.0.peer: ") && ran.err.contains(":7399"), "{}", ran.err);
    let ran = cluster.run_node("a", &["--check"]);
    assert!(!ran.err.contains("warning"), "{}", ran.err);
}

#[test]
fn a_configuration_from_a_pipe_is_checked_and_a_node_does_not_run_on_it() {
    let cluster = Cluster::prepare(&[]);
    let piped = |words: &str| {
        let (ocsd, file) = (program("ocsd"), cluster.settings().config("a"));
        let line = format!("{} --config <(cat {}) {words}", ocsd.display(), file.display());
        Ran::of(Command::new("bash").args(["-c", &line]))
    };
    let checked = piped("--check");
    assert!(checked.code == 0 && checked.err.contains("the configuration is fine"), "{}", checked.err);
    let refused = piped("--bootstrap");
    assert_eq!(refused.code, USAGE, "{}", refused.err);
    let complaints = refused.complaints();
    assert!(complaints.len() == 1 && complaints[0].contains("is not a regular file"), "{}", refused.err);
    assert!(!cluster.path("data").exists(), "something was made");
}

/// A node's configuration that needs no file but itself.
fn write_plain_config(file: &Path, data_dir: &Path) {
    let member = |name: &str, role: &str, port: u16| {
        format!("{{ name = \"{name}\", role = \"{role}\", peer = \"127.0.0.1:{port}\" }}")
    };
    let members = [member("a", "data", 7301), member("b", "data", 7302), member("w", "witness", 7303)].join(", ");
    let text = format!("[node]\nname = \"a\"\ndata_dir = \"{}\"\n[cluster]\nnodes = [{members}]\n", data_dir.display());
    fs::write(file, text).unwrap();
}

#[test]
fn a_data_directory_of_another_user_is_refused_with_owner_mode_and_user_in_one_line() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root may start a process as another user");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    let (ocsd, config, data) = (dir.path().join("ocsd"), dir.path().join("a.toml"), dir.path().join("data"));
    fs::copy(program("ocsd"), &ocsd).unwrap(); // another user may not look into the directory of the build
    write_plain_config(&config, &data);
    fs::set_permissions(&config, Permissions::from_mode(0o644)).unwrap();
    let refused = |because: &[&str]| {
        let mut command = Command::new(&ocsd);
        command.arg("--config").arg(&config).uid(NOBODY).gid(NOBODY);
        let ran = Ran::of(&mut command);
        assert_eq!(ran.code, USAGE, "{}", ran.err);
        let complaints = ran.complaints();
        assert_eq!(complaints.len(), 1, "{}", ran.err);
        because.iter().for_each(|part| assert!(complaints[0].contains(part), "{part}: {}", complaints[0]));
    };
    let user = format!("(uid {NOBODY})");
    // Nothing there yet, in a place that is root's.
    refused(&["permission denied", &dir.path().display().to_string(), "(uid 0)", "mode 0755", &user]);
    assert!(!data.exists());
    // The whole directory is root's.
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, Permissions::from_mode(0o700)).unwrap();
    refused(&["permission denied", &data.display().to_string(), "(uid 0)", "mode 0700", &user]);
    // One file in the directory is root's.
    std::os::unix::fs::chown(&data, Some(NOBODY), Some(NOBODY)).unwrap();
    fs::write(data.join("lock"), "").unwrap();
    fs::set_permissions(data.join("lock"), Permissions::from_mode(0o600)).unwrap();
    refused(&[
        "permission denied",
        &data.join("lock").display().to_string(),
        "(uid 0)",
        "mode 0600",
        &user,
        "chown -R",
    ]);
}

#[test]
fn the_unit_restarts_what_passes_and_never_what_a_person_must_mend() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy/ocsd@.service");
    let unit = fs::read_to_string(unit).unwrap();
    let value = |key: &str| unit.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    assert_eq!(value("ExecStartPre"), None, "its exit code is not looked at by RestartPreventExitStatus");
    assert_eq!(value("ExecStart"), Some("/usr/bin/ocsd --config /etc/ocs/%i.toml"));
    assert_eq!((value("Type"), value("Restart")), (Some("notify"), Some("always")));
    assert_eq!(value("RestartPreventExitStatus"), Some("2"));
    let restarted: Vec<_> = value("RestartForceExitStatus").unwrap_or_default().split(' ').collect();
    assert!(["70", "75"].iter().all(|code| restarted.contains(code)), "{restarted:?}");
    assert_eq!((value("User"), value("UMask")), (Some("ocs"), Some("0077")));
    assert_eq!(value("StateDirectory"), Some("ocs/%i"), "the sample's node.data_dir");
    assert!(value("WatchdogSec").is_some());
    assert_eq!(value("ExecReload"), Some("/bin/kill -HUP $MAINPID"));
}
