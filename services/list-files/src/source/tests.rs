//! CSV files: the header, the rejects file and the import's id.

use super::*;

fn open_with(text: &[u8], options: &CsvOptions) -> Result<Source, FileFault> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list.csv");
    std::fs::write(&path, text).unwrap();
    Source::open(&path, "demo", options)
}

fn open(text: &[u8]) -> Result<Source, FileFault> {
    open_with(text, &CsvOptions::default())
}

fn refusal(header: &str) -> String {
    refusal_of(header.as_bytes())
}

fn refusal_of(bytes: &[u8]) -> String {
    match open(bytes).unwrap_err() {
        FileFault::Unfit(line) => line,
        fault => panic!("{fault:?}"),
    }
}

fn values(source: Source) -> Vec<Vec<String>> {
    let rows = |piece: Result<Piece, FileFault>| match piece.unwrap() {
        Piece::Batch(batch) => batch.rows.into_iter().map(|row| row.values).collect::<Vec<_>>(),
        Piece::Bad(bad) => panic!("{bad:?}"),
    };
    source.into_pieces().flat_map(rows).collect()
}

#[test]
fn a_file_without_contact_info_is_told_with_what_was_seen_and_the_option_that_helps() {
    let told = refusal("record_id,phone\n1,+1\n");
    assert!(told.contains("no column contact_info; its columns are `record_id`, `phone` (--columns"), "{told}");
    let told = refusal("contact_info:NAME\n");
    assert!(told.contains("the only column is `contact_info:NAME` (--delimiter"), "{told}");
    let told = refusal(&format!("\x1b[2J{},b,c,d,e,f,g,h,i\n", "x".repeat(1000)));
    assert!(told.len() < 400 && !told.contains('\x1b') && told.contains("`h`, `…`"), "{told}");
    assert!(refusal("").contains("the file is empty"));
    assert!(refusal("contact_info,\"NAME\n+1,x\n").contains("opened in line 1"));
}

#[test]
fn a_file_that_is_not_there_is_a_wrong_command_line() {
    let fault = Source::open(Path::new("/nowhere/list.csv"), "demo", &CsvOptions::default()).unwrap_err();
    assert!(matches!(&fault, FileFault::Unfit(line) if line.starts_with("/nowhere/list.csv: No such file")), "{fault}");
}

#[test]
fn a_compressed_file_is_told_with_the_command_that_reads_it() {
    let told = refusal_of(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xff\xfe\x80");
    assert!(told.contains("gzip") && told.contains("| ocsctl list import demo -`"), "{told}");
    assert!(!told.contains("--encoding"), "{told}");
}

fn utf32(bytes_of: fn(u32) -> [u8; 4], text: &str) -> Vec<u8> {
    text.chars().flat_map(|letter| bytes_of(letter.into())).collect()
}

#[test]
fn an_archive_a_workbook_and_utf_32_are_named_with_the_way_to_csv() {
    for (bytes, way) in [
        (
            b"PK\x03\x04\x14\0\x06\0".to_vec(),
            "it is a ZIP archive: unpack it first, or save it as CSV if it is a workbook (.xlsx",
        ),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(), "it is a workbook, which must be saved as CSV first"),
        (utf32(u32::to_le_bytes, "\u{feff}contact_info\n"), "it is UTF-32: `iconv -f UTF-32LE -t UTF-8 "),
        (utf32(u32::to_le_bytes, "contact_info\n"), "it is UTF-32: `iconv -f UTF-32LE -t UTF-8 "),
        (utf32(u32::to_be_bytes, "\u{feff}contact_info\n"), "it is UTF-32: `iconv -f UTF-32BE -t UTF-8 "),
        (utf32(u32::to_be_bytes, "contact_info\n"), "it is UTF-32: `iconv -f UTF-32BE -t UTF-8 "),
    ] {
        let told = refusal_of(&bytes);
        assert!(told.contains(way) && !told.contains("--encoding"), "{told}");
    }
}

#[test]
fn a_header_that_names_a_column_twice_or_not_at_all_is_refused() {
    assert!(refusal("contact_info,JOB,job\n").ends_with("the column job twice"));
    assert!(refusal("contact_info,,JOB\n").ends_with("column 2 of the header has no name"));
}

#[test]
fn an_option_that_renames_no_column_is_refused() {
    let renamed = vec![("remrk".to_owned(), "NOTE".to_owned())];
    let options = CsvOptions { renamed, ..CsvOptions::default() };
    let told = open_with(b"contact_info,remark\n+1,x\n", &options).unwrap_err().to_string();
    assert!(told.ends_with("--columns renames remrk, and the header has no such column"), "{told}");
}

#[test]
fn a_file_that_changes_after_it_was_read_is_imported_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list.csv");
    std::fs::write(&path, "contact_info\n+1\n+2\n").unwrap();
    let source = Source::open(&path, "demo", &CsvOptions::default()).unwrap();
    std::fs::write(&path, "contact_info\n+3\n").unwrap();
    assert_eq!(values(source), [["+1"], ["+2"]]);
}

