//! HTTP over plain sockets that stay open: as cheap as a loader can be. Reads no more of an answer than its status, its length and
//! the value that the next request needs.

mod answer;
mod request;

use std::{io, time::Instant};

use tokio::{io::AsyncWriteExt, net::TcpStream};

pub(crate) use self::{
    answer::{is_ok, read_whole, records, value_of},
    request::{Place, Request, Target, What},
};
use crate::{
    Failure, Load,
    line::Line,
    window::{Samples, Window, all},
};

pub(crate) async fn run(target: &Target, load: &Load) -> Result<Line, Failure> {
    let callers = callers(target, load.clients).await?;
    let window = load.window();
    Ok(all(callers.into_iter().map(|caller| one(caller, window))).await?.line(load))
}

async fn one(mut caller: Caller, window: Window) -> Result<Samples, Failure> {
    let mut samples = Samples::default();
    while !window.over() {
        let since = Instant::now();
        let fine = caller.ask().await?;
        samples.took(&window, since, fine);
    }
    Ok(samples)
}

/// A client with its connection.
pub(crate) struct Caller {
    socket: TcpStream,
    request: Request,
    sending: Vec<u8>,
    answer: Vec<u8>,
}

/// Connected clients.
pub(crate) async fn callers(target: &Target, clients: usize) -> Result<Vec<Caller>, Failure> {
    let mut callers = Vec::new();
    for client in 0..clients {
        let place = Place { client: client as u64, clients: clients as u64 };
        callers.push(Caller::connect(target, place).await?);
    }
    Ok(callers)
}

impl Caller {
    async fn connect(target: &Target, place: Place) -> io::Result<Self> {
        let socket = connect(&target.address).await?;
        let (sending, answer) = (Vec::with_capacity(1024), Vec::with_capacity(4096));
        Ok(Self { socket, request: Request::new(target.clone(), place), sending, answer })
    }

    /// One sample: a request and its answer, and the report that follows. Returns whether the answers are the wanted ones.
    pub(crate) async fn ask(&mut self) -> io::Result<bool> {
        self.request.write(&mut self.sending)?;
        self.exchange().await?;
        let fine = self.request.is_answered(&self.answer);
        if !fine || !self.request.has_report() {
            return Ok(fine);
        }
        let Some(handle) = answer::handle(&self.answer) else { return Ok(false) };
        self.request.write_processed(handle, &mut self.sending)?;
        self.exchange().await?;
        Ok(is_ok(&self.answer))
    }

    async fn exchange(&mut self) -> io::Result<()> {
        self.socket.write_all(&self.sending).await?;
        read_whole(&mut self.socket, &mut self.answer).await
    }
}

async fn connect(address: &str) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// A POST without a body over a connection of its own; returns the answer.
pub(crate) async fn post(address: &str, path: &str) -> io::Result<Vec<u8>> {
    let mut socket = connect(address).await?;
    let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n");
    socket.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    read_whole(&mut socket, &mut answer).await?;
    Ok(answer)
}
