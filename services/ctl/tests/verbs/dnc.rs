//! Do-Not-Call entries of operators: one by one, out of files, applied to a list.

use std::{fs, path::Path};

use ocs_proto::outbound::DoNotCallRow;
use tempfile::TempDir;

use crate::{Double, Ran, ocsctl};

async fn prepared() -> (Double, TempDir) {
    (Double::start().await, tempfile::tempdir().unwrap())
}

/// Imports bytes under a file name.
async fn import(double: &Double, dir: &Path, name: &str, bytes: &[u8], options: &[&str]) -> Ran {
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    ocsctl(double, &[&["dnc", "import", path.to_str().unwrap()][..], options].concat()).await
}

fn rows(double: &Double) -> Vec<DoNotCallRow> {
    double.state().entries_sent.iter().flat_map(|batch| batch.rows.clone()).collect()
}

fn phones(double: &Double) -> Vec<String> {
    rows(double).into_iter().map(|row| row.phone).collect()
}

#[tokio::test]
async fn an_entry_is_made_once_with_its_message_its_expiry_and_its_scope() {
    let double = Double::start().await;
    let words = ["dnc", "add", "+49 1", "--message", "asked", "--expires", "2027-01-31", "--list", "demo"];
    let added = ocsctl(&double, &words).await;
    let told = "+49 1 is on the Do-Not-Call list for list demo; records stay as they are until `dnc apply`\n";
    assert_eq!((added.code, added.out.as_str()), (0, told), "{}", added.err);
    let again = ocsctl(&double, &words).await;
    assert!(again.code == 0 && again.out.contains("already; the entry keeps its time"), "{}{}", again.out, again.err);
    let listed = ocsctl(&double, &["dnc", "list"]).await.out;
    let header: Vec<&str> = listed.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(header, ["PHONE", "MESSAGE", "EXPIRES", "LIST", "SOURCE", "SINCE"], "{listed}");
    let customer = ["dnc", "add", "--customer", " c7 ", "--campaign", "Renewals", "-o", "json"];
    let customer = ocsctl(&double, &customer).await.json();
    assert_eq!((&customer["customer_id"], &customer["added"]), (&"c7".into(), &true.into()));

    let sent = double.state().entries_sent.clone();
    assert_eq!(sent.len(), 3);
    assert_ne!(sent[0].import_id, sent[1].import_id, "each run is another one");
    assert_eq!((sent[0].list.as_str(), sent[0].source.as_str(), sent[0].first_row), ("demo", "ocsctl", 1));
    assert_eq!(sent[0].rows[0].expires_s, Some(1_801_353_600));
    assert_eq!((sent[2].campaign.as_str(), sent[2].rows[0].customer.as_str()), ("Renewals", "c7"));
}

#[tokio::test]
async fn an_entry_without_a_subject_with_two_scopes_or_of_no_phone_is_refused() {
    let double = Double::start().await;
    for (words, code) in [
        (&["dnc", "add"][..], 2),
        (&["dnc", "add", " "], 2),
        (&["dnc", "add", "+1", "--customer", "c7"], 2),
        (&["dnc", "add", "+1", "--list", "demo", "--campaign", "Renewals"], 2),
        (&["dnc", "add", "+1", "--expires", "soon"], 2),
        (&["dnc", "add", "nobody"], 1),
    ] {
        let ran = ocsctl(&double, words).await;
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{words:?}: {}", ran.err);
    }
    let refused = ocsctl(&double, &["dnc", "add", "nobody"]).await.err;
    assert!(refused.contains("nobody is not entered: The phone \"nobody\" has no digit"), "{refused}");
    assert!(double.state().entries.is_empty());
}

