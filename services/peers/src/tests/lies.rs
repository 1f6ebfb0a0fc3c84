//! Greetings, frames and requests for admission that no release sends, from seeds: none of them ends this node, nor spoils its
//! next start. `FUZZ_SECONDS` makes the test go on for longer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use data_dir::{DataIdentity, Formation};
use entrance::Places;
use ocs_proto::{
    outbound::RequestId,
    peer::{ForwardRequest, Head, HelloRequest, JoinRequest, PeerFrame},
};
use prost::Message;
use rand::{Rng, SeedableRng, rngs::StdRng};
use tempfile::TempDir;

use super::{super::*, fixture::*};
use crate::guard::{self, Caller, Guard, Standing};

const SEEDS: u64 = 300;
const LIES_A_SEED: usize = 20;

/// A member of a group, as its guard sees it.
struct Listener {
    home: TempDir,
    directory: Arc<DataDir>,
    own: Arc<Own>,
    guard: Guard,
    caller: Caller,
}

fn identity_of_a() -> DataIdentity {
    DataIdentity { cluster_id: "test".into(), cluster: CLUSTER, node: "a".into(), kind: consensus::Kind::Data }
}

impl Listener {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        let directory = Arc::new(DataDir::open(home.path(), identity_of_a(), true).unwrap());
        directory.stamp().unwrap();
        let node = PeerSelf { name: "a".into(), raft_id: 1, cluster: CLUSTER, epoch: 1, start: [5; 16] };
        let own = Arc::new(Own::new(node, Arc::clone(&directory)));
        let peer = |name: &str, raft_id| PeerAddress {
            name: name.into(),
            raft_id,
            address: "127.0.0.1:1".into(),
            witness: false,
        };
        let guard = Guard::new(&own, &[peer("b", 2), peer("w", 3)]);
        let address: std::net::SocketAddr = "127.0.0.1:1".parse().unwrap();
        let (place, _) = Places::new(1, 1).take(address.ip()).unwrap();
        let caller = Caller { address, certified: None, standing: Arc::new(Standing::new(place)) };
        Self { home, directory, own, guard, caller }
    }

    /// The service handles each of them, up to the handler.
    fn hear(&self, rng: &mut StdRng) {
        match rng.random_range(0..4) {
            0 => {
                let hello = HelloRequest { head: Some(head(rng)), node: name(rng) };
                let checked = mutated(&hello, rng).map(|hello| self.guard.check_hello(&hello, &self.caller));
                one_line(checked.and_then(Result::err));
            }
            1 => {
                let join = JoinRequest { head: Some(head(rng)), node: name(rng), token: rng.random() };
                let checked = mutated(&join, rng).map(|join| self.guard.check_join(&join, &self.caller));
                one_line(checked.and_then(Result::err));
            }
            2 => {
                let id = RequestId {
                    node: rng.random_range(0..4),
                    incarnation: rng.random(),
                    counter: rng.random(),
                    token_high: rng.random(),
                    token_low: rng.random(),
                };
                let head = ForwardRequest { id: rng.random_bool(0.9).then_some(id), ..ForwardRequest::default() };
                let mut request = head.encode_to_vec();
                if rng.random_bool(0.3) {
                    request.extend((0..rng.random_range(1..40)).map(|_| rng.random::<u8>()));
                }
                let request = request.into();
                one_line(guard::check_forward(number_near(rng, 2), &request).err());
            }
            _ => {
                let frame = PeerFrame { head: Some(head(rng)), ..PeerFrame::default() };
                let Some(frame) = mutated(&frame, rng) else { return };
                let checked =
                    guard::check_messages(&frame).and_then(|()| self.guard.check(frame.head.as_ref(), &self.caller));
                match checked {
                    Ok(from) => self.directory.heard_of(from).unwrap(),
                    Err(status) => one_line(Some(status)),
                }
            }
        }
    }

    /// The node gives in to the epoch that the guard believes, and the next start reads the stamp that this wrote.
    fn start_again(self) {
        let (epoch, _) = self.own.watch_over();
        let heard = *epoch.borrow();
        if heard > 1 {
            self.directory.give_up_for(heard).unwrap();
        }
        let Self { home, directory, own, guard, .. } = self;
        drop((guard, own, epoch));
        drop(Arc::into_inner(directory).expect("nobody else has the directory"));
        let again = DataDir::open(home.path(), identity_of_a(), false).unwrap();
        assert_eq!(again.formation(), if heard > 1 { Formation::Joining } else { Formation::Formed });
    }
}

fn one_line(refused: Option<tonic::Status>) {
    if let Some(status) = refused {
        assert!(!status.message().contains(char::is_control) && status.message().len() < 2048, "{status:?}");
    }
}

fn number_near(rng: &mut StdRng, near: u64) -> u64 {
    match rng.random_range(0..10) {
        0 => rng.random(),
        1 => u64::MAX,
        2 => 1 << 63,
        3 => near | rng.random_range(0..1 << 20) << 16,
        _ => near.wrapping_add(rng.random_range(0..3)).wrapping_sub(1),
    }
}

fn head(rng: &mut StdRng) -> Head {
    Head {
        format: 1,
        cluster: CLUSTER.to_vec().into(),
        epoch: number_near(rng, 1),
        from: number_near(rng, 2),
        incarnation: rng.random(),
        data_durable: number_near(rng, 9),
        wall_clock_us: rng.random(),
        digest_index: number_near(rng, 9),
        digest: vec![0; rng.random_range(0..20)].into(),
        term: number_near(rng, 5),
        applied: number_near(rng, 9),
        handing_over: name(rng),
        members: (0..rng.random_range(0..4)).map(|_| number_near(rng, 1)).collect(),
        ..Head::default()
    }
}

fn name(rng: &mut StdRng) -> String {
    match rng.random_range(0..4) {
        0 => "b\nERROR all is lost".into(),
        1 => "x".repeat(rng.random_range(0..5000)),
        _ => "b".into(),
    }
}

/// The message unchanged, or with a byte changed and decoded again.
fn mutated<M: prost::Message + Default + Clone>(message: &M, rng: &mut StdRng) -> Option<M> {
    let mut bytes = message.encode_to_vec();
    if rng.random_bool(0.3) && !bytes.is_empty() {
        let at = rng.random_range(0..bytes.len());
        bytes[at] = rng.random();
    }
    M::decode(&bytes[..]).ok()
}

#[test]
fn no_greeting_frame_or_request_for_admission_ends_a_node_nor_its_next_start() {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let (begun, mut seed) = (Instant::now(), 1);
    while seed <= SEEDS || begun.elapsed() < Duration::from_secs(seconds) {
        let mut rng = StdRng::seed_from_u64(seed);
        let listener = Listener::new();
        for _ in 0..LIES_A_SEED {
            listener.hear(&mut rng);
        }
        listener.start_again();
        seed += 1;
    }
}
