//! Files in and out as shells and spreadsheets make them: pipes, FIFOs, devices, encodings, rejected rows, readers that go.

use std::{
    fs::{self, Permissions},
    io::Write,
    os::{
        fd::OwnedFd,
        unix::{
            fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink},
            net::UnixStream,
        },
    },
    path::Path,
    process::Stdio,
    thread,
};

use tempfile::TempDir;

use crate::{Double, Ran, nobody, ocsctl};

/// A double with an empty list `demo`, and a directory.
async fn prepared() -> (Double, TempDir) {
    let double = Double::start().await;
    double.state().lists.insert("demo".to_owned(), Vec::new());
    (double, tempfile::tempdir().unwrap())
}

/// Runs a script of bash in a directory; `ocsctl` is the program under test.
async fn bash(endpoints: &str, dir: &Path, script: &str) -> Ran {
    let script = format!("set -o pipefail; ocsctl() {{ '{}' \"$@\"; }}; {script}", env!("CARGO_BIN_EXE_ocsctl"));
    let mut command = tokio::process::Command::new("bash");
    command.args(["-c", &script]).env("OCSCTL_ENDPOINTS", endpoints).current_dir(dir).kill_on_drop(true);
    let output = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

/// Imports bytes into `demo` under a file name.
async fn import(double: &Double, dir: &Path, name: &str, bytes: &[u8], options: &[&str]) -> Ran {
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    ocsctl(double, &[&["list", "import", "demo", path.to_str().unwrap()][..], options].concat()).await
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn each_day_that_comes_through_a_pipe_a_fifo_or_a_substitution_is_read_whole() {
    let (double, dir) = prepared().await;
    for (at, day) in ["mon", "tue", "wed", "thu"].into_iter().enumerate() {
        fs::write(dir.path().join(day), format!("contact_info,NAME\n+{at}1,{day}1\n+{at}2,{day}2\n")).unwrap();
    }
    let script = "cat mon | ocsctl list import demo /dev/stdin && cat tue | ocsctl list import demo - && \
                  mkfifo fifo && { cat wed > fifo & ocsctl list import demo fifo; } && \
                  ocsctl list create other --from <(cat thu)";
    let ran = bash(&double.endpoints(), dir.path(), script).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(ran.out, "Imported 2 of 2 rows (0 already there, 0 rejected)\n".repeat(4));
    let records: Vec<_> = double.state().lists.values().map(Vec::len).collect();
    assert_eq!(records, [6, 2], "of demo and other");
    assert_eq!(names(dir.path()), ["fifo", "mon", "thu", "tue", "wed"], "no file of rejects is left");
}

#[tokio::test]
async fn a_file_that_is_cut_while_its_rows_are_sent_is_imported_as_it_was_read() {
    let (double, dir) = prepared().await;
    let filler = "x".repeat(300);
    let rows: String = (0..5_000).map(|row| format!("+{row:05},{filler}\n")).collect();
    fs::write(dir.path().join("day.csv"), format!("contact_info,NAME\n{rows}")).unwrap();
    // the FIFO has a writer once the file was read, before the first row is sent; its last opening ends the wait in any case
    let script = "mkfifo fifo; \
                  { ocsctl list import demo day.csv --rejects fifo; code=$?; : <> fifo; exit $code; } & \
                  exec 3< fifo; : > day.csv; wait $!";
    let ran = bash(&double.endpoints(), dir.path(), script).await;
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (0, "Imported 5000 of 5000 rows (0 already there, 0 rejected)\n"),
        "{}",
        ran.err
    );
    assert_eq!(fs::metadata(dir.path().join("day.csv")).unwrap().len(), 0, "the file was cut");
}

#[tokio::test]
async fn a_standard_input_that_is_a_socket_or_does_not_block_is_read_to_its_end_under_each_of_its_names() {
    let (double, dir) = prepared().await;
    let filler = "x".repeat(10_000); // more than a socket holds
    for (at, name) in ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"].into_iter().enumerate() {
        let rows: String = (0..100).map(|row| format!("+{at}{row:02},{filler}\n")).collect();
        let (theirs, mut ours) = UnixStream::pair().unwrap();
        theirs.set_nonblocking(true).unwrap();
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_ocsctl"));
        command.args(["list", "import", "demo", name]).env("OCSCTL_ENDPOINTS", double.endpoints());
        command.current_dir(dir.path()).kill_on_drop(true).stdin(Stdio::from(OwnedFd::from(theirs)));
        let ran = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let writer = thread::spawn(move || ours.write_all(format!("contact_info,NAME\n{rows}").as_bytes()));
        drop(command); // its end of the socket, so that a program that ends early ends the writer
        let output = ran.wait_with_output().await.unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(out, "Imported 100 of 100 rows (0 already there, 0 rejected)\n", "{name}: {err}");
        writer.join().unwrap().unwrap();
    }
    assert!(names(dir.path()).is_empty(), "no file of rejects is left");
}

