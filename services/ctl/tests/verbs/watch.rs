//! `status --watch` into a pipe, and colours.

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout},
};

use crate::{Double, command, ocsctl};

/// A watch that was begun.
fn watched(double: &Double, words: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = command();
    command.env("OCSCTL_ENDPOINTS", double.endpoints()).args(["status", "--watch=0.2"]).args(words);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

fn interrupt(child: &Child) {
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
}

#[tokio::test]
async fn a_watch_goes_on_through_a_failover_with_a_line_of_the_time_and_ends_at_ctrl_c() {
    let double = Double::start().await;
    let (mut child, mut lines) = watched(&double, &[]);
    let mut seen = Vec::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        assert!(!line.contains('\u{1b}'), "a pipe gets no letters that act: {line:?}");
        let row: Vec<&str> = line.split_whitespace().take(2).collect();
        if row == ["a", "primary"] && seen.is_empty() {
            seen.push("a");
            double.state().primary.clear();
        } else if row == ["a", "backup"] && seen == ["a"] {
            seen.push("none");
            double.state().primary = "b".to_owned();
        } else if row == ["b", "primary"] && seen == ["a", "none"] {
            break;
        }
        if line.ends_with("until Ctrl-C") {
            assert!(line.contains("Z, every 0.2 s"), "{line}");
        }
    }
    assert_eq!(seen, ["a", "none"]);
    interrupt(&child);
    while lines.next_line().await.unwrap().is_some() {}
    assert_eq!(child.wait().await.unwrap().code(), Some(130));
}

#[tokio::test]
async fn a_watch_for_a_program_is_a_document_a_line() {
    let double = Double::start().await;
    let (mut child, mut lines) = watched(&double, &["-o", "json"]);
    for _ in 0..2 {
        let line = lines.next_line().await.unwrap().unwrap();
        let document: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((document["primary"].as_str(), document["nodes"][0]["role"].as_str()), (Some("a"), Some("primary")));
        assert!(document["time"].as_str().unwrap().ends_with('Z'), "{line}");
    }
    interrupt(&child);
    while lines.next_line().await.unwrap().is_some() {}
    assert_eq!(child.wait().await.unwrap().code(), Some(130));
}

#[tokio::test]
async fn colours_are_asked_for_and_change_no_letter() {
    let double = Double::start().await;
    double.state().warning_of_b = Some("disk full: this node is up".to_owned());
    let plain = ocsctl(&double, &["status"]).await.out;
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    let coloured = ocsctl(&double, &["--color", "always", "status"]).await.out;
    for part in ["\u{1b}[1;32mprimary\u{1b}[0m", "\u{1b}[32mup\u{1b}[0m", "\u{1b}[33mb: disk full"] {
        assert!(coloured.contains(part), "{part:?}: {coloured:?}");
    }
    let codes = ["\u{1b}[1;32m", "\u{1b}[32m", "\u{1b}[33m", "\u{1b}[1;31m", "\u{1b}[0m"];
    let without = codes.iter().fold(coloured, |text, code| text.replace(code, ""));
    assert_eq!(without, plain);
    assert_eq!(ocsctl(&double, &["--color", "never", "status"]).await.out, plain);
}
