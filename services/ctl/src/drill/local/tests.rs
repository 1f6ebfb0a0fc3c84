//! Processes of this machine, of which an ocsd alone is a node.

use std::os::unix::fs::symlink;

use super::*;

#[test]
fn only_loopback_is_this_machine() {
    for here in ["127.0.0.1:7401", "localhost:7401", "[::1]:7401"] {
        assert!(is_loopback(here), "{here}");
    }
    for elsewhere in ["10.0.0.1:7401", "node-a:7401", "localhost.example:1"] {
        assert!(!is_loopback(elsewhere), "{elsewhere}");
    }
}

#[test]
fn only_a_process_that_runs_ocsd_is_a_node() {
    let proc = tempfile::tempdir().unwrap();
    let process = |pid: u32, program: &str| {
        let dir = proc.path().join(pid.to_string());
        fs::create_dir(&dir).unwrap();
        symlink(program, dir.join("exe")).unwrap();
        is_node(proc.path(), pid)
    };
    assert!(process(10, "/usr/bin/ocsd"));
    assert!(process(11, "/build/ocsd (deleted)"));
    assert!(!process(12, "/usr/bin/bash"));
    assert!(!process(13, "/home/ocsd/bash"));
    assert!(!is_node(proc.path(), 14));
}

/// Looks until a process is stopped, or is not.
fn wait_stopped(process: Process, stopped: bool) {
    let is = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", process.number())).unwrap();
        stat.rsplit_once(')').unwrap().1.trim_start().starts_with('T')
    };
    while is() != stopped {
        std::thread::yield_now();
    }
}

#[test]
fn a_stopped_process_goes_on_with_the_guard_and_also_when_the_drill_is_killed() {
    let mut sleeper = Command::new("sleep").arg("600").spawn().unwrap();
    let process = Process(Pid::from_raw(i32::try_from(sleeper.id()).unwrap()).unwrap());
    let (stopped, _) = process.stop().unwrap();
    wait_stopped(process, true);
    drop(stopped);
    wait_stopped(process, false);

    let (mut stopped, _) = process.stop().unwrap();
    wait_stopped(process, true);
    drop(stopped.keeper.stdin.take()); // all that the end of the drill does
    std::mem::forget(stopped);
    wait_stopped(process, false);
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
}

#[test]
fn this_very_process_is_no_node() {
    assert!(!is_node(Path::new("/proc"), std::process::id()));
}
