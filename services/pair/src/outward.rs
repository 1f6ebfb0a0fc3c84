//! A witness as an engine: its few commands go to the primary's node, since a witness keeps no state and answers no question.
//!
//! Never waits for a primary and never attempts again: `dispatch::policy` decides on both. Called by `dispatch`.

use std::{sync::Arc, time::Duration};

use consensus::{RaftId, Status};
use dispatch::{Engine, Standing, Submission};
use outbound::{Answers, Query, Refusal, RefusalCode, Reply, Request};
use tokio::sync::watch;

use crate::{Attempts, ForwardTo, Primary, RaftGroup, forward, leadership};

/// Why a witness answers no question.
const NO_STATE: &str = "a witness keeps no records";

/// The entrance of a witness.
pub type WitnessDoor = dispatch::Dispatch<Outward>;

/// The way of a witness's commands.
pub struct Outward {
    own: RaftId,
    peers: Arc<dyn ForwardTo>,
    status: watch::Receiver<Arc<Status>>,
    standing: watch::Receiver<Standing>,
}

impl Outward {
    /// Forwards through `peers`. `standing`: where updates go, as [`crate::follow`] tells.
    pub fn new(peers: Arc<dyn ForwardTo>, group: &Arc<dyn RaftGroup>, standing: watch::Receiver<Standing>) -> Self {
        let status = group.status();
        let own = status.borrow().id;
        Self { own, peers, status, standing }
    }
}

impl Engine for Outward {
    type Attempts = Attempts;

    fn submit(&self, batch: &[Submission], at: Standing) -> Attempts {
        match leadership::primary_of(at, self.own) {
            Primary::At(peer) => Attempts::There(
                (0..).zip(batch).map(|(position, one)| forward::attempt(&self.peers, peer, position, one)).collect(),
            ),
            Primary::Here | Primary::None => Attempts::Nowhere(0..batch.len()),
        }
    }

    async fn read(&self, _: &[&Request], _: Duration) -> Result<Vec<Reply>, String> {
        Err(NO_STATE.to_owned())
    }

    fn read_last(&self, _: &Request) -> Option<Reply> {
        None
    }

    fn query(&self, _: Query) -> Result<Answers, Refusal> {
        Err(Refusal::new(RefusalCode::Unavailable, NO_STATE))
    }

    fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// The version ordered for the group: the primary raises its state to this version at once.
    fn rules_version(&self) -> u32 {
        self.status.borrow().rules_wanted
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use chassis::tasks::Tasks;
    use dispatch::{HoldConfig, RequestIds};
    use ocs_proto::peer::{ForwardOutcome, ForwardReply};
    use outbound::{Audited, Body, Origin, RULES_WITH_AUDIT};

    use super::*;
    use crate::{
        ForwardResult, Forwarded,
        fakes::{B, FakeGroup, TOKEN, W, done, in_ten_seconds, status},
    };

    /// A primary that acknowledges each request, and keeps it.
    #[derive(Default)]
    struct Acknowledging(Mutex<Vec<(RaftId, Forwarded)>>);

    #[tonic::async_trait]
    impl ForwardTo for Acknowledging {
        async fn forward(&self, to: RaftId, request: Forwarded) -> ForwardResult {
            let id = request.head.id;
            self.0.lock().unwrap().push((to, request));
            let reply = Some(outbound::wire::reply_into_wire(done()));
            ForwardResult::Reply(ForwardReply { id, outcome: ForwardOutcome::Reply.into(), reply })
        }
    }

    #[tokio::test]
    async fn a_command_of_a_witness_goes_to_the_primary_with_its_operator_and_its_address() {
        let tasks = Tasks::new();
        let of_witness = Status { id: W, serving: false, rules_wanted: RULES_WITH_AUDIT, ..status(3, B) };
        let group: Arc<dyn RaftGroup> = Arc::new(FakeGroup::new(of_witness));
        let peers = Arc::new(Acknowledging::default());
        let outward = Outward::new(peers.clone(), &group, crate::follow(group.status(), &tasks));
        let door = WitnessDoor::new(RequestIds::new(3, 1, TOKEN), outward, HoldConfig::default());
        assert_eq!(door.engine().rules_version(), RULES_WITH_AUDIT);
        let order = Audited { node: "w".into(), what: "Reload".into(), ..Audited::default() };
        let reply = door.answer_operator("maria", "h:1", Body::Audited(order), in_ten_seconds()).await;
        assert_eq!(reply, done());
        let sent = peers.0.lock().unwrap().pop().unwrap();
        assert_eq!((sent.0, sent.1.head.principal.as_str(), sent.1.head.address.as_str()), (B, "maria", "h:1"));
        assert_eq!(sent.1.head.origin, i32::from(outbound::wire::origin_to_wire(Origin::Control)));
    }
}
