//! One connection of many: sends a due request, and notes the outcome. Never sends a due request twice.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{io::AsyncWriteExt, net::TcpStream, sync::Semaphore, time::timeout};

use super::tally::{Fate, Outcomes};
use crate::http_load::{Request, read_whole, value_of};

/// Sends requests over one connection, which is opened at the first use and again after a close.
pub(super) struct Client {
    request: Request,
    patience: Duration,
    /// Answers between the two count.
    window: (Instant, Instant),
    socket: Option<TcpStream>,
    sending: Vec<u8>,
    answer: Vec<u8>,
}

impl Client {
    pub(super) fn new(request: Request, patience: Duration, window: (Instant, Instant)) -> Self {
        Self { request, patience, window, socket: None, sending: Vec::new(), answer: Vec::new() }
    }

    /// Runs until no more requests fall due.
    pub(super) async fn run(mut self, due: Arc<Semaphore>, idle: Arc<AtomicUsize>) -> Outcomes {
        let mut seen = Outcomes::default();
        loop {
            idle.fetch_add(1, Ordering::Relaxed);
            let Ok(one) = due.acquire().await else { return seen };
            one.forget();
            idle.fetch_sub(1, Ordering::Relaxed);
            let since = Instant::now();
            let fate = timeout(self.patience, self.ask()).await.unwrap_or(Fate::TimedOut);
            if !matches!(fate, Fate::Good | Fate::Refused { .. } | Fate::Odd(_)) {
                self.socket = None;
            }
            let in_window = (self.window.0..self.window.1).contains(&Instant::now());
            seen.note(fate, since.elapsed(), in_window);
            if let Fate::Refused { retry_after_secs, .. } = fate {
                tokio::time::sleep(Duration::from_secs(retry_after_secs)).await;
            }
        }
    }

    async fn ask(&mut self) -> Fate {
        if self.socket.is_none() {
            match TcpStream::connect(self.request.address()).await {
                Ok(socket) => {
                    let _ = socket.set_nodelay(true); // slower without, no more
                    self.socket = Some(socket);
                }
                Err(_) => return Fate::NotConnected,
            }
        }
        match self.exchange().await {
            Ok(()) => self.fate(),
            Err(_) => Fate::Broken,
        }
    }

    async fn exchange(&mut self) -> io::Result<()> {
        self.request.write(&mut self.sending)?;
        let socket = self.socket.as_mut().ok_or(io::ErrorKind::NotConnected)?;
        socket.write_all(&self.sending).await?;
        read_whole(socket, &mut self.answer).await
    }

    fn fate(&mut self) -> Fate {
        if value_of(&self.answer, b"connection:").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            self.socket = None;
        }
        let status = self.answer.get(9..12).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()).unwrap_or(0);
        let retry_after = value_of(&self.answer, b"retry-after:").and_then(|value| value.parse().ok());
        match (status, retry_after) {
            (200, _) => Fate::Good,
            (429 | 503, Some(retry_after_secs)) => Fate::Refused { status, retry_after_secs },
            _ => Fate::Odd(status),
        }
    }
}

/// One request over a connection of its own; returns the latency of a good answer.
pub(super) async fn once(request: Request, patience: Duration) -> Option<Duration> {
    let now = Instant::now();
    let mut client = Client::new(request, patience, (now, now));
    let fate = timeout(patience, client.ask()).await.ok()?;
    matches!(fate, Fate::Good).then(|| now.elapsed())
}
