//! Bodies that are neither a JSON object nor a form: the name of each kind, and the form that a client can send instead (spec 4).
//!
//! Never takes anything from such a body: a body that is not understood must not close a record. Called by `body` alone.

use outbound::{Refusal, RefusalCode};

use super::shown;

/// Advice for every refusal: the forms that are read.
const SEND: &str = "send one JSON object, or a form (key=value&key=value)";

/// How a body of a kind begins.
type Kind = (&'static str, &'static str);

/// Beginnings that only bodies have that are no form, and the name of each kind.
const BEGINNINGS: [Kind; 8] = [
    ("[", "a JSON array; send its object without the brackets"),
    ("<", "XML"),
    ("--", "a multipart form, as by curl -F; curl -d sends a form that is read"),
    ("\"", "a quoted JSON text, encoded twice"),
    ("'", "text in single quotes, which a shell has not taken off"),
    ("//", "a comment before the content"),
    ("/*", "a comment before the content"),
    ("\u{feff}", "text behind a second byte order mark"),
];
/// A document of YAML begins like a multipart form.
const YAML: [&str; 3] = ["---\n", "---\r", "--- "];

/// Checks that a text that is not blank and does not begin with `{` can be a form.
///
/// # Errors
/// BAD_BODY that names the kind of the text.
pub(super) fn check_form(text: &str) -> Result<(), Refusal> {
    if let Some(kind) = kind_by_beginning(text) {
        return Err(looks_like(kind));
    }
    if text.bytes().any(|byte| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r' | b'\n')) {
        return Err(looks_like("binary or compressed content"));
    }
    if !text.contains('=') {
        return Err(looks_like(kind_without_pairs(text)));
    }
    Ok(())
}

/// The refusal of a body under a content coding.
pub(super) fn compressed(coding: &str) -> Refusal {
    let coding = shown(coding);
    let message = format!(
        "the body is compressed content (Content-Encoding {coding:?}), which is not read: send it uncompressed"
    );
    Refusal::new(RefusalCode::BadBody, message)
}

/// The refusal of a body that is not text in its charset.
pub(super) fn no_text(body: &[u8], charset: &str) -> Refusal {
    const GZIP: &[u8] = &[0x1f, 0x8b];
    if body.starts_with(GZIP) {
        return looks_like("compressed content (gzip)");
    }
    Refusal::new(RefusalCode::BadBody, format!("the body is not {charset}"))
}

fn kind_by_beginning(text: &str) -> Option<&'static str> {
    if YAML.iter().any(|beginning| text.starts_with(beginning)) {
        return Some("YAML");
    }
    if begins_with_section(text) {
        return Some("an INI file; send its key=value lines joined by & and without the [section]");
    }
    let known = BEGINNINGS.iter().find(|(beginning, _)| text.starts_with(beginning));
    if let Some((_, kind)) = known {
        return Some(*kind);
    }
    let first = text.chars().next().filter(|first| !first.is_ascii() && first.is_whitespace());
    first.map(|_| "text behind a white space that is not ASCII, such as U+00A0")
}

/// Whether the first line is a `[section]` and pairs follow below: an array has them in itself alone.
fn begins_with_section(text: &str) -> bool {
    let Some((first, below)) = text.split_once('\n') else { return false };
    let section = first.trim_end().strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_name = |name: &str| !name.trim().is_empty() && !name.contains(['"', '{', '}', '[', ']', ',']);
    section.is_some_and(is_name) && below.contains('=')
}

fn kind_without_pairs(text: &str) -> &'static str {
    let is_bare = matches!(text, "null" | "true" | "false") || text.parse::<f64>().is_ok();
    match () {
        () if is_bare => "a JSON value that is no object",
        () if text.get(..3).is_some_and(|head| head.eq_ignore_ascii_case("%7b")) => "percent-encoded JSON",
        () if text.contains(':') => "YAML, or another text without key=value pairs",
        () => "text without key=value pairs",
    }
}

fn looks_like(kind: &str) -> Refusal {
    Refusal::new(RefusalCode::BadBody, format!("the body looks like {kind}: {SEND}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_body_that_is_no_form_is_named() {
        let table = [
            ("[{\"GSW_CALL_RESULT\":33}]", "a JSON array"),
            ("[\"a=b\"]", "a JSON array"),
            ("[\n{\"a\":\"b=c\"}]", "a JSON array"),
            ("[\"a=b\"]\n", "a JSON array"),
            ("[{\"a\":1}]\nb=c", "a JSON array"),
            ("[record]\r\nGSW_CALL_RESULT=33\r\n", "an INI file"),
            ("[ my section ]\nGSW_CALL_RESULT = 33", "an INI file"),
            ("<r><GSW_CALL_RESULT>33</GSW_CALL_RESULT></r>", "XML"),
            ("<r GSW_CALL_RESULT=\"33\"/>", "XML"),
            ("--XX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n33\r\n--XX--", "a multipart form"),
            ("--------------------------5a\r\nContent-Disposition: form-data; name=\"a\"", "a multipart form"),
            ("\"{\\\"a\\\":\\\"b=c\\\"}\"", "a quoted JSON text"),
            ("'{\"a\":\"b=c\"}'", "single quotes"),
            ("// a=b\n{\"a\":1}", "a comment"),
            ("/* a=b */ {\"a\":1}", "a comment"),
            ("\u{feff}{\"a\":\"b=c\"}", "a second byte order mark"),
            ("\u{a0}{\"a\":\"b=c\"}", "not ASCII"),
            ("\0{\"a\":\"b=c\"}", "binary"),
            ("a=b\0", "binary"),
            ("\u{1f}\u{8b}\u{8}=", "binary or compressed"),
            ("---\nGSW_CALL_RESULT: 33", "YAML"),
            ("GSW_CALL_RESULT: 33", "YAML"),
            ("null", "no object"),
            ("33", "no object"),
            ("-1.5e3", "no object"),
            ("%7B%22a%22%3A1%7D", "percent-encoded JSON"),
            ("hello", "text without"),
            ("a&b", "text without"),
        ];
        for (text, kind) in table {
            let refusal = check_form(text).unwrap_err();
            assert_eq!(refusal.code, RefusalCode::BadBody, "{text:?}");
            assert!(refusal.message.contains(kind) && refusal.message.contains(SEND), "{text:?}: {}", refusal.message);
        }
    }

    #[test]
    fn what_can_be_a_form_is_left_to_whoever_knows_its_keys() {
        for text in ["a=b", "a", "=", "-a=b", "a=b\nc=d\te", "\u{e4}rger=1", "data={\"a\":1}", "note: a=b", "k=<r/>"] {
            assert_eq!(check_form(text).is_ok(), text.contains('='), "{text:?}");
        }
    }

    #[test]
    fn a_body_that_is_no_text_is_told_to_be_compressed_where_it_is() {
        assert!(no_text(&[0x1f, 0x8b, 8, 0], "UTF-8").message.contains("gzip"));
        assert_eq!(no_text(&[0xff], "UTF-8").message, "the body is not UTF-8");
    }
}
