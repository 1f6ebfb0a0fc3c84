//! A real process with a part that stands still ends with status 70, even if its standard error is locked or has no reader.

use std::{
    env,
    io::{self, Write},
    process::{Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use chassis::{
    exit,
    watcher::{Watched, Watcher},
};

/// The variable that gives the child process of a test its role.
const CHILD: &str = "OCS_TEST_WATCHER_CHILD";
/// Longer than the child needs; ends a child that survives.
const CHILD_LIVES: Duration = Duration::from_secs(60);

/// This program again, as a process in which every part stands still.
fn child(does: &str) -> Command {
    let mut command = Command::new(env::current_exe().expect("a test has a program"));
    command.args(["--exact", "child_of_the_other_tests", "--ignored", "--nocapture"]).env(CHILD, does);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

#[test]
#[ignore = "it is run by the other tests"]
fn child_of_the_other_tests() {
    let Some(does) = env::var_os(CHILD) else { return };
    if does == "floods" {
        thread::spawn(|| {
            let mut held = io::stderr().lock();
            while held.write_all(&[b'x'; 4096]).is_ok() {} // the pipe is full after 64 KiB
        });
    }
    let _watcher = Watcher::start(vec![Watched { name: "a part", pulse: Arc::default() }]).unwrap();
    thread::sleep(CHILD_LIVES);
}

#[test]
fn a_process_whose_part_stands_still_ends_with_its_status_and_one_line() {
    let ended = child("sleeps").output().unwrap();
    assert_eq!(ended.status.code(), Some(i32::from(exit::STALLED)));
    let said = String::from_utf8_lossy(&ended.stderr);
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("fatal: ")).collect();
    assert_eq!(lines, ["fatal: a part has stood still for 3 s: the process ends with status 70"], "{said}");
}

#[test]
fn a_full_pipe_and_a_lock_that_is_held_do_not_keep_the_process() {
    let mut running = child("floods").spawn().unwrap();
    let unread = running.stderr.take();
    assert_eq!(running.wait().unwrap().code(), Some(i32::from(exit::STALLED)));
    drop(unread);
}
