//! Lists in and out.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::io::AsyncWriteExt;

use crate::{Double, nobody, ocsctl, ocsctl_at};

fn write(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("calls.csv");
    std::fs::write(&path, text).unwrap();
    path
}

/// 1,203 rows: two of them duplicates, one without a phone, one too long.
fn calls() -> String {
    let mut rows: Vec<String> = (0..1199).map(|row| format!("+{row},x")).collect();
    rows.insert(600, "x,too,long".to_owned());
    rows.extend(["+7,x", "+8,x", "none,x"].map(str::to_owned));
    format!("contact_info,NOTE\n{}\n", rows.join("\n"))
}

#[tokio::test]
async fn a_file_without_contact_info_is_one_line_and_changes_nothing() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let file = write(dir.path(), "phone\n+1\n");
    let file = file.to_str().unwrap();
    for words in [&["list", "create", "demo", "--from", file][..], &["list", "import", "demo", file]] {
        let ran = ocsctl(&double, words).await;
        assert_eq!(ran.code, 2);
        assert!(ran.err.contains("the header has no column contact_info"), "{}", ran.err);
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    }
    assert!(double.state().lists.is_empty());
}

#[tokio::test]
async fn an_import_goes_on_over_refusals_and_its_parts_add_up_at_every_run() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let file = write(dir.path(), &calls());
    let file = file.to_str().unwrap();
    double.state().imports_refused = 3;
    let endpoints = format!("{},{}", nobody().await, double.endpoints());
    let runs = [vec!["list", "create", "demo", "--from", file], vec!["list", "import", "demo", file]];
    for (words, name) in runs.into_iter().zip(["calls.rejects.csv", "calls.rejects-2.csv"]) {
        let ran = ocsctl_at(&endpoints, &words).await;
        assert_eq!(ran.code, 1, "{}", ran.err);
        assert_eq!(ran.out, "Imported 1199 of 1203 rows (2 already there, 2 rejected)\n");
        assert!(ran.err.contains(name), "{}", ran.err);
        let rejects = std::fs::read_to_string(dir.path().join(name)).unwrap();
        let wanted = "row,reason,contact_info,NOTE\n601,\"3 fields where the header has 2\",x,too,long\n1203,\"not a phone\",none,x\n";
        assert_eq!(rejects, wanted);
    }
    let state = double.state();
    assert_eq!(state.lists["demo"].len(), 1199);
    let first_rows: Vec<u64> = state.batches.keys().map(|(_, row)| *row).collect();
    assert_eq!(first_rows, [1, 501, 602, 1102]);
}

#[tokio::test]
async fn an_import_as_new_is_another_import() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let file = write(dir.path(), "contact_info\n+1\n");
    let file = file.to_str().unwrap();
    assert_eq!(ocsctl(&double, &["list", "create", "demo", "--from", file]).await.code, 0);
    let ran = ocsctl(&double, &["list", "import", "demo", file, "--as-new"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (0, "Imported 0 of 1 rows (1 already there, 0 rejected)\n"));
    assert_eq!(double.state().batches.len(), 2);
}

#[tokio::test]
async fn a_list_that_exists_or_does_not_is_a_refusal_in_one_line() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let file = write(dir.path(), "contact_info\n+1\n");
    assert_eq!(ocsctl(&double, &["list", "create", "demo"]).await.code, 0);
    let again = ocsctl(&double, &["list", "create", "demo"]).await;
    assert_eq!((again.code, again.err.as_str()), (1, "ocsctl: There is a list of this name (CONFLICT)\n"));
    let unknown = ocsctl(&double, &["list", "import", "other", file.to_str().unwrap()]).await;
    assert_eq!((unknown.code, unknown.err.as_str()), (1, "ocsctl: There is no such list (LIST_NOT_FOUND)\n"));
    let unknown = ocsctl(&double, &["list", "export", "other"]).await;
    assert_eq!((unknown.code, unknown.out.as_str()), (1, ""));
}

