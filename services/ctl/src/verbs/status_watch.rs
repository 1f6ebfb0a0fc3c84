//! `status --watch`: the status again and again, through failovers and silence, until Ctrl-C. Never changes anything.

use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    cluster::Cluster,
    failure::Failure,
    group::{self, GroupAnswers},
    print::{
        Out,
        live::Live,
        status::{GroupView, WatchedView},
    },
};

/// Ends with [`Failure::Interrupted`], or where the output takes no more.
pub(crate) async fn run(cluster: &Cluster, out: Out, every: Duration) -> Result<(), Failure> {
    let mut interrupts = signal(SignalKind::interrupt())
        .map_err(|error| Failure::Refused(format!("cannot listen for Ctrl-C: {error}")))?;
    let mut live = Live::new(out);
    loop {
        let began = Instant::now();
        let group = until(&mut interrupts, group::survey(cluster)).await;
        let shown = group.and_then(|group| show(&mut live, &group, every));
        match shown {
            Ok(()) => {}
            Err(Failure::Interrupted) => return Err(live.interrupted()),
            Err(failure) => return Err(failure),
        }
        let pause = tokio::time::sleep(every.saturating_sub(began.elapsed()));
        if until(&mut interrupts, pause).await.is_err() {
            return Err(live.interrupted());
        }
    }
}

fn show(live: &mut Live, group: &GroupAnswers<'_>, every: Duration) -> Result<(), Failure> {
    let view = WatchedView::now(GroupView::new(group));
    let heading = format!("{}, every {} s, until Ctrl-C", view.time, every.as_secs_f64());
    live.show(&view, &heading, |view| view.group.status_table(), |view, text| view.group.colours(text))
}

/// The end of a wait, unless Ctrl-C comes first.
async fn until<T>(interrupts: &mut Signal, wait: impl Future<Output = T>) -> Result<T, Failure> {
    tokio::select! {
        done = wait => Ok(done),
        _ = interrupts.recv() => Err(Failure::Interrupted),
    }
}
