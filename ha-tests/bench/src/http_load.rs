//! HTTP over sockets that stay open: as cheap as a loader can be. Reads no more of an answer than its status, its length and the
//! value that the next request needs.

mod access;
mod answer;
mod pace;
mod request;
mod wire;

use std::{io, time::Instant};

use tokio::time::Interval;

use self::wire::Wire;
pub(crate) use self::{
    access::Access,
    answer::{is_ok, read_whole, records, value_of},
    pace::Pace,
    request::{Place, Request, Target, What},
};
use crate::{
    Failure, Load,
    line::Line,
    window::{Samples, Window, all},
};

pub(crate) async fn run(target: &Target, access: &Access, load: &Load, pace: Pace) -> Result<Line, Failure> {
    let callers = callers(target, access, load.clients).await?;
    let window = load.window();
    let turns = |client: usize| pace.turns(Place { client: client as u64, clients: load.clients as u64 });
    let loops = callers.into_iter().enumerate().map(|(client, caller)| one(caller, window, turns(client)));
    Ok(all(loops).await?.line(load))
}

/// A closed loop; with turns, each request waits for its turn.
async fn one(mut caller: Caller, window: Window, mut turns: Option<Interval>) -> Result<Samples, Failure> {
    let mut samples = Samples::default();
    while !window.over() {
        if let Some(turns) = &mut turns {
            turns.tick().await;
        }
        let since = Instant::now();
        let fine = caller.ask().await?;
        samples.took(&window, since, fine);
    }
    Ok(samples)
}

/// A client with its connection.
pub(crate) struct Caller {
    wire: Wire,
    request: Request,
    sending: Vec<u8>,
    answer: Vec<u8>,
}

/// Connected clients.
pub(crate) async fn callers(target: &Target, access: &Access, clients: usize) -> Result<Vec<Caller>, Failure> {
    let (trust, authorization) = (access.trust(&target.address)?, access.authorization()?);
    let mut callers = Vec::new();
    for client in 0..clients {
        let place = Place { client: client as u64, clients: clients as u64 };
        let wire = Wire::open(&target.address, trust.as_ref()).await?;
        callers.push(Caller::new(wire, Request::new(target.clone(), place).bearing(&authorization)));
    }
    Ok(callers)
}

impl Caller {
    fn new(wire: Wire, request: Request) -> Self {
        Self { wire, request, sending: Vec::with_capacity(1024), answer: Vec::with_capacity(4096) }
    }

    /// One sample: a request and its answer, and the report that follows. Returns whether the answers are the wanted ones.
    pub(crate) async fn ask(&mut self) -> io::Result<bool> {
        self.request.write(&mut self.sending)?;
        self.exchange().await?;
        let fine = self.request.is_answered(&self.answer);
        self.request.note(&self.answer);
        if !fine || !self.request.has_report() {
            return Ok(fine);
        }
        let Some(handle) = answer::handle(&self.answer) else { return Ok(false) };
        self.request.write_processed(handle, &mut self.sending)?;
        self.exchange().await?;
        Ok(is_ok(&self.answer))
    }

    async fn exchange(&mut self) -> io::Result<()> {
        self.wire.exchange(&self.sending, &mut self.answer).await
    }
}

/// A POST without a body over a plain connection of its own; returns the answer.
pub(crate) async fn post(address: &str, path: &str) -> io::Result<Vec<u8>> {
    let mut wire = Wire::open(address, None).await?;
    let head = format!("POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n");
    let mut answer = Vec::new();
    wire.exchange(head.as_bytes(), &mut answer).await?;
    Ok(answer)
}