#[tokio::test]
async fn a_place_without_room_for_the_copy_is_named_with_the_variable_that_names_another() {
    let (double, dir) = prepared().await;
    fs::write(dir.path().join("day.csv"), "contact_info\n+1\n").unwrap();
    let ran = bash(&double.endpoints(), dir.path(), "TMPDIR=/nowhere ocsctl list import demo day.csv").await;
    assert!(ran.code != 0 && ran.err.contains("it cannot be copied to /nowhere: "), "{}", ran.err);
    assert!(ran.err.contains("TMPDIR names another place"), "{}", ran.err);
    assert_eq!(double.state().batches.len(), 0);
}

#[tokio::test]
async fn a_count_that_does_not_add_up_is_exit_code_1() {
    let (double, dir) = prepared().await;
    double.state().rows_uncounted = 1;
    let ran = import(&double, dir.path(), "day.csv", b"contact_info\n+1\n+2\n", &[]).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("the node accounts for 1 of 2 rows"), "{}", ran.err);
}

#[tokio::test]
async fn a_quote_that_never_ends_is_told_with_its_line_and_what_it_swallowed_is_counted() {
    let (double, dir) = prepared().await;
    let text = "contact_info,note\n+1,fine\n+2,\"19 inch screen\n+3,third\n+4,fourth\n+5,fifth\n";
    let ran = import(&double, dir.path(), "day.csv", text.as_bytes(), &[]).await;
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (1, "Imported 1 of 5 rows (0 already there, 4 rejected)\n"),
        "{}",
        ran.err
    );
    let rejects = fs::read_to_string(dir.path().join("day.rejects.csv")).unwrap();
    assert!(rejects.contains("the quote opened in line 3 never ends"), "{rejects}");
    for (line, row) in rejects.lines().skip(1).zip(text.lines().skip(2)) {
        assert!(line.ends_with(&format!("\",{row}")), "{line}");
    }
    assert_eq!(rejects.lines().count(), 5, "{rejects}");
    let corrected = rejects.replace("+2,\"19", "+2,19");
    let again = import(&double, dir.path(), "c.csv", corrected.as_bytes(), &[]).await;
    assert_eq!(
        (again.code, again.out.as_str()),
        (0, "Imported 4 of 4 rows (0 already there, 0 rejected)\n"),
        "{corrected}"
    );
    assert_eq!(double.state().rows_sent.last().unwrap(), &["+5", "fifth"]);
}

#[tokio::test]
async fn rejects_are_the_bytes_of_their_rows_and_corrected_ones_bring_no_new_field() {
    let (double, dir) = prepared().await;
    let row = b"2 ,\"So,\"\"uth\" , many\r\n".as_slice();
    let text = [b"\xef\xbb\xbfcontact_info,NAME,attempt\r\n+1,North,0\r\n".as_slice(), row].concat();
    fs::write(dir.path().join("fix-me.csv"), &text).unwrap();
    let script = "ocsctl list import demo fix-me.csv; cp fix-me.rejects.csv kept; \
                  sed 's/,2 ,/,+2,/' fix-me.rejects.csv > c.csv; ocsctl list import demo c.csv";
    let ran = bash(&double.endpoints(), dir.path(), script).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let kept = fs::read(dir.path().join("kept")).unwrap();
    let wanted = [b"\xef\xbb\xbfrow,reason,contact_info,NAME,attempt\r\n2,\"not a phone\",".as_slice(), row].concat();
    assert_eq!(kept, wanted, "{}", String::from_utf8_lossy(&kept));
    let state = double.state();
    assert_eq!(state.columns_sent, ["contact_info", "NAME", "attempt"]);
    assert_eq!(state.rows_sent.last().unwrap(), &["+2", "So,\"uth ", " many"]);
}

