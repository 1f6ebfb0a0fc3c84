//! Traced updates between their proposal and their decision: the spans "commit", until the entry is committed, and "apply", the
//! decision on the state.
//!
//! Never keeps an update for long: an update that is never decided here, as after a failover, goes with its place. While nothing
//! is traced, a command costs the apply thread a relaxed load. Called by the door and by the machine.

use std::{
    collections::HashMap,
    sync::{
        LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use chassis::spans::{OpenSpan, SpanContext};
use outbound::RequestId;

/// Updates that wait for their decision.
const PENDING_MAX: usize = 4096;
/// Beyond, an update is not decided here any more.
const PENDING_TIME: Duration = Duration::from_secs(60);

/// The number of pending updates.
static COUNT: AtomicUsize = AtomicUsize::new(0);
static PENDING: LazyLock<Mutex<HashMap<RequestId, Pending>>> = LazyLock::new(Mutex::default);

struct Pending {
    commit: OpenSpan,
    parent: SpanContext,
}

fn pending() -> MutexGuard<'static, HashMap<RequestId, Pending>> {
    PENDING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An update goes to the log of this node.
pub(crate) fn proposed(id: RequestId, trace: Option<SpanContext>) {
    let Some((commit, parent)) = OpenSpan::within("commit", trace).zip(trace) else { return };
    let mut pending = pending();
    if pending.len() >= PENDING_MAX {
        pending.retain(|_, one| one.commit.start().elapsed().is_ok_and(|age| age < PENDING_TIME));
    }
    if pending.len() < PENDING_MAX {
        pending.insert(id, Pending { commit, parent });
    }
    COUNT.store(pending.len(), Ordering::Relaxed);
}

/// The apply thread comes to an update: its entry is committed. The result ends with the decision.
pub(crate) fn applying(id: &RequestId) -> Option<OpenSpan> {
    if COUNT.load(Ordering::Relaxed) == 0 {
        return None;
    }
    let mut pending = pending();
    let Pending { commit, parent } = pending.remove(id)?;
    COUNT.store(pending.len(), Ordering::Relaxed);
    drop(pending);
    commit.end(Vec::new(), false);
    OpenSpan::within("apply", Some(parent))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chassis::spans::{self, Sampler, Span};

    use super::*;

    #[test]
    fn an_update_has_a_span_until_its_commit_and_one_for_its_decision() {
        let taken: Arc<Mutex<Vec<Span>>> = Arc::default();
        let of_sink = taken.clone();
        let _installed = spans::install(Arc::new(move |span| of_sink.lock().unwrap().push(span))).unwrap();
        let id = |counter| RequestId { node: 77, counter, ..RequestId::default() };
        let request = Sampler::of_millionths(1_000_000).unwrap().begin("request", None).unwrap();
        proposed(id(1), None);
        proposed(id(2), Some(request.context()));
        assert!(applying(&id(1)).is_none() && applying(&id(3)).is_none());
        applying(&id(2)).unwrap().end(Vec::new(), false);
        assert!(applying(&id(2)).is_none(), "each update is decided once");
        let spans = taken.lock().unwrap();
        assert_eq!(spans.iter().map(|span| &*span.name).collect::<Vec<_>>(), ["commit", "apply"]);
        assert!(spans.iter().all(|span| span.parent == Some(request.context().span())));
        assert!(spans[0].end <= spans[1].end);
    }
}
