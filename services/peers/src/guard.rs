//! Heads: the identity that this node writes into its own, and the checks on the heads of other nodes.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use consensus::{
    FORMATS, RaftId, bounds,
    members::{self, Epochs},
};
use data_dir::DataDir;
use entrance::{Phase, Place};
use ocs_proto::peer::{EpochProofRequest, Head, HelloRequest, JoinRequest, PeerFrame};
use pair::Forwarded;
use tokio::sync::watch;
use tonic::Status;

use super::{PeerAddress, PeerSelf, claims::Claims, text::shown};
use crate::versions;

/// The version of our frames (architecture, Storage).
pub(super) const FORMAT: u32 = 1;

/// A node's number in the configuration: the low 16 bits of its Raft id.
pub(super) fn number(id: RaftId) -> u16 {
    (id & 0xffff) as u16
}

/// The other end of an accepted connection.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) address: SocketAddr,
    /// Numbers of the configured nodes that the caller's certificate names or that the caller proved to be; none: a plain
    /// connection.
    pub(super) certified: Option<Arc<[u16]>>,
    /// The connection's place among the others.
    pub(super) standing: Arc<Standing>,
}

/// Whether the caller is known: until then the connection makes room for others.
#[derive(Debug)]
pub(super) struct Standing {
    place: Place,
    known: AtomicBool,
}

impl Standing {
    pub(super) fn new(place: Place) -> Self {
        Self { place, known: AtomicBool::new(false) }
    }

    /// The connection has proved to be a configured node's, and keeps its place.
    pub(super) fn is_known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }

    pub(super) fn make_known(&self) {
        if !self.is_known() && !self.known.swap(true, Ordering::Relaxed) {
            self.place.is(Phase::Busy);
        }
    }

    /// Completes when the connection has to make room.
    pub(super) async fn pushed_out(&self) {
        self.place.pushed_out().await;
    }
}

impl Caller {
    fn may_be(&self, number: u16) -> bool {
        self.certified.as_ref().is_none_or(|numbers| numbers.contains(&number))
    }
}

/// This node's part of every head.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) node: PeerSelf,
    cluster: Bytes,
    start: Bytes,
    directory: Arc<DataDir>,
    /// The highest epoch that a log of this cluster proved, or that an older version claimed.
    highest: watch::Sender<u64>,
    /// Claims that are still to be proved.
    claims: Claims,
    /// Whether a primary of this epoch reported that this node's id was replaced.
    replaced: watch::Sender<bool>,
}

impl Own {
    pub(super) fn new(node: PeerSelf, directory: Arc<DataDir>) -> Self {
        let (cluster, start) = (Bytes::copy_from_slice(&node.cluster), Bytes::copy_from_slice(&node.start));
        let (highest, replaced) = (watch::channel(node.epoch).0, watch::channel(false).0);
        Self { node, cluster, start, directory, highest, claims: Claims::default(), replaced }
    }

    /// Notes the epoch that a node of this cluster, whose certificate was checked, claims. The node's log must prove an epoch
    /// higher than ours before anything is given up (see [`super::epochs`]).
    pub(super) fn heard_epoch(&self, epoch: u64, from: &str) {
        if epoch > *self.highest.borrow() {
            self.claims.add(from, epoch);
        }
    }

    /// Notes the epoch of a log of this cluster. An epoch higher than ours means that an operator forced another node, and that
    /// the promises of this node's log are over (R11 one-id-one-log).
    pub(super) fn believe_epoch(&self, epoch: u64, from: &str) {
        let news = |highest: &mut u64| {
            let higher = epoch > *highest;
            *highest = epoch.max(*highest);
            higher
        };
        if self.highest.send_if_modified(news) {
            tracing::error!(
                from,
                epoch,
                ours = self.node.epoch,
                "an operator forced another node: this one's epoch is over"
            );
        }
    }

    /// Higher epochs that were claimed and not proved yet.
    pub(super) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Whether the group's formats were raised, so that every voter and learner knows this version's formats.
    pub(super) fn raised(&self) -> bool {
        self.directory.raised()
    }

    /// Notes the membership that a primary of this epoch, whose certificate was checked, told (R11).
    fn heard_members(&self, told: &[RaftId], from: &str) {
        if members::replaced(self.node.raft_id, told) && !self.replaced.send_replace(true) {
            tracing::error!(from, ours = self.node.raft_id, ?told, "this node's Raft id was replaced by a newer one");
        }
    }

    /// The highest believed epoch, and whether this node's id was replaced, to wait for a change.
    pub(super) fn watch_over(&self) -> (watch::Receiver<u64>, watch::Receiver<bool>) {
        (self.highest.subscribe(), self.replaced.subscribe())
    }

