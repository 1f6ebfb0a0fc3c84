//! The service that peers call: checks every head, remembers every node that was heard, and passes on to the handler.

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use chassis::tasks::{AtEnd, Tasks};
use consensus::{RaftId, Versions};
use data_dir::{DataDir, DataDirError};
use entrance::Refusals;
use futures::{StreamExt, stream::BoxStream};
use ocs_proto::peer::{
    EpochProofReply, EpochProofRequest, FetchStateRequest, ForwardFrame, ForwardReplies, ForwardReply, Head,
    HelloReply, HelloRequest, JoinReply, JoinRequest, PeerFrame, PeerFrameEnd, peer_server::Peer,
};
use pair::Forwarded;
use prost::Message;
use tokio::sync::{Semaphore, mpsc};
use tonic::{Request, Response, Status, Streaming};

use super::{
    FORWARDS_MAX, FRAME_BYTES_MAX, PeerAddress, PeerHandler, StateChunks,
    dial::Dialer,
    guard::{self, Caller, Guard, Own, number},
    queue::Queue,
    speakers::{Speakers, Speaking},
    text::with_cause,
};

pub(super) struct PeerService<H> {
    guard: Arc<Guard>,
    handler: Arc<H>,
    directory: Arc<DataDir>,
    tasks: Tasks,
    refusals: Arc<Refusals>,
    speakers: Arc<Speakers>,
    dialers: Arc<HashMap<u16, Arc<Dialer>>>,
}

impl<H> Clone for PeerService<H> {
    fn clone(&self) -> Self {
        Self {
            guard: Arc::clone(&self.guard),
            handler: Arc::clone(&self.handler),
            directory: Arc::clone(&self.directory),
            tasks: self.tasks.clone(),
            refusals: Arc::clone(&self.refusals),
            speakers: Arc::clone(&self.speakers),
            dialers: Arc::clone(&self.dialers),
        }
    }
}

type Answers<T> = BoxStream<'static, Result<T, Status>>;

#[tonic::async_trait]
impl<H: PeerHandler> Peer for PeerService<H> {
    type ForwardStream = Answers<ForwardReplies>;
    type FetchStateStream = StateChunks;

    async fn hello(&self, request: Request<HelloRequest>) -> Result<Response<HelloReply>, Status> {
        let caller = caller(&request)?;
        self.noted(&caller, self.guard.check_hello(request.get_ref(), &caller))?;
        Ok(Response::new(self.handler.hello(&request.get_ref().node)))
    }

    async fn frames(&self, request: Request<Streaming<PeerFrame>>) -> Result<Response<PeerFrameEnd>, Status> {
        let caller = caller(&request)?;
        let mut frames = request.into_inner();
        let mut speaking = None;
        let stopping = self.tasks.stopping();
        loop {
            let next = tokio::select! {
                () = stopping.cancelled() => None,
                next = frames.message() => {
                    next.inspect_err(|status| tracing::debug!("a peer's stream broke: {}", with_cause(status)))?
                }
            };
            let Some(frame) = next else { return Ok(Response::new(PeerFrameEnd {})) };
            self.pass_on(frame, &caller, &mut speaking).await?;
        }
    }

    async fn forward(
        &self,
        request: Request<Streaming<ForwardFrame>>,
    ) -> Result<Response<Self::ForwardStream>, Status> {
        let caller = caller(&request)?;
        let (replies, waiting) = mpsc::channel(FORWARDS_MAX);
        let batches = Queue::new(waiting, |reply: &ForwardReply| reply.encoded_len())
            .session(FRAME_BYTES_MAX, |replies| Ok(ForwardReplies { replies }));
        let service = self.clone();
        self.tasks.spawn("forwarded requests of a peer", AtEnd::Quiet, async move {
            service.serve_forwards(request.into_inner(), caller, replies).await;
        });
        Ok(Response::new(batches.boxed()))
    }

    async fn fetch_state(
        &self,
        request: Request<FetchStateRequest>,
    ) -> Result<Response<Self::FetchStateStream>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        self.noted(&caller, self.guard.check(request.head.as_ref(), &caller))?;
        self.handler.state(request.index_min).await.map(Response::new)
    }

    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinReply>, Status> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let number = self.noted(&caller, self.guard.check_join(&request, &caller))?;
        let known = request.head.as_ref().map_or(Versions::FIRST, Versions::of);
        let answer = self.handler.join(number, known, request.token).await;
        self.noted(&caller, answer).map(Response::new)
    }

    async fn epoch_proof(&self, request: Request<EpochProofRequest>) -> Result<Response<EpochProofReply>, Status> {
        let caller = caller(&request)?;
        self.noted(&caller, self.guard.check_proof(request.get_ref(), &caller))?;
        self.handler.epoch_proof().map(Response::new)
    }
}

