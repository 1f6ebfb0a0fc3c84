//! `ocsctl node replace`, from its order to its end. Called by tests beside it.

use std::process::{Child, Stdio};

use ocs_ha_tests::{Cluster, Ran};
use serde_json::Value;

/// `ocsctl node replace`, waiting.
pub(crate) fn replacing(cluster: &Cluster, words: &[&str]) -> Child {
    let words = [&["--timeout", "90", "node", "replace", "-o", "json"], words].concat();
    let mut command = cluster.ctl_command(&words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The output of a successful end.
pub(crate) fn replaced(child: Child) -> Value {
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let ran = Ran { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) };
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("as a learner") || ran.err.contains("waiting for"), "no progress was shown: {}", ran.err);
    ran.json()
}
