//! Rows of a CSV file, cut into batches.

use super::*;

fn pieces(text: &[u8]) -> Vec<Piece> {
    pieces_of(text, false)
}

fn pieces_of(text: &[u8], unguard: bool) -> Vec<Piece> {
    let mut records = Records::new(text, b',', 0, 1);
    let width = records.read().unwrap().unwrap().cells.len();
    let layout = Layout { width, skipped: 0, encoding: CsvEncoding::Utf8, unguard, entries: None };
    Pieces::new(records, layout).collect::<Result<_, _>>().unwrap()
}

fn bad(piece: &Piece) -> &BadRow {
    let Piece::Bad(bad) = piece else { panic!("a bad row was taken: {piece:?}") };
    bad
}

fn values(piece: &Piece) -> Vec<&[String]> {
    let Piece::Batch(batch) = piece else { panic!("a good row was refused: {piece:?}") };
    batch.rows.iter().map(|row| row.values.as_slice()).collect()
}

fn shape(pieces: &[Piece]) -> Vec<(u64, usize)> {
    let one = |piece: &Piece| match piece {
        Piece::Batch(batch) => (batch.first_row, batch.rows.len()),
        Piece::Bad(bad) => (bad.row, 0),
    };
    pieces.iter().map(one).collect()
}

#[test]
fn a_batch_has_500_rows_at_most() {
    let text = format!("contact_info\n{}", "+1\n".repeat(1201));
    assert_eq!(shape(&pieces(text.as_bytes())), [(1, 500), (501, 500), (1001, 201)]);
}

#[test]
fn a_batch_has_128_kib_at_most() {
    let row = format!("+1,{}\n", "x".repeat(50 << 10));
    let pieces = pieces(format!("contact_info,note\n{}", row.repeat(5)).as_bytes());
    assert_eq!(shape(&pieces), [(1, 2), (3, 2), (5, 1)]);
    for piece in &pieces {
        let Piece::Batch(batch) = piece else { panic!("a good row was refused") };
        assert!(batch.rows.iter().map(Message::encoded_len).sum::<usize>() < 128 << 10);
    }
}

#[test]
fn rows_that_cannot_be_read_keep_their_number_and_split_the_batch() {
    let pieces = pieces(b"contact_info,note\n+1,a\n+2,b,c\n+3,b\n+4,\xff\n+5,c\n+6,d\n");
    assert_eq!(shape(&pieces), [(1, 1), (2, 0), (3, 1), (4, 0), (5, 2)]);
    let long = bad(&pieces[1]);
    assert_eq!((long.reason.as_str(), long.span), ("3 fields where the header has 2", Span { start: 23, end: 30 }));
    assert!(bad(&pieces[3]).reason.starts_with("field 2 is not UTF-8"));
}

#[test]
fn missing_cells_are_empty_and_empty_cells_beyond_the_header_mean_nothing() {
    let pieces = pieces(b"contact_info,note\n+1\n+2,b,,\n");
    assert_eq!(values(&pieces[0]), [["+1", ""], ["+2", "b"]]);
}

#[test]
fn a_quote_that_never_ends_rejects_its_row_and_counts_those_that_it_swallowed() {
    let pieces = pieces(b"contact_info,note\n+1,fine\n+2,\"19 inch\n+3,x\n+4,x\n");
    assert_eq!(shape(&pieces), [(1, 1), (2, 0)]);
    let bad = bad(&pieces[1]);
    assert_eq!(bad.rows, 3);
    assert_eq!(bad.reason, "the quote opened in line 3 never ends; it swallowed 2 further rows");
}

#[test]
fn an_apostrophe_is_taken_off_before_a_formula_alone_and_by_the_option_alone() {
    let text = b"contact_info,note\n'+1,'=1+1\n=\"+2\",'tis\n";
    assert_eq!(values(&pieces_of(text, true)[0]), [["+1", "=1+1"], ["=\"+2\"", "'tis"]]);
    assert_eq!(values(&pieces_of(text, false)[0]), [["'+1", "'=1+1"], ["=\"+2\"", "'tis"]]);
}

#[test]
fn a_row_larger_than_a_batch_is_bad() {
    let text = format!("contact_info\n{}\n+2\n", "9".repeat(130 << 10));
    let pieces = pieces(text.as_bytes());
    assert_eq!(shape(&pieces), [(1, 0), (2, 1)]);
}

#[test]
fn quotes_commas_and_line_ends_inside_a_field_are_part_of_it() {
    let pieces = pieces(b"contact_info,note\r\n+1,\"a, \"\"b\"\"\nc\"\r\n");
    let Piece::Batch(batch) = &pieces[0] else { panic!("a good row was refused") };
    assert_eq!(batch.rows[0].values, ["+1", "a, \"b\"\nc"]);
}

#[test]
fn the_same_file_is_cut_the_same_way_at_every_run() {
    let text: String = (0..2000).map(|row| format!("+{row},{}\n", "n".repeat(row % 700))).collect();
    let text = format!("contact_info,note\n{text}");
    assert_eq!(pieces(text.as_bytes()), pieces(text.as_bytes()));
}
