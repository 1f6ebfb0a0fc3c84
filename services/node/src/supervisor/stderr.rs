//! Standard error of HTTP Proxy: its log, a record a line, and the last words of its runtime or allocator. Every line goes to this
//! node's log, in order and under the target of HTTP Proxy.
//!
//! Never keeps more than one line, and never waits for the reader of this node's log.

use chassis::{lines::Causes, logging::masked};
use http_proxy::log::record_of_line;
use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use crate::proxy_log;

/// Longest line that is kept, bytes: longer than any record.
const LINE_BYTES_MAX: usize = 256 << 10;
/// Lines in a minute that are no records. Records have budgets where strangers cause them.
const FOREIGN_PER_MINUTE: u32 = 100;

/// Logs every line until the end of HTTP Proxy.
pub(super) async fn log_lines(stderr: impl AsyncBufRead + Unpin) {
    let foreign = Causes::new(FOREIGN_PER_MINUTE);
    each_line(stderr, |line| log_line(line, &foreign)).await;
}

fn log_line(line: &[u8], foreign: &Causes) {
    if let Some(record) = record_of_line(line) {
        return proxy_log::tell(&record);
    }
    if let Some(more) = foreign.line("no record") {
        let text = String::from_utf8_lossy(line);
        tracing::warn!(target: "http_proxy", "{}{more}", masked(&text));
    }
}

/// Hands each line out without its end; the rest of a longer line is left out.
async fn each_line(mut reader: impl AsyncBufRead + Unpin, mut take: impl FnMut(&[u8])) {
    let mut line = Vec::new();
    loop {
        let read = match reader.fill_buf().await {
            Ok(read) if !read.is_empty() => read,
            _ => break,
        };
        let end = read.iter().position(|byte| *byte == b'\n');
        let part = &read[..end.unwrap_or(read.len())];
        line.extend_from_slice(&part[..part.len().min(LINE_BYTES_MAX.saturating_sub(line.len()))]);
        let used = part.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            take(&line);
            line.clear();
        }
    }
    if !line.is_empty() {
        take(&line);
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    async fn lines(bytes: &[u8], piece: usize) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        each_line(BufReader::with_capacity(piece, bytes), |line| lines.push(line.to_vec())).await;
        lines
    }

    #[tokio::test]
    async fn lines_come_whole_whatever_the_pieces_and_the_last_one_without_its_end() {
        for piece in [1, 3, 1024] {
            assert_eq!(lines(b"one\n\ntwo and\nthree", piece).await, [&b"one"[..], b"", b"two and", b"three"]);
        }
    }

    #[tokio::test]
    async fn a_line_without_an_end_keeps_a_bounded_part_and_the_next_line_is_whole() {
        let mut bytes = vec![b'x'; 3 * LINE_BYTES_MAX];
        bytes.extend_from_slice(b"\nnext\n");
        let lines = lines(&bytes, 4096).await;
        assert_eq!((lines.len(), lines[0].len(), &lines[1][..]), (2, LINE_BYTES_MAX, &b"next"[..]));
    }
}