#[tokio::test]
async fn a_customer_is_checked_and_taken_back_within_its_scope() {
    let double = Double::start().await;
    for scope in [vec![], vec!["--tenant", "north"]] {
        let add = [vec!["dnc", "add", "--customer", "c7"], scope].concat();
        assert_eq!(ocsctl(&double, &add).await.code, 0);
    }
    let checked = ocsctl(&double, &["dnc", "check", "--customer", "c7"]).await;
    assert!(checked.out.starts_with("customer c7 is on the Do-Not-Call list\n"), "{}{}", checked.out, checked.err);
    let other = ocsctl(&double, &["dnc", "check", "--customer", "c8", "-o", "json"]).await.json();
    assert_eq!((&other["listed"], &other["phone"]), (&false.into(), &serde_json::Value::Null));
    let of_list = ocsctl(&double, &["dnc", "remove", "--customer", "c7", "--list", "demo"]).await;
    assert!(
        of_list.err.contains("customer c7 has no Do-Not-Call entry for list demo; an entry stays"),
        "{}",
        of_list.err
    );
    assert_eq!(of_list.code, 1);
    let removed = ocsctl(&double, &["dnc", "remove", "--customer", "c7"]).await;
    assert_eq!(removed.code, 0, "{}", removed.err);
}

#[tokio::test]
async fn a_column_of_numbers_and_a_header_in_any_order_are_taken_in_every_encoding() {
    let utf16: Vec<u8> = "\u{feff}+1\r\n+2\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (text, wanted) in [
        (&b"+1\n+2\n"[..], ["+1", "+2"]),
        (b"\xef\xbb\xbf+1\r\n+2", ["+1", "+2"]),
        (&utf16, ["+1", "+2"]),
        (b"tel:+49 30 1\n0049/30/2\n", ["tel:+49 30 1", "0049/30/2"]),
        (b"message;PHONE;area\nasked;+1;7\n;+2;8\n", ["+1", "+2"]),
        (b"sep=|\nphone|expires\n+1|2027-01-31\n+2|\n", ["+1", "+2"]),
    ] {
        let (double, dir) = prepared().await;
        let ran = import(&double, dir.path(), "day.csv", text, &[]).await;
        assert_eq!((ran.code, ran.out.as_str()), (0, "2 rows: 2 added, 0 entered before, 0 rejected\n"), "{}", ran.err);
        assert_eq!(phones(&double), wanted);
        assert_eq!(double.state().entries_sent[0].source, "day.csv");
        assert_eq!(ran.err.contains("not read: the column `area` ("), text.ends_with(b"8\n"), "{}", ran.err);
    }
}

#[tokio::test]
async fn rejected_rows_are_written_byte_for_byte_with_reasons_and_the_line_adds_up() {
    let (double, dir) = prepared().await;
    let text =
        "phone,customer_id,expires,list\r\n+1,,,\r\n\"n,body\",,,\r\n,c7,,\r\n+2,,soon,\r\n+3,,,demo\r\n+1,,,\r\n";
    let ran = import(&double, dir.path(), "day.csv", text.as_bytes(), &[]).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, "6 rows: 2 added, 1 entered before, 3 rejected\n"), "{}", ran.err);
    let rejects = fs::read_to_string(dir.path().join("day.rejects.csv")).unwrap();
    let lines: Vec<&str> = rejects.split_inclusive('\n').collect();
    assert_eq!(lines[0], "row,reason,phone,customer_id,expires,list\r\n");
    for (line, (begins, ends)) in lines[1..].iter().zip([
        ("2,\"The phone \"\"n,body\"\" has no digit\",", "\"n,body\",,,\r\n"),
        ("4,\"expires: \"\"soon\"\" is no moment", "+2,,soon,\r\n"),
        ("5,\"list: the entry holds for \"\"demo\"\"", "+3,,,demo\r\n"),
    ]) {
        assert!(line.starts_with(begins) && line.ends_with(ends), "{line}");
    }
    let fixed = rejects.replace("\"n,body\",,,", "+5,,,").replace("soon", "2027-01-31").replace("+3,,,demo", "+3,,,");
    let again = import(&double, dir.path(), "fixed.csv", fixed.as_bytes(), &[]).await;
    assert_eq!(again.out, "3 rows: 3 added, 0 entered before, 0 rejected\n", "{}", again.err);
}

