//! HTTP over plain sockets that stay open: as cheap as a loader can be. Reads no more of an answer than its status and length.

use std::{io, time::Instant};

use clap::ValueEnum;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    Failure, Load,
    line::Line,
    window::{Samples, Window, all},
};

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// `UpdateCallCompletionStats` with 256 bytes of user fields, another value each time
    Update,
    /// `GET /records/<handle>`
    Get,
    /// `GET /`
    Root,
}

pub(crate) async fn run(address: &str, what: What, records: u64, load: &Load) -> Result<Line, Failure> {
    let mut clients = Vec::new();
    for _ in 0..load.clients {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        clients.push((socket, Request::new(what, records, address)));
    }
    let window = load.window();
    let loops = clients.into_iter().map(|(socket, request)| one(socket, request, window));
    Ok(all(loops).await?.line(load))
}

/// The requests of one client, each about another record.
pub(crate) struct Request {
    what: What,
    records: u64,
    address: String,
    random: SmallRng,
}

impl Request {
    /// Has a random source of its own: an exact repetition of a recent request would be answered without being applied again.
    pub(crate) fn new(what: What, records: u64, address: &str) -> Self {
        Self { what, records, address: address.to_owned(), random: SmallRng::from_os_rng() }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Writes the next request over the content of the buffer.
    pub(crate) fn write(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        use std::io::Write;
        buffer.clear();
        let Self { what, records, address, random } = self;
        let handle = random.random_range(1..=*records);
        match what {
            What::Root => write!(buffer, "GET / HTTP/1.1\r\nHost: {address}\r\n\r\n"),
            What::Get => write!(buffer, "GET /records/{handle} HTTP/1.1\r\nHost: {address}\r\n\r\n"),
            What::Update => {
                let (one, other) = (random.random::<u64>(), random.random::<u64>());
                // {"note":"128 bytes","memo":"128 bytes"}
                write!(
                    buffer,
                    "POST /records/{handle}?req=UpdateCallCompletionStats HTTP/1.1\r\nHost: {address}\r\n\
                     Content-Type: application/json\r\nContent-Length: 277\r\n\r\n\
                     {{\"note\":\"{one:0>128}\",\"memo\":\"{other:0>128}\"}}"
                )
            }
        }
    }
}

async fn one(mut socket: TcpStream, mut request: Request, window: Window) -> Result<Samples, Failure> {
    let (mut samples, mut sending, mut answer) =
        (Samples::default(), Vec::with_capacity(1024), Vec::with_capacity(4096));
    while !window.over() {
        request.write(&mut sending)?;
        let since = Instant::now();
        socket.write_all(&sending).await?;
        read_whole(&mut socket, &mut answer).await?;
        samples.took(&window, since, answer.starts_with(b"HTTP/1.1 200"));
    }
    Ok(samples)
}

/// Reads one answer.
pub(crate) async fn read_whole(socket: &mut TcpStream, answer: &mut Vec<u8>) -> io::Result<()> {
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
fn whole(answer: &[u8]) -> Option<usize> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_says_how_long_its_body_is() {
        let mut request = Request::new(What::Update, 10, "h:1");
        let mut buffer = Vec::new();
        request.write(&mut buffer).unwrap();
        assert_eq!(whole(&buffer), Some(buffer.len()));
    }

    #[test]
    fn an_answer_is_whole_with_its_body() {
        assert_eq!(whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), Some(40));
        assert_eq!(whole(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok"), None);
        assert_eq!(whole(b"HTTP/1.1 200 OK\r\n"), None);
    }
}