    /// Writes the sender into a head; the fields of consensus stay as they are.
    pub(super) fn sign(&self, head: &mut Head) {
        head.format = FORMAT;
        head.cluster = self.cluster.clone();
        head.epoch = self.node.epoch;
        head.from = self.node.raft_id;
        head.incarnation = self.directory.incarnation();
        head.start = self.start.clone();
        (head.formats_min, head.formats_max) = FORMATS;
        (head.rules_min, head.rules_max) = versions::RULES;
    }

    /// A head with the sender and the time, and nothing else.
    pub(super) fn head(&self) -> Head {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut head = Head { wall_clock_us: u64::try_from(now.as_micros()).unwrap_or(u64::MAX), ..Head::default() };
        self.sign(&mut head);
        head
    }
}

/// Formats are ranges; a head without a range is of a release that knows only the first format. Once the group's formats are
/// raised, that release cannot read this node's frames.
fn check_formats(head: &Head, raised: bool) -> Result<(), Status> {
    let (lowest, highest) = (head.formats_min.max(1), head.formats_max.max(1));
    let (format, ours) = (head.format, if raised { (FORMATS.1, FORMATS.1) } else { FORMATS });
    if format == FORMAT && lowest <= ours.1 && highest >= ours.0 {
        return Ok(());
    }
    Err(Status::failed_precondition(format!(
        "frames of format {format} from a release that knows formats {lowest} to {highest}; this node knows {} to {}",
        ours.0, ours.1
    )))
}

/// Checks the heads of other nodes.
#[derive(Debug)]
pub(super) struct Guard {
    own: Arc<Own>,
    names: Vec<(u16, String)>,
}

impl Guard {
    pub(super) fn new(own: &Arc<Own>, peers: &[PeerAddress]) -> Self {
        let names = peers.iter().map(|peer| (number(peer.raft_id), peer.name.clone())).collect();
        Self { own: Arc::clone(own), names }
    }

    /// The sender, if the frame is acceptable.
    pub(super) fn check(&self, head: Option<&Head>, caller: &Caller) -> Result<RaftId, Status> {
        let head = head.ok_or_else(|| Status::invalid_argument("a frame without a head"))?;
        within_bounds(head)?;
        check_formats(head, self.own.raised())?;
        if head.cluster != self.own.cluster {
            return Err(Status::failed_precondition("a frame of another cluster"));
        }
        let name = self.identify(number(head.from), caller)?;
        self.check_epoch(head.epoch, name)?;
        self.own.heard_members(&head.members, name);
        Ok(head.from)
    }

    /// Nodes of different epochs exchange nothing; the lower side is told, and gives its Raft id up (R11).
    fn check_epoch(&self, epoch: u64, from: &str) -> Result<(), Status> {
        let ours = self.own.node.epoch;
        match members::epochs(ours, epoch) {
            Epochs::Same => Ok(()),
            Epochs::OursOver => {
                self.own.heard_epoch(epoch, from);
                let why = format!("this node is in epoch {ours}: it joins again once a log proves epoch {epoch}");
                Err(Status::failed_precondition(why))
            }
            Epochs::TheirsOver => {
                let why = format!("epoch {epoch} is over, this group is in epoch {ours}");
                Err(Status::failed_precondition(why))
            }
        }
    }

    /// A greeting: the caller may be in any epoch, and a higher epoch becomes a claim. The caller's number is the same in both
    /// configurations.
    pub(super) fn check_hello(&self, request: &HelloRequest, caller: &Caller) -> Result<(), Status> {
        self.check_name(&request.node, caller)?;
        let ours = |head: &&Head| head.cluster == self.own.cluster && check_formats(head, false).is_ok();
        if let Some(head) = request.head.as_ref().filter(ours) {
            within_bounds(head)?;
            self.check_place(&request.node, number(head.from))?;
            self.own.heard_epoch(head.epoch, &request.node);
        }
        Ok(())
    }

    /// A node of a lower epoch asks for the evidence of this node's epoch.
    pub(super) fn check_proof(&self, request: &EpochProofRequest, caller: &Caller) -> Result<(), Status> {
        if request.head.as_ref().is_none_or(|head| head.cluster != self.own.cluster) {
            return Err(Status::failed_precondition("not a node of this cluster"));
        }
        request.head.as_ref().map_or(Ok(()), within_bounds)?;
        self.check_name(&request.node, caller)
    }

