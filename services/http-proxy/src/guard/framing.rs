//! Follows the framing of the requests on one connection, beside hyper, to detect messages that a proxy in front could read
//! differently, and that hyper accepts (spec 10).
//!
//! hyper goes by `Transfer-Encoding` beside a `Content-Length`, reads every list of codings that ends in `chunked` as `chunked`
//! alone, takes a bare LF for the end of a line, and lets the fields of a trailer be anything. Each of these is a means of request
//! smuggling. Never changes a byte. Fed by `guard`.

mod line;

use line::{Line, LineBytes};

/// The only transfer coding that is read, and never twice.
const CHUNKED: &[u8] = b"chunked";
/// The request line of the preface of HTTP/2.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";
/// Digits of a length or of the size of a chunk, at most: every number of so many digits fits into 64 bits.
const LENGTH_DIGITS_MAX: usize = 19;
const SIZE_DIGITS_MAX: usize = 16;
/// Fields that decide about the end and the addressee of a message: in a trailer, or named by `Connection` as fields of one hop
/// alone, they mean one thing to a proxy and another thing to its server.
const OF_FRAMING: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"host"];

/// Where in the stream of requests a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// In a head, or before one.
    Head,
    /// In a body of known length, with so many bytes to come.
    Body(u64),
    /// In the line that gives the size of a chunk.
    ChunkSize,
    /// In the line end behind a chunk.
    ChunkEnd,
    /// In a chunk.
    Chunk(u64),
    /// Behind the last chunk.
    Trailers,
    /// Not to be followed any further: the connection ends with the refusal of an ambiguous message.
    Lost,
}

/// Follows one connection.
#[derive(Debug)]
pub(super) struct Framing {
    place: Expected,
    line: LineBytes,
    heads: u64,
    head_begun: bool,
    length: Option<u64>,
    chunked: bool,
    /// The head under way can be read in more than one way.
    odd: bool,
    http2: bool,
    ambiguous: Option<u64>,
}

impl Framing {
    pub(super) fn new() -> Self {
        Self {
            place: Expected::Head,
            line: LineBytes::default(),
            heads: 0,
            head_begun: false,
            length: None,
            chunked: false,
            odd: false,
            http2: false,
            ambiguous: None,
        }
    }

    /// The first message (counted from 1) whose head or body must be refused, if any; all later messages must be refused, too.
    pub(super) fn ambiguous(&self) -> Option<u64> {
        self.ambiguous
    }

    /// Heads that have arrived whole.
    pub(super) fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether the preface of HTTP/2 has arrived.
    pub(super) fn is_http2(&self) -> bool {
        self.http2
    }

    /// Whether bytes of a head have arrived whose end has not.
    pub(super) fn in_head(&self) -> bool {
        self.place == Expected::Head && (self.head_begun || !self.line.is_empty())
    }

    /// Whether the next byte begins a head.
    pub(super) fn is_between(&self) -> bool {
        self.place == Expected::Head && !self.in_head()
    }

