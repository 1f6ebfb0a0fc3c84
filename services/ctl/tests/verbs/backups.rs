//! Backups: files that are whole or not there.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::Path,
    process::Stdio,
};

use store::{ArchiveHead, ArchiveOut, Store, StoreConfig};
use tokio::io::AsyncWriteExt;

use crate::{Double, nobody, ocsctl, ocsctl_at};

/// A backup of an empty state.
pub(crate) fn backup(home: &Path) -> Vec<u8> {
    let config = StoreConfig { cache_bytes: 8 << 20, ..StoreConfig::new([5; 16]) };
    let store = Store::open(&home.join("state"), config).unwrap();
    let about = ArchiveHead {
        cluster_id: "demo".to_owned(),
        node: "a".to_owned(),
        epoch: 2,
        created_us: 1_790_000_000_000_000,
        ..ArchiveHead::default()
    };
    ArchiveOut::new(&store.reader().snapshot(), about).flat_map(Result::unwrap).collect()
}

#[tokio::test]
async fn a_backup_is_written_whole_for_its_owner_alone_and_verified() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    double.state().backup = backup(dir.path());
    let place = dir.path().join("b.ocsbackup");
    let file = place.to_str().unwrap();
    let ran = ocsctl(&double, &["backup", "create", file, "-o", "json"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let told = ran.json();
    assert_eq!((told["cluster"].as_str(), told["epoch"].as_u64()), (Some("demo"), Some(2)));
    assert_eq!(told["created"], "2026-09-21T14:13:20Z");
    assert_eq!(told["bytes"].as_u64(), Some(fs::metadata(&place).unwrap().len()));
    assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
    let verified = ocsctl_at(&nobody().await, &["backup", "verify", file, "-o", "json"]).await;
    assert_eq!((verified.code, verified.json()), (0, told), "without a node");
}

#[tokio::test]
async fn a_backup_goes_to_standard_output_and_what_it_is_beside_it() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let whole = backup(dir.path());
    double.state().backup.clone_from(&whole);
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_ocsctl"));
    command.env("OCSCTL_ENDPOINTS", double.endpoints()).args(["backup", "create", "-"]).kill_on_drop(true);
    let output = command.output().await.unwrap();
    assert_eq!((output.status.code(), output.stdout == whole), (Some(0), true));
    assert!(String::from_utf8(output.stderr).unwrap().contains("digest"));
}

#[tokio::test]
async fn a_file_that_exists_is_replaced_by_force_alone_and_a_device_never() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let whole = backup(dir.path());
    double.state().backup.clone_from(&whole);
    let (place, link) = (dir.path().join("b"), dir.path().join("link"));
    std::os::unix::fs::symlink("b", &link).unwrap();
    fs::write(&place, "mine").unwrap();
    let words = ["backup", "create", link.to_str().unwrap()];
    let refused = ocsctl(&double, &words).await;
    assert_eq!((refused.code, refused.err.lines().count()), (1, 1), "{}", refused.err);
    assert!(refused.err.contains("--force"), "{}", refused.err);
    assert_eq!(fs::read(&place).unwrap(), b"mine");
    let forced = ocsctl(&double, &[&words[..], &["--force"]].concat()).await;
    assert_eq!(forced.code, 0, "{}", forced.err);
    assert!(fs::read(&place).unwrap() == whole && link.is_symlink());
    for (device, code) in [("/dev/null", 0), ("/dev/full", 1)] {
        let link = dir.path().join(device.trim_start_matches("/dev/")); // a fault would replace the link, not the device
        std::os::unix::fs::symlink(device, &link).unwrap();
        let ran = ocsctl(&double, &["backup", "create", link.to_str().unwrap(), "--force"]).await;
        assert_eq!((ran.code, ran.err.contains("No space left")), (code, code == 1), "{}", ran.err);
        assert!(link.is_symlink() && fs::metadata(&link).unwrap().file_type().is_char_device(), "{device}");
    }
}

#[tokio::test]
async fn a_backup_that_is_cut_or_damaged_is_one_line_and_no_file() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let whole = backup(dir.path());
    let place = dir.path().join("b.ocsbackup");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for bad in [whole[..whole.len() - 1].to_vec(), flipped, Vec::new()] {
        double.state().backup = bad;
        let ran = ocsctl(&double, &["backup", "create", place.to_str().unwrap()]).await;
        assert_eq!(ran.code, 1, "{}", ran.err);
        assert!(ran.err.contains("was not kept") && ran.err.lines().count() == 1, "{}", ran.err);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "only the state that it was made of");
    }
}

#[tokio::test]
async fn a_file_is_verified_without_a_node_and_refused_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let (place, whole) = (dir.path().join("b"), backup(dir.path()));
    let verify = async |content: &[u8]| {
        fs::write(&place, content).unwrap();
        ocsctl_at(&nobody().await, &["backup", "verify", place.to_str().unwrap()]).await
    };
    let ran = verify(&whole).await;
    assert!(ran.code == 0 && ran.out.contains("cluster") && ran.out.contains("is whole"), "{}{}", ran.out, ran.err);
    for (content, why) in [
        (&whole[..whole.len() - 9], "it is cut: it ends at byte"),
        (&whole[..0], "it is cut"),
        (&b"not one of ours"[..], "it is no backup of ocs"),
    ] {
        let ran = verify(content).await;
        assert!(ran.code == 1 && ran.err.contains(why) && ran.err.lines().count() == 1, "{}", ran.err);
    }
    let ran = ocsctl_at(&nobody().await, &["backup", "verify", "/nowhere/at/all"]).await;
    assert_eq!(ran.code, 1, "{}", ran.err);
}

#[tokio::test]
async fn a_file_is_verified_although_certificates_for_nodes_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("b");
    fs::write(&place, backup(dir.path())).unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_ocsctl"));
    for name in ["OCSCTL_CA", "OCSCTL_CERT", "OCSCTL_KEY"] {
        command.env(name, "/nowhere/at/all");
    }
    let output = command.args(["backup", "verify", place.to_str().unwrap()]).kill_on_drop(true).output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_backup_can_come_from_standard_input() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_ocsctl"));
    command.args(["backup", "verify", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(&backup(dir.path())).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().contains("is whole"));
}

#[tokio::test]
async fn where_no_node_answers_there_is_no_backup_and_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("b");
    let ran = ocsctl_at(&nobody().await, &["backup", "create", place.to_str().unwrap()]).await;
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