#[tokio::test]
async fn rejects_of_two_files_of_one_stem_and_of_two_runs_are_files_of_their_own() {
    let (double, dir) = prepared().await;
    for (name, phone) in [("same.csv", "1"), ("same.txt", "2"), ("same.csv", "3")] {
        assert_eq!(import(&double, dir.path(), name, format!("contact_info\n{phone}\n").as_bytes(), &[]).await.code, 1);
    }
    let made = ["same.csv", "same.rejects-2.csv", "same.rejects.csv", "same.txt", "same.txt.rejects.csv"];
    assert_eq!(names(dir.path()), made);
    for (name, phone) in [("same.rejects.csv", "1"), ("same.txt.rejects.csv", "2"), ("same.rejects-2.csv", "3")] {
        let text = fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(text, format!("row,reason,contact_info\n1,\"not a phone\",{phone}\n"));
    }
}

#[tokio::test]
async fn a_place_that_takes_no_rejects_is_found_out_before_the_first_row() {
    let (double, dir) = prepared().await;
    fs::write(dir.path().join("day.csv"), "contact_info\n+1\nnone\n").unwrap();
    // no user can make a file there
    let script = format!("cd /proc && ocsctl list import demo - < '{}'", dir.path().join("day.csv").display());
    let ran = bash(&double.endpoints(), dir.path(), &script).await;
    assert_eq!((ran.code, double.state().batches.len()), (1, 0), "{}", ran.err);
    assert!(ran.err.contains("--rejects FILE names another place"), "{}", ran.err);
    let standard = import(&double, dir.path(), "day.csv", b"contact_info\n", &["--rejects", "-"]).await;
    assert_eq!((standard.code, names(dir.path()).len()), (2, 1), "{}", standard.err);
}

#[tokio::test]
async fn a_row_of_another_encoding_is_rejected_with_the_bytes_that_it_has() {
    let (double, dir) = prepared().await;
    let row = b"+1,Stra\xdfe S\xfcd\n".as_slice();
    let text = [b"contact_info,NAME\n".as_slice(), row, "+2,Nörd\n".as_bytes()].concat();
    let ran = import(&double, dir.path(), "day.csv", &text, &[]).await;
    assert_eq!(ran.out, "Imported 1 of 2 rows (0 already there, 1 rejected)\n", "{}", ran.err);
    let rejects = fs::read(dir.path().join("day.rejects.csv")).unwrap();
    assert!(rejects.ends_with(row) && String::from_utf8_lossy(&rejects).contains("--encoding latin1"));
    let text = text.split(|byte| *byte == b'\n').take(2).collect::<Vec<_>>().join(&b'\n');
    let ran = import(&double, dir.path(), "latin.csv", &text, &[]).await;
    assert_eq!((ran.code, ran.err.contains("the file is read as latin1")), (0, true), "{}", ran.err);
    assert_eq!(double.state().rows_sent.last().unwrap(), &["+1", "Straße Süd"]);
}

#[tokio::test]
async fn files_of_every_usual_form_are_recognised_and_an_empty_one_is_told() {
    let (double, dir) = prepared().await;
    let utf16: Vec<u8> = "\u{feff}contact_info,NAME\r\n+5,Süd\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let files: [(&str, &[u8], &str); 5] = [
        ("semicolon", b"\xef\xbb\xbfcontact_info;NAME\r\n+1;North\r\n", "NAME"),
        ("sep-line", b"sep=,\r\ncontact_info,NAME\r\n+2,North\r\n", "NAME"),
        ("tab", b"contact_info\tNAME\n+3\tNorth\n", "NAME"),
        ("latin1-header", b"contact_info,Stra\xdfe\n+4,x\n", "Straße"),
        ("utf16le", &utf16, "NAME"),
    ];
    for (name, bytes, field) in files {
        let ran = import(&double, dir.path(), &format!("{name}.csv"), bytes, &[]).await;
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (0, "Imported 1 of 1 rows (0 already there, 0 rejected)\n"),
            "{name}: {}",
            ran.err
        );
        assert_eq!(double.state().columns_sent, ["contact_info", field], "{name}");
    }
    let empty = import(&double, dir.path(), "empty.csv", b"", &[]).await;
    assert_eq!((empty.code, empty.err.lines().count()), (2, 1), "{}", empty.err);
    assert!(empty.err.contains("the file is empty: a header with the column contact_info is needed"), "{}", empty.err);
    let other = import(&double, dir.path(), "other.csv", b"contact_info:NAME\n+6:x\n", &[]).await;
    assert!(other.err.contains("the only column is `contact_info:NAME` (--delimiter"), "{}", other.err);
    let named = import(&double, dir.path(), "other.csv", b"contact_info:NAME\n+6:x\n", &["--delimiter", ":"]).await;
    assert_eq!(named.code, 0, "{}", named.err);
}

