//! Two nodes on real sockets.

mod door;
mod fixture;
mod lies;

use consensus::Transport;
use data_dir::Formation;
use futures::future::join_all;
use ocs_proto::{outbound::RequestId, peer::ForwardRequest};
use pair::ForwardResult;
use tokio_util::sync::CancellationToken;

use super::*;

use fixture::{bind, frame, message, pair, pair_over_relay};

fn request(counter: u64) -> Forwarded {
    let id = RequestId { node: 1, incarnation: 1, counter, ..RequestId::default() };
    let head = ForwardRequest { id: Some(id), deadline_ms: 1000, ..ForwardRequest::default() };
    Forwarded { head, ..Forwarded::default() }
}

#[tokio::test]
async fn frames_arrive_in_order_and_what_waited_arrives_together_under_the_newest_head() {
    let (a, mut b) = pair(None);
    a.connected(2).await;
    let transport = a.peers.transport();
    for index in 1..=200 {
        transport.send(2, frame(index, vec![message(1, 2, index)]));
    }
    let merged = b.frames.recv().await.unwrap();
    assert_eq!(merged.messages.iter().map(|message| message.index).collect::<Vec<_>>(), (1..=200).collect::<Vec<_>>());
    let head = merged.head.unwrap();
    assert_eq!((head.term, head.from, &head.cluster[..]), (200, 1, &fixture::CLUSTER[..]));
}

#[tokio::test]
async fn a_merged_frame_stays_within_its_limit() {
    let (a, mut b) = pair(None);
    a.connected(2).await;
    let transport = a.peers.transport();
    for index in 1..=10 {
        let mut large = message(1, 2, index);
        large.context = vec![0; 900 << 10].into();
        transport.send(2, frame(1, vec![large]));
    }
    let mut seen = 0;
    while seen < 10 {
        let got = b.frames.recv().await.unwrap();
        assert!(prost::Message::encoded_len(&got) <= FRAME_BYTES_MAX);
        assert_eq!(got.messages[0].index, seen + 1);
        seen += got.messages.len() as u64;
    }
}

#[tokio::test]
async fn a_peer_is_remembered_on_disk_before_its_first_frame_is_passed_on() {
    let (a, mut b) = pair(None);
    a.connected(2).await;
    assert!(!b.directory.has_heard_of(1));
    a.peers.transport().send(2, frame(1, vec![message(1, 2, 1)]));
    b.frames.recv().await.unwrap();
    let stamp = std::fs::read_to_string(b.directory.path().join(data_dir::STAMP_FILE)).unwrap();
    assert!(stamp.contains("heard_of = [1]"), "{stamp}");
    assert!(a.peers.hello(2).await.unwrap().heard_of_you);
}

#[tokio::test]
async fn messages_to_a_former_incarnation_or_in_anothers_name_are_dropped() {
    let (a, mut b) = pair(None);
    a.connected(2).await;
    let former = 2 | (1 << 16);
    let messages = vec![message(1, former, 1), message(3, 2, 2), message(1, 2, 3)];
    a.peers.transport().send(2, frame(1, messages));
    let got = b.frames.recv().await.unwrap();
    assert_eq!(got.messages, [message(1, 2, 3)]);
    assert_eq!(b.peers.refused_total(), 1);
}

#[tokio::test]
async fn the_loss_of_a_peer_whose_port_is_closed_is_told_as_refused() {
    let (mut a, _b, relay) = pair_over_relay().await;
    relay.close().await;
    // The port may close a moment after the connection: then the refusal is told second.
    while a.lost.recv().await.unwrap() != (2, true) {}
    assert!(!a.peers.connected(2));
}

#[tokio::test]
async fn the_loss_of_a_connection_alone_is_told_as_not_refused_and_mended() {
    let (mut a, mut b, relay) = pair_over_relay().await;
    relay.cut_connections();
    assert_eq!(a.lost.recv().await.unwrap(), (2, false));
    a.connected(2).await;
    a.peers.transport().send(2, frame(1, vec![message(1, 2, 1)]));
    assert_eq!(b.frames.recv().await.unwrap().messages.len(), 1);
}

#[tokio::test]
async fn a_peer_that_stops_is_refused_at_once_and_found_again() {
    let (mut a, b) = pair(None);
    a.connected(2).await;
    let address = b.peers.local_addr();
    assert!(b.tasks.drain(std::time::Duration::from_secs(60)).await, "a node with open streams stops");
    while a.lost.recv().await.unwrap() != (2, true) {}
    let mut again = bind(2, None);
    again.bound.config.listen = address;
    again.bound.listener = entrance::listen(address).unwrap();
    again.knows(1, &a.peers.local_addr().to_string());
    let _again = again.serve();
    a.connected(2).await;
}