#[tokio::test]
async fn cells_that_fit_into_no_row_are_rejected_with_reasons_in_every_encoding() {
    let rows = |long: usize| format!("phone\n+1\n{}\n{}+2\n\"+3\n+4\n", "9".repeat(long), ",".repeat(long));
    let utf16 = |text: String| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    for bytes in [rows(10_000_000).into_bytes(), utf16(format!("\u{feff}{}", rows(1_000_000)))] {
        let (double, dir) = prepared().await;
        let ran = import(&double, dir.path(), "day.csv", &bytes, &[]).await;
        let line = "5 rows: 1 added, 0 entered before, 4 rejected\n";
        assert_eq!((ran.code, ran.out.as_str()), (1, line), "{}", ran.err);
        assert_eq!(phones(&double), ["+1"]);
        let rejects = fs::read(dir.path().join("day.rejects.csv")).unwrap();
        let rejects: String = rejects.into_iter().filter(|byte| *byte != 0).map(char::from).collect();
        for (reason, count) in [("the row is longer than 122880 bytes", 2), ("opened in line 5 never ends", 1)] {
            assert!(rejects.matches(reason).count() >= count, "{reason}");
        }
    }
}

#[tokio::test]
async fn rejected_rows_of_a_column_without_a_header_are_a_file_that_can_be_imported() {
    let (double, dir) = prepared().await;
    let ran = import(&double, dir.path(), "numbers.txt", b"+1\nn/a\n+2\n", &[]).await;
    assert_eq!(ran.out, "3 rows: 2 added, 0 entered before, 1 rejected\n", "{}", ran.err);
    let rejects = fs::read_to_string(dir.path().join("numbers.txt.rejects.csv")).unwrap();
    assert_eq!(rejects, "row,reason,phone\n2,\"The phone \"\"n/a\"\" has no digit\",n/a\n");
    let fixed = rejects.replace(",n/a\n", ",+3\n");
    let again = import(&double, dir.path(), "fixed.csv", fixed.as_bytes(), &[]).await;
    assert_eq!(again.out, "1 row: 1 added, 0 entered before, 0 rejected\n", "{}", again.err);
}

