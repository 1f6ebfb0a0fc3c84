//! Backups in an S3-compatible storage (moto) that a script starts; skipped, with the reason, where moto cannot be had.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{Double, Ran, backups::backup, nobody, ocsctl_at};

const BUCKET: &str = "ocs-test";

/// A storage in memory; ends on drop.
struct Moto {
    child: Child,
    url: String,
}

impl Moto {
    /// None: moto cannot be had here.
    fn start() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let mut command = Command::new("sh");
        command.arg(root.join("ha-tests/api/s3.sh")).arg(target.join("moto-venv"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if let Some(url) = line.trim().strip_prefix("serving ") {
            return Some(Self { child, url: url.to_owned() });
        }
        child.wait().unwrap();
        eprintln!("{}", line.trim());
        None
    }

    /// A request without a signature: status and body.
    fn ask(&self, method: &str, target: &str, body: &[u8]) -> (u16, String) {
        let host = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).unwrap();
        let length = body.len();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        (status, answer)
    }

    fn put(&self, key: &str, body: &[u8]) {
        let (status, answer) = self.ask("PUT", &format!("/{BUCKET}/{key}"), body);
        assert_eq!(status, 200, "{answer}");
    }

    /// Runs `ocsctl` with this storage.
    async fn ocsctl(&self, endpoints: &str, words: &[&str]) -> Ran {
        let words = [words, &["--s3-endpoint", &self.url, "--s3-region", "us-east-1"]].concat();
        ocsctl_at(endpoints, &words).await
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.stdin.take()); // the storage ends with its standard input
        let _ = self.child.wait();
    }
}

fn url(key: &str) -> String {
    format!("s3://{BUCKET}/{key}")
}

fn names(listed: &Ran, kind: &str) -> Vec<String> {
    let names = listed.json()[kind].as_array().unwrap().clone();
    names.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

/// The keys are set for this program alone: the one test of this file runs all that needs them.
#[tokio::test]
async fn backups_are_kept_in_an_s3_compatible_storage_whole_or_not_at_all() {
    let Some(moto) = Moto::start() else { return };
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let (nodes, nowhere) = (double.endpoints(), nobody().await);
    let whole = backup(dir.path());
    double.state().backup.clone_from(&whole);
    let (status, answer) = moto.ask("PUT", &format!("/{BUCKET}"), b"");
    assert_eq!(status, 200, "{answer}");

    // a folder: the name is that of the nodes' files
    let made = moto.ocsctl(&nodes, &["backup", "create", &url("a/"), "-o", "json"]).await;
    assert_eq!(made.code, 0, "{}", made.err);
    let name = "demo-20260921T141320Z.ocsbackup";
    assert_eq!(made.json()["file"], url(&format!("a/{name}")));
    let again = moto.ocsctl(&nodes, &["backup", "create", &url("a/")]).await;
    assert_eq!((again.code, again.err.contains("--force replaces it")), (1, true), "{}", again.err);
    let forced = moto.ocsctl(&nodes, &["backup", "create", &url("a/"), "--force"]).await;
    assert_eq!(forced.code, 0, "{}", forced.err);

    // the newest comes back without a node, and is whole
    let file = dir.path().join("fetched").display().to_string();
    let fetched = moto.ocsctl(&nowhere, &["backup", "fetch", &url("a/"), &file]).await;
    assert_eq!((fetched.code, fs::read(&file).unwrap() == whole), (0, true), "{}", fetched.err);
    assert_eq!(ocsctl_at(&nowhere, &["backup", "verify", &file]).await.code, 0);

    // an object without its sum is no backup, and a changed object is refused
    moto.put("a/demo-20270101T000000Z.ocsbackup", b"half");
    let listed = moto.ocsctl(&nowhere, &["backup", "list", &url("a"), "-o", "json"]).await;
    assert_eq!((names(&listed, "backups"), names(&listed, "incomplete").len()), (vec![name.to_owned()], 1));
    moto.put(&format!("a/{name}"), &whole[..whole.len() - 1]);
    let refused = moto.ocsctl(&nowhere, &["backup", "fetch", &url("a/"), &file, "--force"]).await;
    assert_eq!((refused.code, fs::read(&file).unwrap() == whole), (1, true), "{}", refused.err);

    // a backup that breaks off leaves neither an object nor an upload
    double.state().backup = whole[..whole.len() - 9].to_vec();
    let broken = moto.ocsctl(&nodes, &["backup", "create", &url("b/")]).await;
    assert_eq!((broken.code, broken.err.contains("was not kept")), (1, true), "{}", broken.err);
    let empty = moto.ocsctl(&nowhere, &["backup", "list", &url("b/"), "-o", "json"]).await;
    assert_eq!((names(&empty, "backups").len(), names(&empty, "incomplete").len()), (0, 0));
    let (_, uploads) = moto.ask("GET", &format!("/{BUCKET}?uploads"), b"");
    assert!(!uploads.contains("<Upload>"), "{uploads}");
    assert_eq!(moto.ocsctl(&nowhere, &["backup", "create", &url("b/")]).await.code, 3);

    // the oldest go, and nothing else
    double.state().backup.clone_from(&whole);
    for day in 1..=3 {
        let one = url(&format!("c/demo-2026010{day}T000000Z.ocsbackup"));
        let made = moto.ocsctl(&nodes, &["backup", "create", &one]).await;
        assert_eq!(made.code, 0, "{}", made.err);
    }
    moto.put("c/notes.txt", b"mine");
    let prune = ["backup", "prune", &url("c/"), "--keep", "2", "-o", "json"].map(str::to_owned);
    let prune: Vec<&str> = prune.iter().map(String::as_str).collect();
    let first = "demo-20260101T000000Z.ocsbackup";
    let dry = moto.ocsctl(&nowhere, &[prune.as_slice(), &["--dry-run"]].concat()).await;
    assert_eq!(dry.json()["removed"], serde_json::json!([first]), "{}", dry.err);
    let pruned = moto.ocsctl(&nowhere, &prune).await;
    assert_eq!(pruned.json()["removed"], serde_json::json!([first]), "{}", pruned.err);
    let left = moto.ocsctl(&nowhere, &["backup", "list", &url("c/"), "-o", "json"]).await;
    assert_eq!(names(&left, "backups").len(), 2);
    let (_, kept) = moto.ask("GET", &format!("/{BUCKET}?list-type=2&prefix=c/"), b"");
    assert!(kept.contains("<Key>c/notes.txt</Key>"), "{kept}");
}

#[tokio::test]
async fn a_url_of_a_storage_that_makes_no_sense_is_told_without_a_node_and_without_the_storage() {
    let nowhere = nobody().await;
    for (words, why) in [
        (&["backup", "create", "s3://"][..], "names a bucket and a folder"),
        (&["backup", "create", "s3://b/x/today"], "ends in .ocsbackup"),
        (&["backup", "list", "/var/backups"], "of the form s3://BUCKET/FOLDER/"),
        (&["backup", "verify", "s3://b/x/d.ocsbackup"], "`ocsctl backup fetch s3://b/x/d.ocsbackup FILE`"),
        (&["backup", "restore", "s3://b/x/d.ocsbackup", "--config", "x"], "`ocsctl backup fetch"),
        (&["backup", "prune", "s3://b/x/", "--keep", "0"], "--keep"),
    ] {
        let ran = ocsctl_at(&nowhere, words).await;
        assert_eq!((ran.code, ran.err.contains(why)), (2, true), "{words:?}: {}", ran.err);
    }
}
