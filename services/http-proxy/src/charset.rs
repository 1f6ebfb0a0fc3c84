//! Charsets of bodies (spec 4): text from the bytes of a request, and the JSON of an answer to bytes.
//!
//! `iso-8859-1` and its other labels mean ISO-8859-1, byte for byte, where browsers take them for windows-1252: the bytes 0x80 to
//! 0x9F are control characters, and no euro sign. Never guesses a charset. Called by `from_http`, `to_http` and `settings`.

use std::{borrow::Cow, io::Write};

use bytes::Bytes;
use encoding_rs::{Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252, mem};

/// Labels of windows-1252 itself; `encoding_rs` gives the same encoding to the labels of ISO-8859-1 and US-ASCII.
const OF_WINDOWS_1252: [&str; 3] = ["windows-1252", "cp1252", "x-cp1252"];
/// Labels of US-ASCII.
const OF_ASCII: [&str; 3] = ["us-ascii", "ascii", "ansi_x3.4-1968"];

/// A charset of bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Utf8,
    Latin1,
    /// Read as windows-1252, because such bodies often have further characters; written as ASCII alone.
    Ascii,
    Other(&'static Encoding),
}

impl From<&'static Encoding> for Charset {
    fn from(encoding: &'static Encoding) -> Self {
        Self(if encoding == UTF_8 { Kind::Utf8 } else { Kind::Other(encoding) })
    }
}

impl Charset {
    /// UTF-8.
    pub const UTF_8: Self = Self(Kind::Utf8);

    /// The charset of a label, in any case.
    pub fn for_label(label: &str) -> Option<Self> {
        let encoding = Encoding::for_label_no_replacement(label.as_bytes())?;
        let label = label.trim();
        let is_one_of = |labels: [&str; 3]| labels.iter().any(|known| known.eq_ignore_ascii_case(label));
        Some(match () {
            () if encoding != WINDOWS_1252 || is_one_of(OF_WINDOWS_1252) => Self::from(encoding),
            () if is_one_of(OF_ASCII) => Self(Kind::Ascii),
            () => Self(Kind::Latin1),
        })
    }

