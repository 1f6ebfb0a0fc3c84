//! Load beyond capacity: first closed loops for the sustained rate, then a multiple of that rate, offered whether or not
//! answers come, then probes until the latency is normal again.
//!
//! Offered means: so many requests fall due a second, whatever the outcome of those before. A request without a free connection
//! is not sent, as at a balancer whose pool is used up, and counted. A client that must come back later does so. Never retries.

mod client;
mod tally;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Args;
use tokio::sync::Semaphore;

use self::{client::Client, tally::Tally};
use crate::{
    Failure, Load,
    http_load::{self, Access, Pace, Place, Request, Target},
};

/// Pause between two probes, and the number of fine probes in a row.
const PROBE_EVERY: Duration = Duration::from_millis(10);
const PROBES_FINE: u32 = 20;
/// Probes before the load: the normal latency.
const PROBES_BEFORE: u32 = 100;
/// Above this multiple of a normal probe's p99, and above so much, a probe is odd.
const ODD_MULTIPLE: u32 = 2;
const ODD_MIN: Duration = Duration::from_millis(20);
/// Time limit for the return to normal.
const RECOVERY_MAX: Duration = Duration::from_secs(30);
/// Pause between two hand-outs of due requests.
const TICK: Duration = Duration::from_millis(1);

/// The load and its target.
#[derive(Debug, Clone, Args)]
pub(crate) struct Offer {
    /// host:port
    #[arg(long)]
    address: String,
    /// Records to choose from, by handles from 1 on
    #[arg(long, default_value_t = 10_000)]
    records: u64,
    /// Closed loops whose best rate counts as the sustained rate
    #[arg(long, value_delimiter = ',', default_value = "64,256")]
    clients: Vec<usize>,
    /// Times the sustained rate
    #[arg(long, default_value_t = 4.0)]
    times: f64,
    /// Connections at most
    #[arg(long, default_value_t = 12_000)]
    connections: usize,
    /// Length of each measurement
    #[arg(long, default_value_t = 5)]
    secs: u64,
    /// After this long an answer is no longer waited for
    #[arg(long, default_value_t = 15)]
    patience_secs: u64,
}

impl Offer {
    fn target(&self) -> Target {
        Target::updates(&self.address, self.records)
    }
}

/// The whole measurement; prints each part at its end.
pub(crate) async fn run(offer: &Offer, tell: impl Fn(&str)) -> Result<(), Failure> {
    let (mut sustained, mut usual_p99) = (0.0, 0.0);
    for clients in &offer.clients {
        let load = Load { label: "sustained".into(), clients: *clients, round: 1, secs: offer.secs, warm_secs: 1 };
        let line = http_load::run(&offer.target(), &Access::default(), &load, Pace::default()).await?;
        tell(&format!("sustained\tclients={clients}\trate={:.0}\tp99_ms={:.1}", line.rate, line.p99_ms));
        if line.rate > sustained {
            (sustained, usual_p99) = (line.rate, line.p99_ms);
        }
    }
    let normal = normal_probe(offer).await?;
    tell(&format!("normal\tprobe_p99_ms={:.1}", normal.as_secs_f64() * 1000.0));
    let tally = overload(offer, sustained * offer.times).await;
    let ended = Instant::now();
    tell(&format!("overload\t{tally}\tgoodput={:.3}\tusual_p99_ms={usual_p99:.1}", tally.good_rate() / sustained));
    let recovered = recovery(offer, normal, ended).await;
    let seconds = recovered.map_or_else(|| "never".to_owned(), |after| format!("{:.2}", after.as_secs_f64()));
    tell(&format!("recovery\tseconds={seconds}"));
    Ok(())
}

/// Offers `rate` a second; the requests of the first second are warm-up.
async fn overload(offer: &Offer, rate: f64) -> Tally {
    let (due, idle) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
    let start = Instant::now();
    let window = (start + Duration::from_secs(1), start + Duration::from_secs(1 + offer.secs));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..offer.connections {
        let request = Request::new(offer.target(), Place::ALONE);
        let client = Client::new(request, Duration::from_secs(offer.patience_secs), window);
        clients.spawn(client.run(due.clone(), idle.clone()));
    }
    let unsent = hand_out(rate, window, &due, &idle).await;
    due.close();
    let mut tally = Tally::new(Duration::from_secs(offer.secs), unsent);
    while let Some(ended) = clients.join_next().await {
        if let Ok(seen) = ended {
            tally.add(seen);
        }
    }
    tally
}

/// Hands due requests to idle clients; returns the number of requests in the window that found no idle client.
async fn hand_out(rate: f64, window: (Instant, Instant), due: &Semaphore, idle: &AtomicUsize) -> u64 {
    let (start, mut handed, mut unsent) = (Instant::now(), 0_u64, 0);
    let mut tick = tokio::time::interval(TICK);
    while Instant::now() < window.1 {
        tick.tick().await;
        let fallen_due = (start.elapsed().as_secs_f64() * rate) as u64 - handed;
        handed += fallen_due;
        let free = idle.load(Ordering::Relaxed).saturating_sub(due.available_permits());
        let sent = fallen_due.min(free as u64);
        due.add_permits(sent as usize);
        if Instant::now() >= window.0 {
            unsent += fallen_due - sent;
        }
    }
    unsent
}

async fn probe(offer: &Offer) -> Option<Duration> {
    let request = Request::new(offer.target(), Place::ALONE);
    client::once(request, Duration::from_secs(offer.patience_secs)).await
}

/// The p99 of probes while nothing else is asked.
async fn normal_probe(offer: &Offer) -> Result<Duration, Failure> {
    let mut latencies = Vec::new();
    for _ in 0..PROBES_BEFORE {
        latencies.push(probe(offer).await.ok_or("a probe failed before any overload")?);
        tokio::time::sleep(PROBE_EVERY).await;
    }
    latencies.sort_unstable();
    Ok(latencies[latencies.len() * 99 / 100])
}

/// From the end of the overload to the first of a row of normal probes.
async fn recovery(offer: &Offer, normal: Duration, ended: Instant) -> Option<Duration> {
    let limit = (normal * ODD_MULTIPLE).max(ODD_MIN);
    let (mut fine, mut first) = (0, ended);
    while ended.elapsed() < RECOVERY_MAX {
        let asked = Instant::now();
        if probe(offer).await.is_some_and(|latency| latency <= limit) {
            first = if fine == 0 { asked } else { first };
            fine += 1;
        } else {
            fine = 0;
        }
        if fine == PROBES_FINE {
            return Some(first - ended);
        }
        tokio::time::sleep(PROBE_EVERY).await;
    }
    None
}
