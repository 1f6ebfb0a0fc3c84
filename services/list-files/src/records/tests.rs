//! CSV records with quotes, line ends and stray bytes.

use super::*;

fn all(text: &[u8], delimiter: u8) -> Vec<RawRecord> {
    let small = io::BufReader::with_capacity(3, text); // cells span the chunks
    let mut records = Records::new(small, delimiter, 0, 1);
    std::iter::from_fn(|| records.read().unwrap()).collect()
}

fn cells(text: &str, delimiter: u8) -> Vec<Vec<String>> {
    let text_of = |cell: Vec<u8>| String::from_utf8(cell).unwrap();
    all(text.as_bytes(), delimiter).into_iter().map(|one| one.cells.into_iter().map(text_of).collect()).collect()
}

#[test]
fn cells_are_those_that_the_csv_library_reads() {
    for text in [
        "a,b\n1,2\n",
        "a,b\r\n1,2\r\n\r\n3,4",
        "a\r\r1\r",
        "\"a, \"\"b\"\"\nc\",\"\",x\n,,\n",
        "\"a\" b,=\"c\"\n",
        "a,\"b\"",
        "\"\"\n\n1",
        "",
    ] {
        let mut library = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(text.as_bytes());
        let wanted: Vec<Vec<String>> =
            library.records().map(|one| one.unwrap().iter().map(str::to_owned).collect()).collect();
        assert_eq!(cells(text, b','), wanted, "{text:?}");
    }
    assert_eq!(cells("a;b,c\n", b';'), [["a", "b,c"]]);
}

#[test]
fn the_spans_of_records_are_their_bytes() {
    let text = b"a,b\r\n\"1\n2\",x\n3";
    let spans: Vec<&[u8]> =
        all(text, b',').iter().map(|one| &text[one.span.start as usize..one.span.end as usize]).collect();
    assert_eq!(spans, [&b"a,b\r\n"[..], b"\"1\n2\",x\n", b"3"]);
}

#[test]
fn a_quote_that_never_ends_is_told_with_its_line_and_the_lines_that_it_swallowed() {
    for text in ["h\nfine\n\"19 inch\nthree\nfour\n", "h\nfine\n\"19 inch\nthree\nfour"] {
        let open = all(text.as_bytes(), b',').pop().unwrap().open_quote;
        assert_eq!(open, Some(OpenQuote { line: 3, swallowed: 2, met: None }));
    }
}

#[test]
fn a_quote_that_ends_at_the_next_stray_quote_is_told_and_the_next_line_is_whole() {
    let records = all(b"1,\"19 inch\n2,fine\n3,\"21 inch\n4,fine\n", b',');
    assert_eq!(records[0].open_quote, Some(OpenQuote { line: 1, swallowed: 2, met: Some(3) }));
    assert_eq!(records[1].cells, [b"4".to_vec(), b"fine".to_vec()]);
    let last = all(b"1,\"a\nb\"\n", b',').pop().unwrap();
    assert_eq!(last.open_quote, None, "a cell of two lines is no fault");
}

#[test]
fn of_a_record_of_very_many_cells_the_first_are_kept_and_its_end_is_found() {
    let text = format!("1,2,3{}\n4\n", ",".repeat(3 * KEPT_BYTES_MAX));
    let records = all(text.as_bytes(), b',');
    assert!(records[0].cut && records[0].cells.len() == KEPT_BYTES_MAX);
    assert_eq!((records[0].third_cell, records[0].span.end), (Some(4), text.len() as u64 - 2));
    assert!(!records[1].cut && records[1].cells == [b"4".to_vec()]);
}

#[test]
fn of_a_long_record_the_beginning_is_kept_and_its_end_is_found() {
    let text = format!("{}\n2\n", "9".repeat(KEPT_BYTES_MAX + 10));
    let records = all(text.as_bytes(), b',');
    assert!(records[0].cut && !records[1].cut);
    assert_eq!(records[1].cells, [b"2".to_vec()]);
}
