//! Messages as bytes, cut in two at every place: how many heads there are, and which message is the first that is ambiguous.

use super::*;

/// Every way to cut the bytes in two must lead to the same place.
fn follow(bytes: &[u8]) -> (u64, Option<u64>) {
    let mut whole = Framing::new();
    whole.feed(bytes);
    for cut in 0..bytes.len() {
        let mut parts = Framing::new();
        parts.feed(&bytes[..cut]);
        parts.feed(&bytes[cut..]);
        assert_eq!((parts.heads, parts.ambiguous, parts.place), (whole.heads, whole.ambiguous, whole.place), "{cut}");
    }
    (whole.heads, whole.ambiguous)
}

/// A clear message first, then this one, then another clear one.
fn between(message: &str) -> (u64, Option<u64>) {
    let all = format!("GET /a HTTP/1.1\r\n\r\n{message}GET /c HTTP/1.1\r\n\r\n");
    follow(all.as_bytes())
}

#[test]
fn pipelined_requests_are_told_apart() {
    let bytes = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nab\nGET /b HTTP/1.1\r\n\r\n\r\n\
        PUT /c HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\n\r\n\r\nz\r\n0\r\nT: 1\r\n\r\nGET /d HTTP/1.1\r\n\r\n";
    assert_eq!(follow(bytes), (4, None));
}

#[test]
fn length_and_transfer_encoding_together_are_ambiguous() {
    let bytes =
        b"GET /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\nCONTENT-LENGTH:4\r\n\r\n0\r\n\r\n";
    assert_eq!(follow(bytes), (2, Some(2)));
}

#[test]
fn a_transfer_coding_other_than_one_chunked_is_ambiguous() {
    let spaces = " ".repeat(300);
    let far = format!("chunked{spaces}, chunked");
    for codings in
        ["gzip, chunked", "chunked, chunked", "identity,chunked", ", chunked", "chunked;q=1", "", "gzip", &far]
    {
        let head = format!("POST /b HTTP/1.1\r\nTransfer-Encoding: {codings}\r\n\r\n0\r\n\r\n");
        assert_eq!(between(&head), (2, Some(2)), "{codings}");
    }
    let twice = "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(between(twice), (2, Some(2)));
    let once = "POST /b HTTP/1.1\r\nTRANSFER-ENCODING:\tChunked \r\n\r\n0\r\n\r\n";
    assert_eq!(between(once), (3, None));
}

#[test]
fn a_length_is_digits_and_comes_once() {
    let far = format!("1{}0", " ".repeat(300));
    for length in ["+0", "-1", "0x0", "0, 0", "1 0", "", "0;x", "99999999999999999999", &far] {
        let head = format!("POST /b HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
        assert_eq!(between(&head), (2, Some(2)), "{length}");
    }
    assert_eq!(between("POST /b HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"), (2, Some(2)));
    assert_eq!(between("POST /b HTTP/1.1\r\nContent-Length: \t007 \r\n\r\n1234567"), (3, None));
}

#[test]
fn a_line_ends_in_crlf_and_has_no_other_cr() {
    for message in [
        "GET /b HTTP/1.1\nA: b\r\n\r\n",
        "GET /b HTTP/1.1\r\nA: b\n\r\n",
        "GET /b HTTP/1.1\r\nA: b\r\n\n",
        "\nGET /b HTTP/1.1\r\n\r\n",
        "GET /b HTTP/1.1\r\nA: b\rContent-Length: 5\r\n\r\n",
        "GET /b HTTP/1.1\r\nA: b\r\r\n\r\n",
        "GET /b HTTP/1.1\r\nA: \0\r\n\r\n",
        "GET /b HTTP/1.1\r\n: b\r\n\r\n",
        "GET /b HTTP/1.1\r\nA : b\r\n\r\n",
        "GET /b HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
        "GET /b HTTP/1.1\r\n A: b\r\n\r\n",
        "GET /b HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /b#c HTTP/1.1\r\n\r\n",
        "GET /b HTTP/1.1\r\nConnection: close, Content-Length\r\n\r\n",
        "GET /b HTTP/1.1\r\nContent_Length: 5\r\n\r\n",
    ] {
        assert_eq!(between(message), (2, Some(2)), "{message:?}");
    }
    assert_eq!(between("\r\nGET /b HTTP/1.1\r\nA: #\r\nConnection: keep-alive\r\n\r\n"), (3, None));
}

#[test]
fn a_chunk_has_a_size_of_hexadecimal_digits_and_ends_in_crlf() {
    let head = "POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    for chunks in [
        "+1\r\nx\r\n0\r\n\r\n",
        "-1\r\nx\r\n0\r\n\r\n",
        "0x1\r\nx\r\n0\r\n\r\n",
        "1_0\r\nx\r\n0\r\n\r\n",
        "\r\nx\r\n0\r\n\r\n",
        " 1\r\nx\r\n0\r\n\r\n",
        "1 \r\nx\r\n0\r\n\r\n",
        "10000000000000001\r\nx\r\n0\r\n\r\n",
        "1\nx\r\n0\r\n\r\n",
        "1;a\nb\r\nx\r\n0\r\n\r\n",
        "1;a\rb\r\nx\r\n0\r\n\r\n",
        "1\r\nxy\r\n0\r\n\r\n",
        "1\r\nx\n0\r\n\r\n",
        "1\r\nx0\r\n\r\n",
        "0\n\r\n",
        "0\r\n\n",
        "0\r\nContent-Length: 5\r\n\r\n",
        "0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\nno colon\r\n\r\n",
    ] {
        assert_eq!(between(&format!("{head}{chunks}")).1, Some(2), "{chunks:?}");
    }
    for chunks in ["1\r\nx\r\n0\r\n\r\n", "01 ; a=\"b c\"\r\nx\r\n00\r\nA: b\r\n\r\n", "A\r\n0123456789\r\n0\r\n\r\n"] {
        assert_eq!(between(&format!("{head}{chunks}")), (3, None), "{chunks:?}");
    }
}

#[test]
fn the_preface_of_http_2_is_recognised_in_any_pieces() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert_eq!(follow(preface), (1, Some(1)));
    let mut framing = Framing::new();
    preface.iter().for_each(|byte| framing.feed(&[*byte]));
    assert!(framing.is_http2());
    let mut other = Framing::new();
    other.feed(b"PRI * HTTP/1.1\r\n\r\n");
    assert!(!other.is_http2());
}

#[test]
fn a_connection_is_in_a_head_or_between_two_or_in_a_body() {
    let mut framing = Framing::new();
    let mut place = |bytes: &[u8]| {
        framing.feed(bytes);
        (framing.in_head(), framing.is_between())
    };
    assert_eq!(place(b""), (false, true));
    assert_eq!(place(b"P"), (true, false));
    assert_eq!(place(b"OST /a HTTP/1.1\r\nContent-Length: 1\r\n"), (true, false));
    assert_eq!(place(b"\r\n"), (false, false));
    assert_eq!(place(b"x"), (false, true));
    assert_eq!(place(b"\r"), (true, false));
}

#[test]
fn a_body_that_looks_like_a_head_is_none() {
    let body = b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n";
    let head = format!("POST /a HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
    assert_eq!(follow(&[head.as_bytes(), body].concat()), (1, None));
}