#[tokio::test]
async fn thousands_of_requests_are_forwarded_at_once_and_each_gets_its_own_reply() {
    let (a, b) = pair(None);
    a.connected(2).await;
    let forward = a.peers.forward();
    let asked = join_all((0..5000).map(|counter| forward.forward(2, request(counter))));
    let answered = async {
        let mut arrived = b.arrived.lock().await;
        for counter in 0..5000 {
            let (from, request) = arrived.recv().await.unwrap();
            assert_eq!((from, request.head.id.unwrap().counter, request.head.deadline_ms), (1, counter, 1000));
        }
        b.handler.answers.add_permits(5000);
    };
    let (results, ()) = tokio::join!(asked, answered);
    for (counter, result) in results.into_iter().enumerate() {
        let ForwardResult::Reply(reply) = result else { panic!("{result:?}") };
        assert_eq!(reply.id, request(counter as u64).head.id);
    }
}

#[tokio::test]
async fn a_request_whose_stream_breaks_after_it_left_is_lost_and_the_next_is_not_sent() {
    let (a, b, relay) = pair_over_relay().await;
    let forward = a.peers.forward();
    let cut = async {
        b.arrived.lock().await.recv().await.unwrap();
        relay.close().await;
    };
    let (result, ()) = tokio::join!(forward.forward(2, request(1)), cut);
    assert!(matches!(result, ForwardResult::Lost), "{result:?}");
    assert!(matches!(forward.forward(2, request(2)).await, ForwardResult::NotSent(_)));
    assert!(matches!(forward.forward(3, request(3)).await, ForwardResult::NotSent(_)));
}

#[tokio::test]
async fn a_state_arrives_in_chunks_and_a_broken_one_is_no_whole_one() {
    let (a, _b) = pair(None);
    let mut whole = a.peers.fetch_state(2, 4).await.unwrap();
    for sequence in 0..4 {
        assert_eq!(whole.next().await.unwrap().unwrap().sequence, sequence);
    }
    assert_eq!(whole.next().await.unwrap(), None);
    let mut broken = a.peers.fetch_state(2, 1).await.unwrap();
    assert!(broken.next().await.unwrap().is_some());
    assert_eq!(broken.next().await.unwrap_err().message(), "the disk failed");
    assert_eq!(a.peers.fetch_state(2, 0).await.unwrap_err().message(), "no state here");
    assert!(a.peers.fetch_state(3, 4).await.is_err());
}

#[tokio::test]
async fn a_group_forms_when_every_node_is_there() {
    let (mut a, mut b) = (bind(1, None), bind(2, None));
    a.knows(2, &b.address());
    b.knows(1, &a.address());
    let a = a.serve();
    let stopping = a.tasks.stopping();
    let (formed, b) = tokio::join!(bootstrap_gate(&a.peers, &stopping, |_| {}), async { b.serve() });
    assert_eq!(formed, Ok(crate::NEWEST));
    assert_eq!(bootstrap_gate(&b.peers, &stopping, |_| {}).await, Ok(crate::NEWEST));
    a.directory.stamp().unwrap();
    assert_eq!(a.directory.formation(), Formation::Formed);
    assert!(b.peers.hello(1).await.unwrap().formed);
}

#[tokio::test]
async fn nodes_whose_files_list_them_in_another_order_form_no_group_and_are_told_why() {
    let (mut a, mut b) = (bind(1, None), bind(2, None));
    a.knows(2, &b.address());
    b.bound.config.own.raft_id = 1;
    let a_there = PeerAddress { name: "a".into(), raft_id: 2, address: a.address(), witness: false };
    b.bound.config.peers.push(a_there);
    b.bound.doorkeeper = Doorkeeper::new(&b.bound.config);
    let (a, b) = (a.serve(), b.serve());
    for node in [&a, &b] {
        let (reasons, stopping) = (std::sync::Mutex::new(String::new()), CancellationToken::new());
        let waits = |missing: &Missing| {
            reasons.lock().unwrap().clone_from(&missing.reasons);
            stopping.cancel();
        };
        let ended = bootstrap_gate(&node.peers, &stopping, waits).await;
        assert_eq!(ended, Err(BootstrapError::Stopped));
        let reasons = reasons.into_inner().unwrap();
        assert!(reasons.contains("is number 1 in its own cluster.nodes and number 2 in that of node"), "{reasons}");
        assert_eq!(node.directory.formation(), Formation::Forming);
    }
}

#[tokio::test]
async fn a_former_member_with_an_empty_directory_does_not_form_a_group() {
    let (mut a, mut b) = (bind(1, None), bind(2, None));
    a.knows(2, &b.address());
    b.knows(1, &a.address());
    b.directory.stamp().unwrap();
    b.directory.heard_of(1 | (4 << 16)).unwrap();
    let (a, _b) = (a.serve(), b.serve());
    let refused = bootstrap_gate(&a.peers, &a.tasks.stopping(), |_| {}).await;
    assert_eq!(refused, Err(BootstrapError::WasMember { peer: "b".into() }));
}

#[tokio::test]
async fn waiting_for_a_group_ends_with_the_node() {
    let mut a = bind(1, None);
    a.knows(2, "127.0.0.1:1");
    let a = a.serve();
    let stopping = a.tasks.stopping();
    let (ended, ()) = tokio::join!(bootstrap_gate(&a.peers, &stopping, |_| {}), async { a.tasks.stop() });
    assert_eq!(ended, Err(BootstrapError::Stopped));
}