#[tokio::test]
async fn an_export_is_csv_and_a_file_appears_whole() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let row = |text: &str| [text.to_owned(), format!("+{text}, \"x\""), format!("10{text}")];
    double.state().lists.insert("demo".to_owned(), ["1", "2", "3"].map(row).to_vec());
    let ran = ocsctl(&double, &["list", "export", "demo", "--columns", "handle,contact_info", "--node", "b"]).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let csv = "handle,contact_info\n101,\"+1, \"\"x\"\"\"\n102,\"+2, \"\"x\"\"\"\n103,\"+3, \"\"x\"\"\"\n";
    assert_eq!(ran.out, csv);
    let path = dir.path().join("out.csv");
    assert_eq!(ocsctl(&double, &["list", "export", "demo", "-o", path.to_str().unwrap()]).await.code, 0);
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("record_id,contact_info,handle\n1,"));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(ocsctl(&double, &["list", "export", "demo", "--node", "x"]).await.code, 3);
    std::fs::write(&path, "of yesterday").unwrap();
    assert_eq!(ocsctl(&double, &["list", "export", "other", "-o", path.to_str().unwrap()]).await.code, 1);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "of yesterday");
    assert_eq!(ocsctl(&double, &["list", "export", "demo", "-o", path.to_str().unwrap()]).await.code, 0);
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("record_id,"));
    let link = dir.path().join("full"); // a fault would replace the link, not the machine's device
    std::os::unix::fs::symlink("/dev/full", &link).unwrap();
    let full = ocsctl(&double, &["list", "export", "demo", "-o", link.to_str().unwrap()]).await;
    assert_eq!((full.code, full.err.contains("No space left")), (1, true), "{}", full.err);
}

#[tokio::test]
async fn a_pipe_is_imported_whole_and_its_rejects_never_go_beside_the_device() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    double.state().lists.insert("demo".to_owned(), Vec::new());
    let rows: String = (0..5000).map(|row| format!("+{row},note\n")).collect();
    let text = format!("contact_info,NOTE\n{rows}none,x\n");
    for file in ["-", "/dev/stdin"] {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_ocsctl"));
        command.env("OCSCTL_ENDPOINTS", double.endpoints()).args(["list", "import", "demo", file]);
        command.current_dir(dir.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(text.as_bytes()).await.unwrap();
        drop(stdin);
        let ran = child.wait_with_output().await.unwrap();
        assert_eq!(ran.status.code(), Some(1));
        assert_eq!(
            String::from_utf8(ran.stdout).unwrap(),
            "Imported 5000 of 5001 rows (0 already there, 1 rejected)\n"
        );
    }
    assert_eq!(
        double.state().lists["demo"].len(),
        5000,
        "the same bytes are the same import, whichever pipe they come from"
    );
    for name in ["stdin.rejects.csv", "stdin.rejects-2.csv"] {
        let rejects = std::fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(rejects, "row,reason,contact_info,NOTE\n5001,\"not a phone\",none,x\n");
    }
}

#[tokio::test]
async fn rejects_are_importable_again_and_no_file_that_was_there_is_touched() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let file = write(dir.path(), "contact_info,NOTE\n+1,a\n2, \"b\" \n");
    let rejects = dir.path().join("calls.rejects.csv");
    std::fs::write(&rejects, "mine").unwrap();
    let unknown = ocsctl(&double, &["list", "import", "none", file.to_str().unwrap()]).await;
    assert_eq!((unknown.code, std::fs::read_dir(dir.path()).unwrap().count()), (1, 2), "no file is left behind");
    double.state().lists.insert("demo".to_owned(), Vec::new());
    let import = ["list", "import", "demo", file.to_str().unwrap()];
    let named = ocsctl(&double, &[&import[..], &["--rejects", rejects.to_str().unwrap()]].concat()).await;
    assert_eq!((named.code, named.err.contains("a file of this name exists")), (1, true), "{}", named.err);
    let nowhere = ocsctl(&double, &[&import[..], &["--rejects", "/nowhere/r.csv"]].concat()).await;
    assert_eq!((nowhere.code, double.state().batches.len()), (1, 0), "{}", nowhere.err);
    assert_eq!(ocsctl(&double, &import).await.code, 1);
    assert_eq!(std::fs::read_to_string(&rejects).unwrap(), "mine");
    let second = dir.path().join("calls.rejects-2.csv");
    let text = std::fs::read_to_string(&second).unwrap();
    assert_eq!(text, "row,reason,contact_info,NOTE\n2,\"not a phone\",2, \"b\" \n");
    std::fs::write(&second, text.replace(",2,", ",+2,")).unwrap();
    let again = ocsctl(&double, &["list", "import", "demo", second.to_str().unwrap()]).await;
    assert_eq!(
        (again.code, again.out.as_str()),
        (0, "Imported 1 of 1 rows (0 already there, 0 rejected)\n"),
        "{}",
        again.err
    );
    assert_eq!(double.state().lists["demo"].len(), 2);
}