    /// The name in a `Content-Type`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Kind::Utf8 => "UTF-8",
            Kind::Latin1 => "ISO-8859-1",
            Kind::Ascii => "US-ASCII",
            Kind::Other(encoding) => encoding.name(),
        }
    }

    // === reading ===

    /// The text of a body, and the charset that counted: a byte-order mark wins over the label.
    ///
    /// # Errors
    /// The charset in which the bytes are no text.
    pub fn decode(self, body: &[u8]) -> Result<(Cow<'_, str>, Self), Self> {
        let (charset, body) = match Encoding::for_bom(body) {
            Some((marked, mark_bytes)) => (Self::from(marked), &body[mark_bytes..]),
            None => (self, body),
        };
        charset.decode_unmarked(body).map(|text| (text, charset)).ok_or(charset)
    }

    /// The text of bytes without a byte-order mark; none: the bytes are no text in this charset.
    pub fn decode_unmarked(self, bytes: &[u8]) -> Option<Cow<'_, str>> {
        let encoding = match self.0 {
            Kind::Latin1 => return Some(mem::decode_latin1(bytes)),
            Kind::Utf8 => UTF_8,
            Kind::Ascii => WINDOWS_1252,
            Kind::Other(encoding) => encoding,
        };
        encoding.decode_without_bom_handling_and_without_replacement(bytes)
    }

    /// The charset of the percent-escapes in a form: UTF-8 where the form is UTF-16, whose bytes no client escapes.
    pub fn of_escapes(self) -> Self {
        match self.0 {
            Kind::Ascii => Self(Kind::Other(WINDOWS_1252)),
            _ if self.is_utf_16() => Self::UTF_8,
            _ => self,
        }
    }

    // === writing ===

    /// A text in this charset; none: the charset lacks a character.
    pub fn encode(self, text: &str) -> Option<Cow<'_, [u8]>> {
        if self.keeps(text.as_bytes()) {
            return Some(Cow::Borrowed(text.as_bytes()));
        }
        let mut bytes = Vec::with_capacity(2 * text.len());
        text.chars().all(|letter| self.put(letter, &mut bytes)).then_some(Cow::Owned(bytes))
    }

    /// JSON in this charset. An escape stands for a character that the charset lacks, and in ISO-8859-1 for the control characters
    /// of 0x80 to 0x9F, which a reader of windows-1252 would take for others.
    pub fn encode_json(self, json: Bytes) -> Bytes {
        if self.keeps(&json) {
            return json;
        }
        let mut bytes = Vec::with_capacity(2 * json.len());
        for letter in String::from_utf8_lossy(&json).chars() {
            let is_ambiguous = self.0 == Kind::Latin1 && !letter.is_ascii() && letter.is_control();
            if is_ambiguous || !self.put(letter, &mut bytes) {
                escape(letter, &mut bytes);
            }
        }
        bytes.into()
    }

    /// Whether bytes of UTF-8 are the same text in this charset.
    fn keeps(self, bytes: &[u8]) -> bool {
        self.0 == Kind::Utf8 || (!self.is_utf_16() && bytes.is_ascii())
    }

    fn is_utf_16(self) -> bool {
        matches!(self.0, Kind::Other(encoding) if encoding == UTF_16LE || encoding == UTF_16BE)
    }

    /// Adds a character; false, and nothing is added: the charset lacks the character.
    fn put(self, letter: char, bytes: &mut Vec<u8>) -> bool {
        let (mut units, mut text) = ([0; 2], [0; 4]);
        match self.0 {
            Kind::Utf8 => bytes.extend_from_slice(letter.encode_utf8(&mut text).as_bytes()),
            Kind::Other(encoding) if encoding == UTF_16LE => {
                letter.encode_utf16(&mut units).iter().for_each(|unit| bytes.extend_from_slice(&unit.to_le_bytes()));
            }
            Kind::Other(encoding) if encoding == UTF_16BE => {
                letter.encode_utf16(&mut units).iter().for_each(|unit| bytes.extend_from_slice(&unit.to_be_bytes()));
            }
            _ if letter.is_ascii() => bytes.push(letter as u8),
            Kind::Latin1 => match u8::try_from(letter) {
                Ok(byte) => bytes.push(byte),
                Err(_) => return false,
            },
            Kind::Ascii => return false,
            // Single characters cannot be joined: a reader refuses two changes of its state in a row.
            Kind::Other(encoding) if encoding == ISO_2022_JP => return false,
            Kind::Other(encoding) => match exact(encoding, letter.encode_utf8(&mut text)) {
                Some(encoded) => bytes.extend_from_slice(&encoded),
                None => return false,
            },
        }
        true
    }
}

/// The bytes of a character that are read as this character again: Shift_JIS writes a yen sign as the byte of the backslash.
fn exact<'a>(encoding: &'static Encoding, letter: &'a str) -> Option<Cow<'a, [u8]>> {
    let (bytes, _, lacks) = encoding.encode(letter);
    let is_read =
        encoding.decode_without_bom_handling_and_without_replacement(&bytes).is_some_and(|read| read == letter);
    (is_read && !lacks).then_some(bytes)
}

