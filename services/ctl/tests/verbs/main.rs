//! `ocsctl` as a process against stand-ins for nodes and HTTP Proxies on real sockets. These tests show how the command line
//! treats the nodes' answers; the end-to-end tests show how real nodes treat the calls.

#![allow(clippy::unwrap_used)] // a helper that cannot go on fails its test

mod audit;
mod backups;
mod bench;
mod configuration;
mod contexts;
mod declared;
mod dnc;
mod double;
mod files;
mod group;
mod json;
mod lists;
mod s3;
mod settings;
mod shown;
mod tokens;
mod traffic;
mod undoing;
mod upkeep;
mod waits;
mod watch;

use std::process::Output;

use double::Double;

/// The result of a run of `ocsctl`.
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }

    /// The failure on the last line of standard error: its word and its sentence.
    fn error(&self) -> (String, String) {
        let line = self.err.lines().last().unwrap_or_default();
        let read: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err));
        assert_eq!(read["error"]["exit_code"], self.code, "{line}");
        let text = |name: &str| read["error"][name].as_str().unwrap().to_owned();
        (text("code"), text("message"))
    }
}

/// The program, which knows no contexts of this machine.
fn command() -> tokio::process::Command {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_ocsctl"));
    command.env("OCS_CONTEXTS", "/dev/null").env_remove("OCS_CONTEXT").kill_on_drop(true);
    // of a storage in memory, which takes every key
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env_remove("AWS_REGION");
    command
}

/// Runs `ocsctl` with these variables.
async fn ran_with(variables: &[(&str, &str)], words: &[&str]) -> Ran {
    let output = command().envs(variables.iter().copied()).args(words).output().await.unwrap();
    let Output { status, stdout, stderr } = output;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
}

/// Runs `ocsctl` with these endpoints.
async fn ocsctl_at(endpoints: &str, words: &[&str]) -> Ran {
    ran_with(&[("OCSCTL_ENDPOINTS", endpoints)], words).await
}

/// Runs `ocsctl` against a double.
async fn ocsctl(double: &Double, words: &[&str]) -> Ran {
    ocsctl_at(&double.endpoints(), words).await
}

/// An address without a listener.
async fn nobody() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().to_string()
}
