//! The longest pause of updates around one request that changes many records. Closed loops of updates run for four spans: two are
//! quiet, and the request is sent between the last two.

use std::time::{Duration, Instant};

use clap::Args;

use crate::{
    Failure,
    beside::{Updates, ms},
    http_load::{self, Access, Target},
    window::each,
};

/// Load before the first span.
const WARM_UP: Duration = Duration::from_secs(1);

/// The request and the updates beside it.
#[derive(Debug, Clone, Args)]
pub(crate) struct Pause {
    /// Name in the line
    #[arg(long)]
    label: String,
    #[command(flatten)]
    target: Target,
    /// Closed loops
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Path and query of the request that changes many records
    #[arg(long)]
    large: String,
    /// Records that the request must change
    #[arg(long, default_value_t = 1000)]
    changes: u64,
    /// Length of a span, s
    #[arg(long, default_value_t = 2)]
    secs: u64,
}

/// Prints one line: label, longest pause and slowest update around the request, the same of the quiet spans, duration of the
/// request, in ms; errors of updates.
pub(crate) async fn run(pause: &Pause, tell: impl Fn(&str)) -> Result<(), Failure> {
    let span = Duration::from_secs(pause.secs);
    let callers = http_load::callers(&pause.target, &Access::default(), pause.clients).await?;
    let quiet = Instant::now() + WARM_UP;
    let around = quiet + 2 * span;
    let (sent, end) = (around + span, around + 2 * span);
    let loops = callers.into_iter().map(|caller| Updates::run(caller, move || Instant::now() >= end));
    let (clients, took) = tokio::try_join!(each(loops), large(pause, sent))?;
    if took > span {
        return Err(format!("the request took {} ms, longer than the span that is measured", ms(took)).into());
    }
    let updates = Updates::of(clients);
    let (worst, usual) = (updates.worst(around, end), updates.worst(quiet, around));
    let figures = [worst.pause, worst.slowest, usual.pause, usual.slowest, took].map(ms).join("\t");
    tell(&format!("{}\t{figures}\t{}", pause.label, updates.errors()));
    Ok(())
}

/// Sends the request at a moment; returns its duration.
async fn large(pause: &Pause, at: Instant) -> Result<Duration, Failure> {
    tokio::time::sleep_until(at.into()).await;
    let answer = http_load::post(&pause.target.address, &pause.large).await?;
    let took = at.elapsed();
    if http_load::is_ok(&answer) && http_load::records(&answer) == Some(pause.changes) {
        return Ok(took);
    }
    Err(format!("{} does not change {} records: {}", pause.large, pause.changes, answer.escape_ascii()).into())
}
