//! Answers as bytes: status, length, and single values of the body. Never parses a whole body: the loader shares the cores with the
//! system under load.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes at the end of a page in which its cursor stands.
const NEXT_BYTES_MAX: usize = 256;

/// Reads one answer.
pub(crate) async fn read_whole(socket: &mut (impl AsyncRead + Unpin), answer: &mut Vec<u8>) -> io::Result<()> {
    answer.clear();
    loop {
        if socket.read_buf(answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(length) = whole(answer) {
            debug_assert_eq!(answer.len(), length, "nothing is asked before it is answered");
            return Ok(());
        }
    }
}

/// The length of head and body, once the answer is complete.
pub(super) fn whole(answer: &[u8]) -> Option<usize> {
    let head = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let body: usize = value_of(&answer[..head], b"content-length:").and_then(|value| value.parse().ok()).unwrap_or(0);
    (answer.len() >= head + body).then_some(head + body)
}

/// The value behind a name in a head; the name ends in its colon.
pub(crate) fn value_of<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let is_named = |line: &&[u8]| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    let line = head.split(|byte| *byte == b'\n').find(is_named)?;
    std::str::from_utf8(&line[name.len()..]).ok().map(str::trim)
}

/// Whether the status is 200.
pub(crate) fn is_ok(answer: &[u8]) -> bool {
    answer.starts_with(b"HTTP/1.1 200")
}

/// Whether the answer is 200 and hands a record out; an empty answer is 200, too.
pub(super) fn is_preview(answer: &[u8]) -> bool {
    is_ok(answer) && behind(answer, br#""GSW_USER_EVENT":"PreviewRecord""#).is_some()
}

/// The handle of the answer's record.
pub(super) fn handle(answer: &[u8]) -> Option<u64> {
    number(answer, br#""GSW_RECORD_HANDLE":"#)
}

/// Whether a page has no record.
pub(super) fn is_empty_page(answer: &[u8]) -> bool {
    behind(answer, br#"{"items":[]"#).is_some()
}

/// The cursor behind a page, the last member of its answer; none: the page is the last.
pub(super) fn next(answer: &[u8]) -> Option<&str> {
    let end = &answer[answer.len().saturating_sub(NEXT_BYTES_MAX)..];
    let text = behind(end, br#""next":""#)?;
    std::str::from_utf8(text).ok()?.split('"').next()
}

/// The number of records that a request has changed.
pub(crate) fn records(answer: &[u8]) -> Option<u64> {
    number(answer, br#""GSW_RECORDS":"#)
}

fn number(answer: &[u8], name: &[u8]) -> Option<u64> {
    let value = behind(answer, name)?;
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&value[..digits]).ok()?.parse().ok()
}

fn behind<'a>(answer: &'a [u8], text: &[u8]) -> Option<&'a [u8]> {
    let at = answer.windows(text.len()).position(|window| window == text)?;
    Some(&answer[at + text.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDED_OUT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"GSW_USER_EVENT\":\"PreviewRecord\",\
        \"GSW_CHAIN_ID\":7,\"GSW_RECORD_HANDLE\":1234567,\"GSW_RECORD_URI\":\"http://h:1/records/1234567\"}";

    #[test]
    fn an_answer_is_whole_with_its_body() {
        assert_eq!(whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), Some(40));
        assert_eq!(whole(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok"), None);
        assert_eq!(whole(b"HTTP/1.1 200 OK\r\n"), None);
    }

    #[test]
    fn the_handle_of_a_record_that_was_handed_out_is_read() {
        assert_eq!(handle(HANDED_OUT), Some(1_234_567));
        for (answer, read) in [
            (r#"{"GSW_RECORD_HANDLE":8}"#, Some(8)),
            (r#"{"GSW_RECORD_HANDLE":"8"}"#, None),
            (r#"{"GSW_RECORD_HANDLE":"#, None),
            (r#"{"GSW_CHAIN_ID":8}"#, None),
            ("", None),
        ] {
            assert_eq!(handle(answer.as_bytes()), read, "{answer}");
        }
    }

    #[test]
    fn a_preview_hands_a_record_out_and_is_not_empty() {
        assert!(is_preview(HANDED_OUT));
        for answer in [
            "HTTP/1.1 200 OK\r\n\r\n{\"GSW_USER_EVENT\":\"PreviewRecordEmpty\"}",
            "HTTP/1.1 409 Conflict\r\n\r\n{\"GSW_USER_EVENT\":\"PreviewRecord\"}",
            "HTTP/1.1 200 OK\r\n\r\n",
        ] {
            assert!(!is_preview(answer.as_bytes()), "{answer}");
        }
    }

    #[test]
    fn the_cursor_of_a_page_is_its_last_member() {
        let page = |items: &str, next: &str| format!("HTTP/1.1 200 OK\r\n\r\n{{\"items\":[{items}]{next}}}");
        let long = format!("{{\"note\":\"{}\"}}", "n".repeat(1000));
        for (items, more, cursor) in [
            ("", "", None),
            ("", r#","next":"AQ""#, Some("AQ")),
            (long.as_str(), r#","next":"AQ""#, Some("AQ")),
            (long.as_str(), "", None),
        ] {
            assert_eq!(next(page(items, more).as_bytes()), cursor, "{more}");
        }
        assert!(is_empty_page(page("", r#","next":"AQ""#).as_bytes()) && !is_empty_page(page(&long, "").as_bytes()));
    }

    #[test]
    fn the_number_of_changed_records_is_no_other_number() {
        assert_eq!(records(b"{\"GSW_RECORDS\":1000,\"GSW_MESSAGE\":\"1000 records\"}"), Some(1000));
        assert_eq!(records(b"{\"GSW_RECORD_HANDLE\":1000}"), None);
    }
}
