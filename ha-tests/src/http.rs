//! A small HTTP/1.1 client over one connection at a time. Never sends a request twice by itself, so losses show. Called by
//! `load` and by tests.

use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use serde_json::Value;

/// Longer than the nodes' own deadline.
const PATIENCE: Duration = Duration::from_secs(15);

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null for a body that is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    /// An attribute of the body.
    pub fn attribute(&self, name: &str) -> Value {
        self.json()[name].clone()
    }

    /// A handle, out of an acknowledgement.
    pub fn handle(&self) -> u64 {
        self.attribute("GSW_RECORD_HANDLE").as_u64().unwrap_or_else(|| panic!("no handle in {self:?}"))
    }

    /// Status and error code, for comparing with a table.
    pub fn verdict(&self) -> (u16, String) {
        (self.status, self.attribute("GSW_ERROR_CODE").as_str().unwrap_or_default().to_owned())
    }
}

/// A client that keeps its connection.
#[derive(Debug)]
pub struct Client {
    address: String,
    patience: Duration,
    /// The pause between head and body, where the two travel in segments of their own.
    pause: Option<Duration>,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    /// For a server at host:port; connects with the first request.
    pub fn new(address: &str) -> Self {
        Self::patient(address, PATIENCE)
    }

    /// The same with a timeout for the connection, and for each part of an answer.
    pub fn patient(address: &str, patience: Duration) -> Self {
        Self { address: address.to_owned(), patience, pause: None, connection: None }
    }

    /// Sends the body in a segment of its own, so long after the head (spec 4).
    pub fn with_body_apart(self, pause: Duration) -> Self {
        Self { pause: Some(pause), ..self }
    }

    /// Connects if there is no connection, or if the server has closed the kept one, as after a restart: an error here means
    /// that no byte was sent.
    pub fn connect_first(&mut self) -> io::Result<()> {
        if self.connection.as_ref().is_some_and(|kept| is_closed(kept.get_ref())) {
            self.connection = None;
        }
        if self.connection.is_none() {
            self.connection = Some(self.connect()?);
        }
        Ok(())
    }

    /// Sends a request and reads the answer. After an error the next request gets a new connection.
    pub fn send(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> io::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.address);
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        if let Some(pause) = self.pause {
            connection.get_mut().write_all(head.as_bytes())?;
            thread::sleep(pause);
            connection.get_mut().write_all(body.as_bytes())?;
        } else {
            connection.get_mut().write_all((head + body).as_bytes())?;
        }
        let answer = read_answer(&mut connection, method)?;
        if answer.header("connection") != Some("close") {
            self.connection = Some(connection);
        }
        Ok(answer)
    }

    /// GET.
    pub fn get(&mut self, target: &str) -> Answer {
        self.must("GET", target, &[], "")
    }

    /// POST of a JSON body.
    pub fn post(&mut self, target: &str, body: &str) -> Answer {
        self.must("POST", target, &[], body)
    }

    /// POST with an Idempotency-Key.
    pub fn post_keyed(&mut self, target: &str, key: &str, body: &str) -> Answer {
        self.must("POST", target, &[("Idempotency-Key", key)], body)
    }

    /// A request whose answer must come.
    pub fn must(&mut self, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let answer = self.send(method, target, headers, body);
        answer.unwrap_or_else(|error| panic!("{method} {target} at {}: {error}", self.address))
    }

    fn connect(&self) -> io::Result<BufReader<TcpStream>> {
        let address = self.address.parse().map_err(|_| io::Error::from(ErrorKind::InvalidInput))?;
        let stream = TcpStream::connect_timeout(&address, self.patience)?;
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_nodelay(true)?;
        Ok(BufReader::new(stream))
    }
}

/// Whether the server has closed an idle connection.
fn is_closed(idle: &TcpStream) -> bool {
    let looked = idle.set_nonblocking(true).and_then(|()| idle.peek(&mut [0]));
    let open = looked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
    !open || idle.set_nonblocking(false).is_err()
}

fn read_answer(connection: &mut BufReader<TcpStream>, method: &str) -> io::Result<Answer> {
    let bad = |what: &str| io::Error::new(ErrorKind::InvalidData, what.to_owned());
    let first = read_line(connection)?;
    let status = first.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or_else(|| bad(&first))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(connection)?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| bad(&line))?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut answer = Answer { status, headers, body: String::new() };
    let length = answer.header("content-length").map_or(Ok(0), str::parse).map_err(|_| bad("content-length"))?;
    if method != "HEAD" {
        let mut body = vec![0; length];
        connection.read_exact(&mut body)?;
        answer.body = String::from_utf8(body).map_err(|_| bad("a body that is not UTF-8"))?;
    }
    Ok(answer)
}

fn read_line(connection: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    match connection.read_line(&mut line)? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim_end().to_owned()),
    }
}
