//! The time until previews are answered for the first time, while updates go on: records that are passed over stand before the
//! first record that can be handed out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Args;

use crate::{
    Failure,
    beside::{Updates, ms},
    http_load::{self, Access, Caller, Target, What},
    window::each,
};

/// Updates before the first preview and behind the last.
const MARGIN: Duration = Duration::from_secs(1);
/// Pause of a client behind an answer without a record.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// The previews and the updates beside them.
#[derive(Debug, Clone, Args)]
pub(crate) struct First {
    /// Name in the line
    #[arg(long)]
    label: String,
    #[command(flatten)]
    target: Target,
    /// Agents, each with a preview
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Closed loops of updates
    #[arg(long, default_value_t = 4)]
    updates: usize,
    /// Time limit, s
    #[arg(long, default_value_t = 60)]
    limit_secs: u64,
}

/// The wait of one agent.
struct Wait {
    /// Until a record was handed out, or the time limit.
    took: Duration,
    /// Answers without a record.
    without: u64,
}

/// Prints one line: label, seconds from the first request to the first record and to the record of the last agent, answers
/// without a record, updates beside, the slowest of them in ms, errors of updates.
pub(crate) async fn run(first: &First, tell: impl Fn(&str)) -> Result<(), Failure> {
    let previews = Target { what: What::Preview, ..first.target.clone() };
    let plain = Access::default();
    let agents = http_load::callers(&previews, &plain, first.clients).await?;
    let updates = Target { what: What::Update, ..previews };
    let clients = http_load::callers(&updates, &plain, first.updates).await?;
    let is_over = Arc::new(AtomicBool::new(false));
    let loops = clients.into_iter().map(|caller| {
        let is_over = is_over.clone();
        Updates::run(caller, move || is_over.load(Ordering::Relaxed))
    });
    let begun = Instant::now();
    let limit = Duration::from_secs(first.limit_secs);
    let (updates, waits) = tokio::try_join!(each(loops), waits(agents, limit, &is_over))?;
    let updates = Updates::of(updates);
    let slowest = updates.worst(begun, Instant::now()).slowest;
    let took = |wait: &Wait| wait.took;
    let soonest = waits.iter().map(took).min().unwrap_or(limit).as_secs_f64();
    let last = waits.iter().map(took).max().unwrap_or(limit).as_secs_f64();
    let without: u64 = waits.iter().map(|wait| wait.without).sum();
    let (count, errors, slowest) = (updates.count(), updates.errors(), ms(slowest));
    tell(&format!("{}\t{soonest:.2}\t{last:.2}\t{without}\t{count}\t{slowest}\t{errors}", first.label));
    Ok(())
}

/// The waits of all agents; ends the updates a moment later.
async fn waits(agents: Vec<Caller>, limit: Duration, is_over: &AtomicBool) -> Result<Vec<Wait>, Failure> {
    tokio::time::sleep(MARGIN).await;
    let begun = Instant::now();
    let waits = each(agents.into_iter().map(|agent| wait(agent, begun, limit))).await?;
    tokio::time::sleep(MARGIN).await;
    is_over.store(true, Ordering::Relaxed);
    Ok(waits)
}

/// Asks until a record is handed out.
async fn wait(mut agent: Caller, begun: Instant, limit: Duration) -> Result<Wait, Failure> {
    let mut without = 0;
    while begun.elapsed() < limit {
        if agent.ask().await? {
            return Ok(Wait { took: begun.elapsed(), without });
        }
        without += 1;
        tokio::time::sleep(ASK_AGAIN).await;
    }
    Ok(Wait { took: limit, without })
}