#[tokio::test]
async fn the_same_file_for_the_same_scope_is_one_import_and_as_new_another() {
    let (double, dir) = prepared().await;
    let numbers: String = (0..1_200).map(|n| format!("+{n:05}\n")).collect();
    let day = |options| import(&double, dir.path(), "day.csv", numbers.as_bytes(), options);
    double.state().imports_refused = 1;
    assert_eq!(day(&[]).await.out, "1,200 rows: 1,200 added, 0 entered before, 0 rejected\n");
    let mut batches: Vec<_> =
        double.state().entries_sent.iter().map(|batch| (batch.first_row, batch.rows.len())).collect();
    batches.sort();
    assert_eq!(batches, [(1, 500), (501, 500), (1_001, 200)]);
    assert_eq!(day(&[]).await.out, "1,200 rows: 0 added, 1,200 entered before, 0 rejected\n");
    assert_eq!(double.state().entries_sent.len(), 3, "every batch was known");
    double.state().entries.clear();
    assert_eq!(day(&[]).await.out, "1,200 rows: 0 added, 1,200 entered before, 0 rejected\n");
    assert_eq!(day(&["--as-new"]).await.out, "1,200 rows: 1,200 added, 0 entered before, 0 rejected\n");
    assert_eq!(day(&["--list", "demo"]).await.out, "1,200 rows: 1,200 added, 0 entered before, 0 rejected\n");
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_names_what_would_be_rejected() {
    let (double, dir) = prepared().await;
    let ran = import(&double, dir.path(), "day.csv", b"phone\n+1\nnobody\n", &["--dry-run"]).await;
    assert!(ran.code == 1 && ran.out.contains("row 2: The phone \"nobody\" has no digit"), "{}{}", ran.out, ran.err);
    assert!(ran.out.ends_with("rows 2, of which 1 would be rejected; nothing was changed\n"), "{}", ran.out);
    assert!(double.state().entries.is_empty() && double.state().batches.is_empty());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no file of rejects is left");
}

#[tokio::test]
async fn a_file_without_phones_and_customers_is_told_with_what_was_seen() {
    let (double, dir) = prepared().await;
    for (text, told) in [
        (&b""[..], "the file is empty: a header with the column phone or customer_id is needed"),
        (b"Telefon\n+1\n", "no column phone or customer_id; the only column is `Telefon` (--delimiter"),
        (b"number,reason\n+1,x\n", "its columns are `number`, `reason` (--columns THEIRS=phone renames one)"),
        (b"\x1f\x8b\x08\x00", "| ocsctl dnc import -` reads it"),
        (b"phone,\"message\n+1,x\n", "the header has a quote, opened in line 1"),
    ] {
        let ran = import(&double, dir.path(), "day.csv", text, &[]).await;
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{}", ran.err);
        assert!(ran.err.contains(told), "{}", ran.err);
    }
    let renamed =
        import(&double, dir.path(), "day.csv", b"number,reason\n+1,x\n", &["--columns", "number=phone,reason=message"]);
    assert_eq!(renamed.await.code, 0);
    assert_eq!(rows(&double)[0].message, "x");
    assert!(double.state().entries_sent.len() == 1);
}

#[tokio::test]
async fn a_list_is_gone_through_to_its_end_and_its_marked_records_are_counted() {
    let (double, _) = prepared().await;
    let row = |id: u32| [id.to_string(), format!("+{id}"), (100 + id).to_string()];
    double.state().lists.insert("demo".to_owned(), (1..=5).map(row).collect());
    for phone in ["+2", "+5", "+9"] {
        assert_eq!(ocsctl(&double, &["dnc", "add", phone]).await.code, 0);
    }
    let applied = ocsctl(&double, &["dnc", "apply", "demo"]).await;
    let told = "5 records of list demo: 2 are on Do-Not-Call and were marked\n";
    assert_eq!((applied.code, applied.out.as_str()), (0, told), "{}", applied.err);
    let unknown = ocsctl(&double, &["dnc", "apply", "nowhere"]).await;
    assert!(unknown.code == 1 && unknown.err.contains("There is no such list (LIST_NOT_FOUND)"), "{}", unknown.err);
}

#[tokio::test]
async fn an_export_is_imported_as_it_is() {
    let (double, dir) = prepared().await;
    for words in [
        &["dnc", "add", "+1", "--message", "a \"quoted\", one", "--expires", "2027-01-31"][..],
        &["dnc", "add", "--customer", "c7"],
    ] {
        assert_eq!(ocsctl(&double, words).await.code, 0);
    }
    let exported = ocsctl(&double, &["dnc", "export"]).await.out;
    assert!(exported.contains("+1,,\"a \"\"quoted\"\", one\",2027-01-31T00:00:00Z,,,,ocsctl,"), "{exported}");
    let before = double.state().entries.clone();
    double.state().entries.clear();
    let ran = import(&double, dir.path(), "dnc.csv", exported.as_bytes(), &[]).await;
    assert_eq!(ran.out, "2 rows: 2 added, 0 entered before, 0 rejected\n", "{}", ran.err);
    let after = double.state().entries.clone();
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&before.form, &before.message, before.expires_s), (&after.form, &after.message, after.expires_s));
    }
}

#[tokio::test]
async fn entries_are_a_line_each_in_a_pipe_however_wide_their_cells_are() {
    let double = Double::start().await;
    let message = "asked not to be called again ".repeat(8);
    let add = ["dnc", "add", "+49 30 1234567", "--message", message.trim_end(), "--list", "demo"];
    assert_eq!(ocsctl(&double, &add).await.code, 0);
    let listed = ocsctl(&double, &["dnc", "list"]).await;
    assert_eq!((listed.code, listed.out.lines().count()), (0, 2), "{}", listed.out);
    let row = listed.out.lines().nth(1).unwrap();
    assert!(row.contains(message.trim_end()) && row.contains("demo"), "{row}");
}