impl<H: PeerHandler> PeerService<H> {
    pub(super) fn new(
        own: &Arc<Own>,
        peers: &[PeerAddress],
        handler: &Arc<H>,
        directory: Arc<DataDir>,
        tasks: &Tasks,
        refusals: &Arc<Refusals>,
        dialers: &HashMap<u16, Arc<Dialer>>,
    ) -> Self {
        Self {
            guard: Arc::new(Guard::new(own, peers)),
            handler: Arc::clone(handler),
            directory,
            tasks: tasks.clone(),
            refusals: Arc::clone(refusals),
            speakers: Speakers::new(),
            dialers: Arc::new(dialers.clone()),
        }
    }

    /// Counts and logs a refusal on its way out; a caller whose request is accepted is known from then on.
    fn noted<T>(&self, caller: &Caller, checked: Result<T, Status>) -> Result<T, Status> {
        match &checked {
            Ok(_) => caller.standing.make_known(),
            Err(status) => self.refusals.request(caller.address, status),
        }
        checked
    }

    /// Passes a frame on only once the disk remembers that its sender was heard (R11 one-id-one-log).
    async fn pass_on(
        &self,
        mut frame: PeerFrame,
        caller: &Caller,
        speaking: &mut Option<Speaking>,
    ) -> Result<(), Status> {
        self.noted(caller, guard::check_messages(&frame))?;
        let from = self.speaker(frame.head.as_ref(), caller, speaking)?;
        self.drop_strays(from, &mut frame, caller.address);
        if self.remember(from).await? {
            // A frame that the handler does not take is dropped: Raft sends again.
            self.handler.on_frame(frame);
        }
        Ok(())
    }

    /// The sender of a frame, if acceptable: the head is right, and the start is the only one of its node that speaks.
    fn speaker(&self, head: Option<&Head>, caller: &Caller, speaking: &mut Option<Speaking>) -> Result<RaftId, Status> {
        let from = self.noted(caller, self.guard.check(head, caller))?;
        let begins = speaking.is_none();
        if let Some(head) = head {
            self.noted(caller, self.speakers.heard(speaking, head, caller.address))?;
        }
        if let Some(dialer) = self.dialers.get(&number(from)).filter(|_| begins) {
            dialer.note_heard(); // the peer's port is open: an answer to the peer does not wait for a pause to end
        }
        Ok(from)
    }

    fn drop_strays(&self, from: RaftId, frame: &mut PeerFrame, address: SocketAddr) {
        let mut strays = 0;
        frame.messages.retain(|message| {
            let ours = self.guard.is_between(from, message);
            strays += u32::from(!ours && !self.guard.is_for_former(from, message));
            ours
        });
        if strays > 0 {
            let why = format!("{strays} messages that are not from {from} to this node's log");
            self.refusals.connection(address, "strays", &why);
        }
    }

    /// False: this node is no member yet, so no frame is passed on.
    async fn remember(&self, from: RaftId) -> Result<bool, Status> {
        if self.directory.has_heard_of(from) {
            return Ok(true);
        }
        let directory = Arc::clone(&self.directory);
        let written = tokio::task::spawn_blocking(move || directory.heard_of(from)).await;
        match written {
            Ok(Ok(())) => Ok(true),
            Ok(Err(DataDirError::NotStamped { .. })) => Ok(false),
            Ok(Err(error)) => {
                tracing::error!(from, "cannot write ocs-node.toml ({error}); shutting down");
                self.tasks.stop();
                Err(Status::unavailable("the node is stopping"))
            }
            Err(_) => Err(Status::unavailable("the node is stopping")),
        }
    }

    /// Reads requests until the peer or this node ends the stream; the replies to requests already begun still go out.
    async fn serve_forwards(
        self,
        mut frames: Streaming<ForwardFrame>,
        caller: Caller,
        replies: mpsc::Sender<ForwardReply>,
    ) {
        let places = Arc::new(Semaphore::new(FORWARDS_MAX));
        let mut speaking = None;
        let stopping = self.tasks.stopping();
        loop {
            let next = tokio::select! {
                () = stopping.cancelled() => return,
                next = frames.message() => next,
            };
            let Ok(Some(frame)) = next else { return };
            let Ok(from) = self.speaker(frame.head.as_ref(), &caller, &mut speaking) else { return };
            for request in frame.requests {
                let Ok(request) = self.noted(&caller, guard::check_forward(from, &request)) else { return };
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                self.answer(from, request, replies.clone(), place);
            }
        }
    }

    fn answer(
        &self,
        from: RaftId,
        request: Forwarded,
        replies: mpsc::Sender<ForwardReply>,
        place: tokio::sync::OwnedSemaphorePermit,
    ) {
        let handler = Arc::clone(&self.handler);
        self.tasks.spawn("forwarded request", AtEnd::Quiet, async move {
            let reply = handler.forward(from, request).await;
            // A reply without a receiver is ordinary: the asking node has seen its stream break, and asks again under the same
            // id.
            drop(replies.send(reply).await);
            drop(place);
        });
    }
}

fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    request.extensions().get::<Caller>().cloned().ok_or_else(|| Status::internal("a connection without a caller"))
}
