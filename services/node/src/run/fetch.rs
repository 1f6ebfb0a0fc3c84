//! Fetches a state for this node from the other data node, when consensus asks for one (R11 one-id-one-log).
//!
//! Never touches the state in service: the fetched state stands beside it until the apply thread takes it over.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use chassis::tasks::Tasks;
use consensus::{FetchedState, Handle, bounds};
use ocs_proto::peer::StateChunk;
use outbound::{Reply, RequestId};
use pair::machine::take_in;
use peers::{PeerAddress, Peers};
use store::StoreConfig;
use tokio::sync::mpsc;

use super::spawn_quiet;

/// Chunks that may wait for the disk.
const CHUNKS_MAX: usize = 4;
/// Pause before consensus hears of a failed fetch, so that consensus does not ask again at once.
const PAUSE: Duration = Duration::from_secs(1);

/// Fetches states. Cheap to clone.
#[derive(Clone)]
pub(super) struct Fetcher {
    inner: Arc<Inner>,
}

struct Inner {
    peers: Peers,
    config: StoreConfig,
    directory: PathBuf,
    tasks: Tasks,
    raft: OnceLock<Handle<RequestId, Reply>>,
    runtime: tokio::runtime::Handle,
}

impl Fetcher {
    /// `directory`: where the state is prepared. Must run inside a runtime.
    pub(super) fn new(peers: Peers, config: StoreConfig, directory: PathBuf, tasks: &Tasks) -> Self {
        let runtime = tokio::runtime::Handle::current();
        let inner = Inner { peers, config, directory, tasks: tasks.clone(), raft: OnceLock::new(), runtime };
        Self { inner: Arc::new(inner) }
    }

    /// Sets the handle of consensus, which hears the results.
    pub(super) fn connect(&self, raft: Handle<RequestId, Reply>) {
        if self.inner.raft.set(raft).is_err() {
            unreachable!("a node starts once");
        }
    }

    /// The trigger that consensus calls, from its own thread.
    pub(super) fn trigger(&self) -> Box<dyn FnMut(u64) + Send> {
        let fetcher = self.clone();
        Box::new(move |index_min| {
            let one = fetcher.clone();
            let _inside = fetcher.inner.runtime.enter();
            spawn_quiet(&fetcher.inner.tasks, "fetch", async move { one.fetch(index_min).await });
        })
    }

    async fn fetch(&self, index_min: u64) {
        let fetched = self.fetch_any(index_min).await;
        if fetched.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
        while self.inner.raft.get().is_none() {
            tokio::task::yield_now().await; // consensus may ask before `connect` is called
        }
        if let Some(raft) = self.inner.raft.get() {
            raft.fetched(fetched);
        }
    }

    async fn fetch_any(&self, index_min: u64) -> Result<FetchedState, String> {
        let mut why = "no other data node is configured".to_owned();
        for peer in self.inner.peers.peers().iter().filter(|peer| !peer.witness) {
            tracing::info!(from = peer.name, index_min, "fetching the state");
            match self.fetch_one(peer, index_min).await {
                Ok(state) => {
                    tracing::info!(from = peer.name, index = state.mark.index, "the state was fetched");
                    return Ok(state);
                }
                Err(reason) => why = format!("{}: {reason}", peer.name),
            }
        }
        Err(why)
    }

    async fn fetch_one(&self, peer: &PeerAddress, index_min: u64) -> Result<FetchedState, String> {
        let stream = self.inner.peers.fetch_state(peer.raft_id, index_min).await;
        let mut stream = stream.map_err(|status| status.message().to_owned())?;
        let (chunks, queue) = mpsc::channel(CHUNKS_MAX);
        let (directory, config) = (self.inner.directory.clone(), self.inner.config.clone());
        let taking = tokio::task::spawn_blocking(move || take_in_queued(&directory, &config, queue));
        loop {
            let chunk = stream.next().await.map_err(|status| status.message().to_owned()).transpose();
            let Some(chunk) = chunk else { break };
            if chunks.send(chunk).await.is_err() {
                break; // the disk side ended, and says why
            }
        }
        drop(chunks);
        taking.await.unwrap_or_else(|_| Err("taking the state in panicked".to_owned()))
    }
}

fn take_in_queued(
    directory: &Path,
    config: &StoreConfig,
    mut queue: mpsc::Receiver<Result<StateChunk, String>>,
) -> Result<FetchedState, String> {
    let chunks = std::iter::from_fn(move || queue.blocking_recv());
    let state = take_in(directory, config, chunks).map_err(|error| error.to_string())?;
    match state.mark.conf_state.as_ref().map_or(Ok(()), |_| bounds::mark(&state.mark)) {
        Ok(()) => Ok(state),
        Err(why) => Err(format!("a state with {why}")),
    }
}