#[tokio::test]
async fn cells_that_are_empty_at_the_end_mean_nothing_and_cells_that_are_missing_there_are_empty() {
    let (double, dir) = prepared().await;
    let files = [
        ("columns.csv", "contact_info,NAME,,,\n+1,North,,,\n+2,South,,,\n"),
        ("comma.csv", "contact_info,NAME\n+3,North,\n+4,South,\n"),
        ("short.csv", "contact_info,NAME,CITY\n+5,North,Oslo\n+6,South\n+7\n+8,,\n"),
    ];
    for (name, text) in files {
        let ran = import(&double, dir.path(), name, text.as_bytes(), &[]).await;
        assert_eq!(ran.code, 0, "{name}: {}{}", ran.out, ran.err);
    }
    assert_eq!(double.state().lists["demo"].len(), 8);
    assert_eq!(double.state().rows_sent[5..7], [["+6", "South", ""], ["+7", "", ""]]);
}

#[tokio::test]
async fn a_column_handle_is_left_out_with_a_word() {
    let (double, dir) = prepared().await;
    let ran = import(&double, dir.path(), "day.csv", b"contact_info,Handle\n+1,@north\n", &[]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.err.contains("the column Handle is not imported"), "{}", ran.err);
    let renamed = ["--columns", "handle=TWITTER"];
    assert_eq!(import(&double, dir.path(), "day.csv", b"contact_info,Handle\n+1,@north\n", &renamed).await.err, "");
    assert_eq!(double.state().columns_sent, ["contact_info", "TWITTER"]);
}

#[tokio::test]
async fn an_export_goes_through_fifos_devices_and_links_and_keeps_modes() {
    let (double, dir) = prepared().await;
    double.state().lists.insert("demo".to_owned(), vec![["1", "+1", "101"].map(str::to_owned)]);
    let place = |name: &str| dir.path().join(name);
    let wanted = "contact_info\n+1\n";
    fs::write(place("private"), "of yesterday, and longer than what comes").unwrap();
    fs::set_permissions(place("private"), Permissions::from_mode(0o600)).unwrap();
    fs::write(place("target"), "stale").unwrap();
    symlink("target", place("link")).unwrap();
    symlink("/dev/null", place("null")).unwrap(); // a fault would replace the link, not the device
    let script = "to() { ocsctl list export demo --columns contact_info -o \"$1\"; }; \
                  mkfifo fifo && { cat fifo > got & to fifo && wait; } && to private && to link && to null && \
                  if mknod device c 1 3 2>/dev/null && : 2>/dev/null > device; then to device; fi";
    let ran = bash(&double.endpoints(), dir.path(), script).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    for name in ["got", "private", "target"] {
        assert_eq!(fs::read_to_string(place(name)).unwrap(), wanted, "{name}");
    }
    let kind = |name: &str| fs::symlink_metadata(place(name)).unwrap().file_type();
    assert!(kind("fifo").is_fifo() && kind("link").is_symlink() && kind("null").is_symlink());
    assert!(!place("device").exists() || kind("device").is_char_device(), "the device was replaced by a file");
    assert_eq!(fs::metadata(place("private")).unwrap().mode() & 0o777, 0o600);
    assert!(names(dir.path()).iter().all(|name| !name.ends_with(".part")));
}

#[tokio::test]
async fn a_reader_that_goes_ends_an_export_without_a_word() {
    let (double, dir) = prepared().await;
    let row = |id: u32| [id.to_string(), format!("+{id:020}"), id.to_string()]; // more than a pipe holds
    double.state().lists.insert("demo".to_owned(), (0..10_000).map(row).collect());
    let ran = bash(&double.endpoints(), dir.path(), "ocsctl list export demo | head -n 1").await;
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("record_id,contact_info,handle\n", ""));
    assert_eq!(ran.code, 141, "as other programs whose reader goes");
}

#[tokio::test]
async fn a_standard_error_that_takes_nothing_changes_no_exit_code() {
    let (double, dir) = prepared().await;
    let unreachable = "ocsctl --timeout 1 status 2>/dev/full";
    assert_eq!(bash(&nobody().await, dir.path(), unreachable).await.code, 3);
    let refused = "ocsctl list export none 2>/dev/full";
    assert_eq!(bash(&double.endpoints(), dir.path(), refused).await.code, 1);
    let written = "ocsctl list export demo -o out 2>/dev/full";
    assert_eq!(bash(&double.endpoints(), dir.path(), written).await.code, 0);
}