#[test]
fn empty_columns_at_the_end_of_the_header_mean_nothing() {
    let source = open(b"contact_info,NAME,,,\n+1,North,,,\n").unwrap();
    assert_eq!(source.columns(), ["contact_info", "NAME"]);
    assert_eq!(values(source), [["+1", "North"]]);
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_first_column() {
    assert_eq!(open(b"\xef\xbb\xbfcontact_info , JOB\n").unwrap().columns(), ["contact_info", "JOB"]);
}

#[test]
fn delimiters_and_encodings_are_recognised() {
    let utf16 = encoding::bytes("\u{feff}contact_info\tNAME\r\n+1\tgröße\r\n", CsvEncoding::Utf16le);
    for text in [
        "\u{feff}contact_info;NAME\n+1;größe\n".as_bytes(),
        "sep=|\r\ncontact_info|NAME\r\n+1|größe\r\n".as_bytes(),
        b"contact_info,NAME\n+1,gr\xf6\xdfe\n",
        &utf16,
    ] {
        let source = open(text).unwrap();
        assert_eq!(source.columns(), ["contact_info", "NAME"]);
        assert_eq!(values(source), [["+1", "größe"]]);
    }
}

#[test]
fn options_say_what_is_not_recognised_and_make_another_import() {
    let renamed = vec![("phone".to_owned(), "contact_info".to_owned())];
    let options =
        CsvOptions { delimiter: Some(b':'), renamed, encoding: Some(CsvEncoding::Utf8), ..CsvOptions::default() };
    let source = open_with(b"phone:NAME\n+1:x\n", &options).unwrap();
    assert_eq!(source.columns(), ["contact_info", "NAME"]);
    let guard = CsvOptions { guard_formulas: true, ..CsvOptions::default() };
    let text = b"contact_info\n'+1\n";
    assert_ne!(open(text).unwrap().id(), open_with(text, &guard).unwrap().id());
}

#[test]
fn the_id_of_an_import_is_that_of_its_list_and_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let id = |name: &str, list: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        Source::open(&path, list, &CsvOptions::default()).unwrap().id()
    };
    let one = id("1", "demo", "contact_info\n+1\n");
    assert_eq!(one, id("2", "demo", "contact_info\n+1\n"));
    assert_ne!(one, id("3", "demo", "contact_info\n+2\n"));
    assert_ne!(one, id("1", "demo2", "contact_info\n+1\n"));
    assert_eq!(one.len(), 32);
}

#[test]
fn the_columns_row_and_reason_of_a_rejects_file_are_no_fields() {
    let source = open(b"row,reason,contact_info,NAME\n3,\"why, not\",+1,x\n").unwrap();
    assert_eq!(source.columns(), ["contact_info", "NAME"]);
    assert_eq!(values(source), [["+1", "x"]]);
}

#[test]
fn columns_row_and_reason_of_another_file_are_kept_by_the_option_that_the_note_names() {
    let text = b"row,reason,contact_info\n3,spam,+1\n";
    let notes = open(text).unwrap().notes();
    assert!(notes[0].contains("left out (--columns row=ROW,reason=REASON makes fields of them)"), "{notes:?}");
    let renamed = [("row", "ROW"), ("reason", "REASON")].map(|(theirs, ours)| (theirs.to_owned(), ours.to_owned()));
    let source = open_with(text, &CsvOptions { renamed: renamed.to_vec(), ..CsvOptions::default() }).unwrap();
    assert_eq!(source.columns(), ["ROW", "REASON", "contact_info"]);
    assert!(source.notes().is_empty());
    assert_eq!(values(source), [["3", "spam", "+1"]]);
}

#[test]
fn rejects_of_files_that_differ_in_their_ending_alone_have_other_names() {
    let dir = tempfile::tempdir().unwrap();
    let place = |name: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, "contact_info\n").unwrap();
        Source::open(&path, "demo", &CsvOptions::default()).unwrap().rejects_place()
    };
    assert_ne!(place("a.csv"), place("a.txt"));
}

fn entries(text: &[u8], scope: &EntryScope) -> Result<Source, FileFault> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("dnc.csv");
    std::fs::write(&path, text).unwrap();
    Source::open_entries(&path, scope, &CsvOptions::default())
}

#[test]
fn a_column_of_phones_needs_no_header_and_a_word_is_a_header() {
    let everywhere = EntryScope::default();
    for first in ["+49 30 1", "0049(30)1", "tel:+1", "'+1", "=\"+1\"", "1.0", "anna@b.example", "\u{661}\u{662}"] {
        let quoted = format!("\"{}\"\n+2\n", first.replace('"', "\"\""));
        let source = entries(quoted.as_bytes(), &everywhere).unwrap();
        assert_eq!((source.columns(), source.bare_column()), (&["phone".to_owned()][..], Some("phone")), "{first}");
        assert_eq!(values(source), [[first], ["+2"]]);
    }
    for header in ["Telefon", "phone1", "1-800-FLOWERS", "", "+1,+2"] {
        let text = format!("{header}\n+2;x\n");
        let fault = entries(text.as_bytes(), &everywhere).unwrap_err();
        assert!(matches!(fault, FileFault::Unfit(_)), "{header}");
    }
    let source = entries(b"row,reason,phone\n3,\"has no digit\",+1\n", &everywhere).unwrap();
    assert_eq!((source.bare_column(), values(source)), (None, vec![vec!["+1".to_owned()]]));
}

#[test]
fn the_id_of_an_import_of_entries_is_that_of_its_scope_and_its_bytes() {
    let of_list = EntryScope { list: "demo".to_owned(), ..EntryScope::default() };
    let of_campaign = EntryScope { campaign: "demo".to_owned(), ..EntryScope::default() };
    let id = |text: &str, scope: &EntryScope| entries(text.as_bytes(), scope).unwrap().id();
    assert_eq!(id("+1\n", &of_list), id("+1\n", &of_list));
    assert_ne!(id("+1\n", &of_list), id("+2\n", &of_list));
    assert_ne!(id("+1\n", &of_list), id("+1\n", &of_campaign));
    assert_ne!(id("+1\n", &of_list), id("+1\n", &EntryScope::default()));
}
