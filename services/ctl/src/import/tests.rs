//! The closing line of an import, its counts and its id.

use std::path::Path;

use list_files::CsvOptions;
use ocs_proto::outbound::RejectedRow;

use super::*;

fn tally(dir: &Path, text: &str) -> (Tally, Vec<Piece>) {
    let file = dir.join("list.csv");
    std::fs::write(&file, text).unwrap();
    let source = Source::open(&file, "demo", &CsvOptions::default()).unwrap();
    let rejects = Rejects::open(None, &source).unwrap();
    let tally = Tally { summary: Summary::default(), rejects, bar: ProgressBar::hidden(), began: Instant::now() };
    (tally, source.into_pieces().collect::<Result<_, _>>().unwrap())
}

#[test]
fn the_parts_of_the_closing_line_add_up_and_rejects_are_the_bytes_of_their_rows() {
    let dir = tempfile::tempdir().unwrap();
    let (mut tally, mut pieces) = tally(dir.path(), "contact_info\r\n+1\r\n+2\r\n \"+3\r\nx,y");
    let rejected = vec![RejectedRow { row: 3, reason: "too \"long\"".to_owned() }];
    let imported = Imported { added: 1, duplicates: 1, made_ready: 1, no_call: 1, rejected };
    let bad = pieces.pop().unwrap();
    tally.add(Outcome { piece: pieces.pop().unwrap(), imported }).unwrap();
    tally.add(Outcome { piece: bad, imported: Imported::default() }).unwrap();
    let summary = tally.finish().unwrap();
    let line = "Imported 1 of 4 rows (1 already there, 2 rejected) (1 of those added were Retrieved and became Ready) (1 of those added are \
                on Do-Not-Call and were taken as NoCall)";
    assert_eq!(summary.line(), line);
    let rejects = std::fs::read_to_string(summary.rejects_file.unwrap()).unwrap();
    let wanted =
        "row,reason,contact_info\r\n3,\"too \"\"long\"\"\", \"+3\r\n4,\"2 fields where the header has 1\",x,y\n";
    assert_eq!(rejects, wanted);
}

#[test]
fn counts_that_do_not_add_up_are_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let (mut tally, _) = tally(dir.path(), "contact_info\n+1\n");
    tally.summary.rows = 2;
    tally.summary.added = 1;
    assert!(tally.finish().is_err_and(|error| error.exit_code() == 1 && error.to_string().contains("add up")));
}

#[test]
fn an_id_without_a_file_is_another_one_each_time() {
    assert_ne!(new_id(), new_id());
}