    /// Follows the bytes that have arrived.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match self.place {
                Expected::Lost => return,
                Expected::Body(left) => self.skip(bytes, left, Expected::Body, Expected::Head),
                Expected::Chunk(left) => self.skip(bytes, left, Expected::Chunk, Expected::ChunkEnd),
                Expected::Head | Expected::ChunkSize | Expected::ChunkEnd | Expected::Trailers => self.feed_line(bytes),
            };
        }
    }

    fn skip<'a>(&mut self, bytes: &'a [u8], left: u64, going_on: fn(u64) -> Expected, then: Expected) -> &'a [u8] {
        let taken = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let left = left - taken as u64;
        self.place = if left == 0 { then } else { going_on(left) };
        &bytes[taken..]
    }

    fn feed_line<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        let Some(end) = end else {
            self.line.add(part);
            return &[];
        };
        if self.line.is_empty() {
            self.end_line(Line::whole(part));
        } else {
            self.line.add(part);
            let kept = std::mem::take(&mut self.line);
            self.end_line(kept.line());
        }
        &bytes[end + 1..]
    }

    fn end_line(&mut self, line: Line<'_>) {
        match self.place {
            Expected::Head if line.is_bare() && self.head_begun => self.end_head(line.is_odd()),
            Expected::Head if line.is_bare() => self.odd |= line.is_odd(), // before the request line
            Expected::Head if self.head_begun => self.header(line),
            Expected::Head => self.request_line(line),
            Expected::ChunkSize => self.chunk_size(line),
            Expected::ChunkEnd if line.is_bare() && !line.is_odd() => self.place = Expected::ChunkSize,
            Expected::Trailers if line.is_bare() && !line.is_odd() => self.place = Expected::Head,
            Expected::Trailers if is_trailer(line) => {}
            _ => self.lose(),
        }
    }

    fn request_line(&mut self, line: Line<'_>) {
        self.head_begun = true;
        self.http2 |= line.bytes() == PREFACE && !line.is_odd();
        // A fragment never travels: one reader drops it, another reader takes it for a part of the path.
        self.odd |= line.is_odd() || line.has_hash();
    }

    fn header(&mut self, line: Line<'_>) {
        let Some((name, value)) = field(line) else {
            self.odd = true;
            return;
        };
        if name.eq_ignore_ascii_case(b"content-length") {
            self.odd |= line.is_cut() || self.length.is_some();
            self.length = length(value);
            self.odd |= self.length.is_none();
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.odd |= line.is_cut() || self.chunked || !value.eq_ignore_ascii_case(CHUNKED);
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"connection") {
            self.odd |=
                line.is_cut() || value.split(|byte| *byte == b',').any(|option| is_of_framing(option.trim_ascii()));
        } else {
            self.odd |= name.contains(&b'_') && is_of_framing(name);
        }
    }

    fn end_head(&mut self, odd: bool) {
        self.heads += 1;
        if odd || self.odd || self.http2 || self.chunked && self.length.is_some() {
            self.lose();
        } else {
            self.place = match self.length {
                _ if self.chunked => Expected::ChunkSize,
                Some(length) if length > 0 => Expected::Body(length),
                _ => Expected::Head,
            };
        }
        (self.head_begun, self.length, self.chunked, self.odd) = (false, None, false, false);
    }

    fn chunk_size(&mut self, line: Line<'_>) {
        let bytes = line.bytes();
        let (digits, extension) =
            bytes.split_at(bytes.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(bytes.len()));
        let size = std::str::from_utf8(digits).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
        let is_clear = !line.is_odd() && !line.is_cut() && digits.len() <= SIZE_DIGITS_MAX && is_extension(extension);
        match size.filter(|_| is_clear) {
            Some(0) => self.place = Expected::Trailers,
            Some(size) => self.place = Expected::Chunk(size),
            None => self.lose(),
        }
    }

    /// The message under way is ambiguous. hyper refuses some of these messages by itself; in case hyper does not, this message and
    /// every later head of the connection are refused.
    fn lose(&mut self) {
        self.ambiguous.get_or_insert(self.heads.max(1));
        self.place = Expected::Lost;
    }
}

/// Name and value of a line of a head; none: a folded line, white space around the name, or no field at all.
fn field(line: Line<'_>) -> Option<(&[u8], &[u8])> {
    let bytes = line.bytes();
    let colon = bytes.iter().position(|byte| *byte == b':').filter(|colon| *colon > 0 && !line.is_odd())?;
    let (name, value) = (&bytes[..colon], bytes[colon + 1..].trim_ascii());
    let is_name = !name.iter().any(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control());
    is_name.then_some((name, value))
}

fn is_trailer(line: Line<'_>) -> bool {
    field(line).is_some_and(|(name, _)| !is_of_framing(name))
}

/// Some gateways take `_` for `-`.
fn is_of_framing(name: &[u8]) -> bool {
    let is_same = |(ours, known): (&u8, &u8)| ours.eq_ignore_ascii_case(known) || *ours == b'_' && *known == b'-';
    OF_FRAMING.iter().any(|known| name.len() == known.len() && name.iter().zip(*known).all(is_same))
}

/// A length: digits, and nothing else.
fn length(value: &[u8]) -> Option<u64> {
    let is_number = value.len() <= LENGTH_DIGITS_MAX && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| is_number)?.parse().ok()
}

/// Whether the rest of a line behind the size of a chunk is nothing, or an extension of printable letters.
fn is_extension(rest: &[u8]) -> bool {
    let begins = rest.trim_ascii_start().first().is_none_or(|byte| *byte == b';');
    let is_blank = !rest.is_empty() && rest.trim_ascii().is_empty();
    begins && !is_blank && rest.iter().all(|byte| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t'))
}

#[cfg(test)]
mod tests;
