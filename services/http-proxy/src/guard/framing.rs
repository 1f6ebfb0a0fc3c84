//! Follows the framing of the requests on one connection, beside hyper, to detect ambiguous heads that hyper accepts.
//!
//! A head with both `Content-Length` and `Transfer-Encoding` is the means of request smuggling. hyper accepts such a head,
//! goes by the latter and removes the former, so that no code behind hyper can refuse the request. hyper also reads every list
//! of transfer codings that ends in `chunked` as `chunked` alone. Never changes a byte. Fed by `guard`.

/// Longest part of a line that is looked at, bytes: enough for the names and values that matter.
const LINE_BYTES_MAX: usize = 64;
/// The only transfer coding that is read, and never twice.
const CHUNKED: &[u8] = b"chunked";

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
    /// Not to be followed any further.
    Lost,
}

/// Follows one connection.
#[derive(Debug)]
pub(super) struct Framing {
    place: Expected,
    /// The start of a line that did not arrive whole.
    line: Vec<u8>,
    heads: u64,
    head_begun: bool,
    length: Option<u64>,
    chunked: bool,
    /// A transfer coding is unknown or repeated.
    miscoded: bool,
    broken: bool,
    ambiguous: Option<u64>,
}

impl Framing {
    pub(super) fn new() -> Self {
        Self {
            place: Expected::Head,
            line: Vec::new(),
            heads: 0,
            head_begun: false,
            length: None,
            chunked: false,
            miscoded: false,
            broken: false,
            ambiguous: None,
        }
    }

    /// The first head (counted from 1) that must be refused, if any; all later heads must be refused, too.
    pub(super) fn ambiguous(&self) -> Option<u64> {
        self.ambiguous
    }

    /// Whether bytes of a head have arrived whose end has not.
    pub(super) fn in_head(&self) -> bool {
        self.place == Expected::Head && (self.head_begun || !self.line.is_empty())
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
        match end {
            Some(end) if self.line.is_empty() => {
                self.end_line(part);
                &bytes[end + 1..]
            }
            _ => {
                let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
                self.line.extend_from_slice(&part[..part.len().min(room)]);
                let Some(end) = end else { return &[] };
                let line = std::mem::take(&mut self.line);
                self.end_line(&line);
                &bytes[end + 1..]
            }
        }
    }

    fn end_line(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match self.place {
            Expected::Head if line.is_empty() && self.head_begun => self.end_head(),
            Expected::Head if line.is_empty() => {}
            Expected::Head => self.header(line),
            Expected::ChunkSize => self.chunk_size(line),
            Expected::ChunkEnd => self.place = if line.is_empty() { Expected::ChunkSize } else { self.lose() },
            Expected::Trailers if line.is_empty() => self.place = Expected::Head,
            _ => {}
        }
    }

    fn header(&mut self, line: &[u8]) {
        if !self.head_begun {
            self.head_begun = true; // the request line
            return;
        }
        if !matches!(line.first(), Some(b'c' | b'C' | b't' | b'T')) {
            return;
        }
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            match std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()) {
                Some(length) => self.length = Some(length),
                None => self.broken = true,
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.miscoded |= self.chunked || !value.eq_ignore_ascii_case(CHUNKED);
            self.chunked = true;
        }
    }

    fn end_head(&mut self) {
        self.heads += 1;
        if self.miscoded || self.chunked && (self.length.is_some() || self.broken) {
            self.ambiguous.get_or_insert(self.heads);
        }
        self.place = match (self.broken, self.chunked, self.length) {
            (true, ..) => self.lose(),
            (_, true, _) => Expected::ChunkSize,
            (_, _, Some(length)) if length > 0 => Expected::Body(length),
            _ => Expected::Head,
        };
        (self.head_begun, self.length, self.chunked, self.miscoded) = (false, None, false, false);
    }

    fn chunk_size(&mut self, line: &[u8]) {
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let size = std::str::from_utf8(digits).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
        self.place = match size {
            Some(0) => Expected::Trailers,
            Some(size) => Expected::Chunk(size),
            None => self.lose(),
        };
    }

    /// hyper refuses such framing by itself; in case hyper does not, all further heads of this connection are refused.
    fn lose(&mut self) -> Expected {
        self.ambiguous.get_or_insert(self.heads + 1);
        Expected::Lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every way to cut the bytes in two must lead to the same place.
    fn follow(bytes: &[u8]) -> (u64, Option<u64>) {
        let mut whole = Framing::new();
        whole.feed(bytes);
        for cut in 0..bytes.len() {
            let mut parts = Framing::new();
            parts.feed(&bytes[..cut]);
            parts.feed(&bytes[cut..]);
            assert_eq!((parts.heads, parts.ambiguous, parts.place), (whole.heads, whole.ambiguous, whole.place));
        }
        (whole.heads, whole.ambiguous)
    }

    #[test]
    fn pipelined_requests_are_told_apart() {
        let bytes = b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nab\nGET /b HTTP/1.1\r\n\r\n\r\n\
            PUT /c HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5;x=y\r\n\r\n\r\nz\r\n0\r\nT: 1\r\n\r\nGET /d HTTP/1.1\r\n\r\n";
        assert_eq!(follow(bytes), (4, None));
    }

    #[test]
    fn length_and_transfer_encoding_together_are_ambiguous() {
        let bytes = b"GET /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\nCONTENT-LENGTH:4\r\n\r\n0\r\n\r\n";
        assert_eq!(follow(bytes), (2, Some(2)));
    }

    #[test]
    fn a_transfer_coding_other_than_one_chunked_is_ambiguous() {
        for codings in ["gzip, chunked", "chunked, chunked", "identity,chunked", ", chunked", "chunked;q=1", "", "gzip"]
        {
            let head =
                format!("GET /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nTransfer-Encoding: {codings}\r\n\r\n0\r\n\r\n");
            assert_eq!(follow(head.as_bytes()), (2, Some(2)), "{codings}");
        }
        let twice = b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        assert_eq!(follow(twice), (1, Some(1)));
        let once = b"POST /a HTTP/1.1\r\nTRANSFER-ENCODING:\tChunked \r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
        assert_eq!(follow(once), (2, None));
    }

    #[test]
    fn a_body_that_looks_like_a_head_is_none() {
        let body = b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n";
        let head = format!("POST /a HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
        assert_eq!(follow(&[head.as_bytes(), body].concat()), (1, None));
    }
}