#[tokio::test]
async fn a_dry_run_shows_the_rows_as_they_would_be_stored_and_sends_nothing() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    double.state().lists.insert("demo".to_owned(), Vec::new());
    let file = write(dir.path(), "phone;NOTE\n+1;'=1\n+2\n");
    let options = ["--columns", "phone=contact_info", "--guard-formulas", "--dry-run", "-o", "json"];
    let words = [&["list", "import", "demo", file.to_str().unwrap()][..], &options].concat();
    let ran = ocsctl(&double, &words).await;
    assert_eq!(ran.code, 0, "{}", ran.err);
    let shown = ran.json();
    assert_eq!(shown["columns"], serde_json::json!(["contact_info", "NOTE"]));
    assert_eq!(shown["first_rows"], serde_json::json!([["+1", "=1"], ["+2", ""]]));
    assert_eq!(shown["asked"], true);
    assert!(double.state().batches.is_empty() && double.state().lists["demo"].is_empty());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn letters_of_a_file_that_act_on_a_terminal_are_shown_as_escapes_and_name_no_field_of_a_new_list() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let file = write(dir.path(), "contact_info,\u{1b}[31mX\n+1,a\u{7}\u{202e}b\n");
    let file = file.to_str().unwrap();
    double.state().lists.insert("demo".to_owned(), Vec::new());
    let shown = ocsctl(&double, &["list", "import", "demo", file, "--dry-run"]).await;
    assert_eq!(shown.code, 0, "{}", shown.err);
    assert!(!shown.out.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{:?}", shown.out);
    let seen = ["\\U{1B}[31MX", "a\\u{7}\\u{202e}b", "no new field bears such a name"];
    assert!(seen.iter().all(|seen| shown.out.contains(seen)), "{}", shown.out);
    for more in [&[][..], &["--dry-run"]] {
        let words = [&["list", "create", "new", "--from", file][..], more].concat();
        let made = ocsctl(&double, &words).await;
        assert_eq!(made.code, 2, "{}", made.out);
        assert!(made.err.contains("the column \"\\u{1b}[31mX\""), "{}", made.err);
    }
    assert_eq!(double.state().lists.len(), 1);
}

#[tokio::test]
async fn a_dry_run_says_which_rows_the_import_would_reject_and_that_there_is_no_such_list() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let file = write(dir.path(), "contact_info\n+1\nabc\n+2\n1.5E+10\n");
    let file = file.to_str().unwrap();
    let import = ["list", "import", "demo", file, "--dry-run", "-o", "json"];
    let unknown = ocsctl(&double, &import).await;
    assert!(unknown.code == 1 && unknown.err.contains("There is no such list"), "{}", unknown.err);
    double.state().lists.insert("demo".to_owned(), Vec::new());
    let ran = ocsctl(&double, &import).await;
    let shown = ran.json();
    assert_eq!((ran.code, shown["rows"].as_u64(), shown["rejected"].as_u64()), (1, Some(4), Some(2)), "{}", ran.out);
    assert_eq!(shown["reasons"], serde_json::json!(["row 2: not a phone", "row 4: not a phone"]));
    let create = ocsctl(&double, &["list", "create", "demo", "--from", file, "--dry-run"]).await;
    assert!(create.code == 1 && create.err.contains("There is a list of this name"), "{}", create.err);
    assert!(double.state().batches.is_empty() && double.state().lists["demo"].is_empty(), "nothing was changed");

    let alone = ocsctl_at(&nobody().await, &import).await;
    let shown = alone.json();
    assert_eq!((alone.code, shown["asked"].as_bool(), shown["rejected"].as_u64()), (0, Some(false), Some(0)));
    assert!(shown["notes"][0].as_str().unwrap().contains("no node answers"), "{}", alone.out);
}

#[tokio::test]
async fn a_guarded_export_is_the_same_rows_and_a_format_is_no_file() {
    let (double, dir) = (Double::start().await, tempfile::tempdir().unwrap());
    let row = ["1", "+1", "101"].map(str::to_owned);
    double.state().lists.insert("demo".to_owned(), vec![row]);
    let export = ["list", "export", "demo", "--columns", "contact_info,handle"];
    let guarded = ocsctl(&double, &[&export[..], &["--guard-formulas"]].concat()).await;
    assert_eq!(guarded.out, "contact_info,handle\n'+1,101\n");
    let file = write(dir.path(), &guarded.out);
    let import = ["list", "import", "demo", file.to_str().unwrap(), "--guard-formulas"];
    assert_eq!(ocsctl(&double, &import).await.out, "Imported 0 of 1 rows (1 already there, 0 rejected)\n");
    for format in ["json", "table"] {
        let refused = ocsctl(&double, &[&export[..], &["-o", format]].concat()).await;
        assert!(refused.code == 2 && refused.err.contains(&format!(": ./{format} is a file")), "{}", refused.err);
        assert!(!Path::new(format).exists());
    }
    assert_eq!(ocsctl(&double, &[&["-o", "json"][..], &export].concat()).await.code, 2, "CSV is no JSON");
    assert_eq!(ocsctl(&double, &[&export[..], &["-o", "-"]].concat()).await.out, "contact_info,handle\n+1,101\n");
    assert!(!Path::new("-").exists());
}