    /// The number of a node that asks to be taken in.
    pub(super) fn check_join(&self, request: &JoinRequest, caller: &Caller) -> Result<u16, Status> {
        let of_ours = request
            .head
            .as_ref()
            .is_some_and(|head| head.cluster == self.own.cluster && check_formats(head, false).is_ok());
        if !of_ours || request.token == 0 {
            return Err(Status::failed_precondition("not a node of this cluster and version"));
        }
        self.check_name(&request.node, caller)?;
        request.head.as_ref().map_or(Ok(()), within_bounds)?;
        // The node may be of a lower epoch or of none; if it is of a higher epoch, this group is over.
        let epoch = request.head.as_ref().map_or(0, |head| head.epoch);
        self.check_epoch(epoch.max(self.own.node.epoch), &request.node)?;
        let number = self.names.iter().find(|(_, known)| *known == request.node).map(|(number, _)| *number);
        number.ok_or_else(|| Status::permission_denied("not configured here"))
    }

    /// A greeting carries a name instead of a head that could be checked: the answer tells whether the clusters are the same.
    pub(super) fn check_name(&self, name: &str, caller: &Caller) -> Result<(), Status> {
        match self.names.iter().find(|(_, known)| known == name) {
            Some((number, _)) => self.identify(*number, caller).map(drop),
            None => Err(Status::permission_denied(format!("node \"{}\" is not configured here", shown(name)))),
        }
    }

    /// Whether a message is from that sender to this node's log (R11: never to a former log).
    pub(super) fn is_between(&self, from: RaftId, message: &ocs_proto::peer::RaftMessage) -> bool {
        message.from == from && message.to == self.own.node.raft_id
    }

    /// Whether a message is for a former id of this node: ordinary while the node is being replaced.
    pub(super) fn is_for_former(&self, from: RaftId, message: &ocs_proto::peer::RaftMessage) -> bool {
        let own = self.own.node.raft_id;
        message.from == from && number(message.to) == number(own) && message.to < own
    }

    /// A number is a place in `cluster.nodes`: a node whose list has another order would form the group, and write its log, under
    /// another node's number.
    fn check_place(&self, name: &str, claimed: u16) -> Result<(), Status> {
        match self.names.iter().find(|(_, known)| known == name) {
            Some((known, name)) if *known != claimed => Err(Status::failed_precondition(format!(
                "node \"{name}\" is number {claimed} in its own cluster.nodes and number {known} in that of node \"{}\": the order of \
                 the nodes is the same in every file",
                self.own.node.name
            ))),
            _ => Ok(()),
        }
    }

    /// A number is a place in `cluster.nodes`: this node's own number from another node tells that the two lists differ.
    fn unknown(&self, claimed: u16) -> String {
        if claimed == number(self.own.node.raft_id) {
            return format!(
                "node number {claimed} is this node, {:?}: the nodes stand in another order in the caller's cluster.nodes; the order is \
                 the same in the file of every node",
                self.own.node.name
            );
        }
        format!("node number {claimed} is not configured here: cluster.nodes differs between the two nodes")
    }

    fn identify(&self, number: u16, caller: &Caller) -> Result<&str, Status> {
        let Some((_, name)) = self.names.iter().find(|(known, _)| *known == number) else {
            return Err(Status::permission_denied(self.unknown(number)));
        };
        if !caller.may_be(number) {
            return Err(Status::permission_denied(format!(
                "the certificate does not name node \"{name}\", which has number {number} here: it is another node's certificate, or \
                 the nodes stand in another order in cluster.nodes there"
            )));
        }
        Ok(name)
    }
}

/// A head with impossible numbers is refused before any of them is believed.
fn within_bounds(head: &Head) -> Result<(), Status> {
    bounds::head(head).map_err(|why| Status::invalid_argument(format!("a head with {why}")))
}

/// A request bears the number of the node that read it: under another number it would take the place of that node's requests.
pub(super) fn check_forward(from: RaftId, request: &Bytes) -> Result<Forwarded, Status> {
    let unreadable = |error| Status::invalid_argument(format!("a forwarded request that is no message: {error}"));
    let request = Forwarded::decode(request).map_err(unreadable)?;
    match request.head.id {
        Some(id) if id.node == u32::from(number(from)) => Ok(request),
        Some(_) => Err(Status::invalid_argument("a forwarded request under another node's number")),
        None => Err(Status::invalid_argument("a forwarded request without an id")),
    }
}

/// A frame never has more messages than a frame of any release.
pub(super) fn check_messages(frame: &PeerFrame) -> Result<(), Status> {
    let fits = frame.messages.len() <= bounds::MESSAGES_MAX;
    if fits { Ok(()) } else { Err(Status::invalid_argument("a frame with too many messages")) }
}