/// Adds a character as an escape of JSON; beyond U+FFFF as two.
fn escape(letter: char, bytes: &mut Vec<u8>) {
    for unit in letter.encode_utf16(&mut [0; 2]).iter() {
        write!(bytes, "\\u{unit:04x}").expect("a Vec takes every byte");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charset(label: &str) -> Charset {
        Charset::for_label(label).unwrap()
    }

    fn json(label: &str, text: &'static str) -> Vec<u8> {
        charset(label).encode_json(Bytes::from_static(text.as_bytes())).to_vec()
    }

    #[test]
    fn a_label_means_the_charset_that_it_names() {
        for (label, name) in [
            ("utf-8", "UTF-8"),
            ("UTF8", "UTF-8"),
            ("iso-8859-1", "ISO-8859-1"),
            ("ISO8859-1", "ISO-8859-1"),
            (" latin1 ", "ISO-8859-1"),
            ("l1", "ISO-8859-1"),
            ("windows-1252", "windows-1252"),
            ("CP1252", "windows-1252"),
            ("US-ASCII", "US-ASCII"),
            ("iso-8859-15", "ISO-8859-15"),
            ("sjis", "Shift_JIS"),
            ("utf-16", "UTF-16LE"),
        ] {
            assert_eq!(charset(label).name(), name, "{label}");
        }
        for label in ["", "nonsense", "iso-2022-kr", "replacement"] {
            assert_eq!(Charset::for_label(label), None, "{label}");
        }
    }

    #[test]
    fn every_byte_of_iso_8859_1_and_windows_1252_comes_back_as_the_same_byte() {
        let all: Vec<u8> = (0..=255).collect();
        for label in ["iso-8859-1", "windows-1252", "iso-8859-15", "ibm866", "koi8-r"] {
            let charset = charset(label);
            let text = charset.decode_unmarked(&all).unwrap();
            assert_eq!(charset.encode(&text).unwrap(), all, "{label}");
        }
        assert_eq!(charset("iso-8859-1").decode_unmarked(b"\x80\xf6").unwrap(), "\u{80}\u{f6}");
        assert_eq!(charset("windows-1252").decode_unmarked(b"\x80\xf6").unwrap(), "\u{20ac}\u{f6}");
    }

    #[test]
    fn a_character_that_the_charset_lacks_is_an_escape() {
        const TEXT: &str = "{\"a\":\"K\u{f6}\u{20ac}\u{80}\u{1f600}\"}";
        assert_eq!(json("utf-8", TEXT), TEXT.as_bytes());
        assert_eq!(json("iso-8859-1", TEXT), b"{\"a\":\"K\xf6\\u20ac\\u0080\\ud83d\\ude00\"}");
        assert_eq!(json("windows-1252", TEXT), b"{\"a\":\"K\xf6\x80\\u0080\\ud83d\\ude00\"}");
        assert_eq!(json("us-ascii", TEXT), b"{\"a\":\"K\\u00f6\\u20ac\\u0080\\ud83d\\ude00\"}");
        for label in
            ["iso-8859-1", "windows-1252", "us-ascii", "shift_jis", "gb18030", "utf-16be", "iso-2022-jp", "koi8-r"]
        {
            let charset = charset(label);
            let bytes = json(label, TEXT);
            let read: serde_json::Value = serde_json::from_str(&charset.decode_unmarked(&bytes).unwrap()).unwrap();
            assert_eq!(read["a"], "K\u{f6}\u{20ac}\u{80}\u{1f600}", "{label}");
        }
    }

    #[test]
    fn no_character_becomes_a_byte_that_json_takes_for_another() {
        for label in ["shift_jis", "euc-jp", "iso-2022-jp"] {
            let bytes = json(label, "{\"a\":\"\u{a5}n\u{203e}\"}");
            let read: serde_json::Value =
                serde_json::from_str(&charset(label).decode_unmarked(&bytes).unwrap()).unwrap();
            assert_eq!(read["a"], "\u{a5}n\u{203e}", "{label}");
        }
    }

    #[test]
    fn a_byte_order_mark_wins_over_the_label() {
        let (text, used) = charset("iso-8859-1").decode(b"\xef\xbb\xbf\xc3\xb6").unwrap();
        assert_eq!((&*text, used), ("\u{f6}", Charset::UTF_8));
        let (text, used) = Charset::UTF_8.decode(b"\xff\xfea\0").unwrap();
        assert_eq!((&*text, used.name()), ("a", "UTF-16LE"));
        assert_eq!(Charset::UTF_8.decode(b"\xff").unwrap_err(), Charset::UTF_8);
    }
}
