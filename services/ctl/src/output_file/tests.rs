//! Output files: new, replaced on request, through symbolic links, and written through where the file is a FIFO or a device.

use std::{
    io::{Read, Write},
    os::unix::fs::symlink,
    thread,
};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

fn begin(place: &Path, force: bool, content: &[u8]) -> OutputFile {
    let output = OutputFile::create(place, force, Readers::Owner).unwrap();
    output.file().write_all(content).unwrap();
    output
}

#[test]
fn a_file_appears_when_it_is_whole_and_one_that_is_not_leaves_the_old_one() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("b");
    fs::write(dir.path().join("b.part"), "what was left of a run that was killed").unwrap();
    let part = begin(&place, false, b"one");
    let second = OutputFile::create(&place, false, Readers::Owner);
    assert!(second.is_err_and(|error| error.to_string().contains("another ocsctl")));
    assert!(!place.exists());
    part.finish().unwrap();
    drop(begin(&place, true, b"tw")); // broken off
    assert_eq!(fs::read(&place).unwrap(), b"one");
    assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_file_that_exists_is_replaced_by_force_alone_also_where_it_came_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("b");
    let late = begin(&place, false, b"late");
    fs::write(&place, "old").unwrap();
    for refused in [late.finish(), OutputFile::create(&place, false, Readers::Owner).map(|_| ())] {
        assert!(refused.is_err_and(|error| error.exit_code() == 1 && error.to_string().contains("--force")));
    }
    assert_eq!(fs::read(&place).unwrap(), b"old");
    begin(&place, true, b"new").finish().unwrap();
    assert_eq!(fs::read(&place).unwrap(), b"new");
    assert!(OutputFile::create(dir.path(), true, Readers::Owner).is_err(), "a directory");
}

#[test]
fn a_file_that_replaces_another_one_has_its_mode_where_the_umask_would_count() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("b");
    let mode = |readers| {
        OutputFile::create(&place, true, readers).unwrap().finish().unwrap();
        fs::metadata(&place).unwrap().permissions().mode() & 0o777
    };
    fs::write(&place, "old").unwrap();
    for kept in [0o600, 0o640, 0o444] {
        fs::set_permissions(&place, Permissions::from_mode(kept)).unwrap();
        assert_eq!(mode(Readers::Umask), kept);
    }
    assert_eq!(mode(Readers::Owner), 0o600, "whatever the earlier file had");
}

#[test]
fn symbolic_links_are_followed_and_stay_also_where_they_lead_to_nothing() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("far")).unwrap();
    let (link, place) = (dir.path().join("link"), dir.path().join("far/b"));
    symlink("far/again", &link).unwrap();
    symlink("b", dir.path().join("far/again")).unwrap();
    begin(&link, false, b"one").finish().unwrap();
    assert!(OutputFile::create(&link, false, Readers::Owner).is_err(), "the target exists now");
    begin(&link, true, b"two").finish().unwrap();
    assert_eq!(fs::read(&place).unwrap(), b"two");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && !fs::symlink_metadata(&place).unwrap().is_symlink());
    let circle = dir.path().join("circle");
    symlink("circle", &circle).unwrap();
    assert!(OutputFile::create(&circle, true, Readers::Owner).is_err());
}

#[test]
fn a_fifo_is_written_through_and_stays_one() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();
    let reading = fifo.clone();
    let reader = thread::spawn(move || {
        let mut text = String::new();
        File::open(reading).and_then(|mut open| open.read_to_string(&mut text)).map(|_| text)
    });
    begin(&fifo, false, b"through").finish().unwrap();
    assert_eq!(reader.join().unwrap().unwrap(), "through");
    assert!(!fs::metadata(&fifo).unwrap().is_file());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_device_is_written_through_and_its_error_is_told() {
    let dir = tempfile::tempdir().unwrap(); // a fault would replace the link, not the machine's device
    let link = |name: &str| {
        let link = dir.path().join(name);
        symlink(Path::new("/dev").join(name), &link).unwrap();
        link
    };
    begin(&link("null"), false, b"nothing").finish().unwrap();
    let full = OutputFile::create(&link("full"), false, Readers::Owner).unwrap();
    let error = full.file().write_all(b"x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert!(full.failed(error).to_string().contains("full: No space left"));
    assert!(fs::read_dir(dir.path()).unwrap().all(|entry| entry.unwrap().path().is_symlink()));
}
