//! The callers that are let in, and that no other caller can disturb them.

use std::sync::{Arc, atomic::Ordering};

use chassis::tls::{Look, Reload};
use consensus::members;
use futures::stream;
use ocs_proto::peer::{ConfState, HelloRequest, SnapshotMark};
use prost::Message;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tonic::Code;

use super::{super::*, fixture::*};

/// Node a under TLS, which knows b and w.
fn guarded(ca: &Ca) -> Node {
    let mut a = bind(1, Some(identity(ca, "a")));
    a.knows(2, "127.0.0.1:1");
    a.knows(3, "127.0.0.1:1");
    a.directory.stamp().unwrap();
    a.serve()
}

/// Another node's way to `node`, with any certificate.
fn way_to(node: &Node, tls: Option<&Arc<LiveCertificate>>, name: &str, raft_id: RaftId) -> Dialer {
    way_of([9; 16], node, tls, name, raft_id)
}

/// The same, of a start with this token.
fn way_of(start: [u8; 16], node: &Node, tls: Option<&Arc<LiveCertificate>>, name: &str, raft_id: RaftId) -> Dialer {
    let own = PeerSelf { name: name.into(), raft_id, cluster: CLUSTER, epoch: 1, start };
    let address = node.peers.local_addr().to_string();
    let peer = PeerAddress { name: "a".into(), raft_id: 1, address, witness: false };
    Dialer::new(&peer, tls, &Arc::new(Own::new(own, Arc::clone(&node.directory))))
}

/// A client certificate that a node would not even load.
async fn shows_expired_certificate(ca: &Ca, node: &Node) -> std::io::Result<usize> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["b".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    let certificate = params.signed_by(&key, ca).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(ca.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![CertificateDer::from(certificate.der().to_vec())],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let stream = TcpStream::connect(node.peers.local_addr()).await?;
    let name = ServerName::try_from("a").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.read(&mut [0; 1]).await
}

#[tokio::test]
async fn over_mutual_tls_peers_exchange_frames() {
    let ca = authority();
    let (a, mut b) = pair(Some((identity(&ca, "a"), identity(&ca, "b"))));
    a.connected(2).await;
    consensus::Transport::send(&a.peers.transport(), 2, frame(4, vec![message(1, 2, 9)]));
    let got = b.frames.recv().await.unwrap();
    assert_eq!(got.messages[0].index, 9);
    assert_eq!(got.head.unwrap().from, 1);
}

#[tokio::test]
async fn a_certificate_that_names_nobody_of_another_authority_or_of_the_past_is_refused_and_the_door_stays_open() {
    let (ca, other_ca) = (authority(), authority());
    let a = guarded(&ca);
    way_to(&a, Some(&identity(&ca, "stranger")), "b", 2).hello().await.unwrap_err();
    until(|| a.peers.refused_total() == 1).await;
    way_to(&a, Some(&identity(&other_ca, "b")), "b", 2).hello().await.unwrap_err();
    until(|| a.peers.refused_total() == 2).await;
    shows_expired_certificate(&ca, &a).await.unwrap_err();
    until(|| a.peers.refused_total() == 3).await;
    way_to(&a, None, "b", 2).hello().await.unwrap_err();
    until(|| a.peers.refused_total() == 4).await;
    assert_eq!(way_to(&a, Some(&identity(&ca, "b")), "b", 2).hello().await.unwrap().node, "a");
    assert_eq!(a.peers.refused_total(), 4);
}

#[tokio::test]
async fn new_files_count_for_new_connections_and_open_ones_go_on() {
    let (ca, other_ca, home) = (authority(), authority(), tempfile::tempdir().unwrap());
    let own = live(home.path(), &ca, "a");
    let mut a = bind(1, Some(own.clone()));
    a.knows(2, "127.0.0.1:1");
    a.directory.stamp().unwrap();
    let a = a.serve();
    let (before, after) = (identity(&ca, "b"), identity(&other_ca, "b"));
    let way = way_to(&a, Some(&before), "b", 2);
    let channel = way.dial().await.unwrap();
    drop(live(home.path(), &other_ca, "a"));
    assert_eq!(own.look(Look::Ordered), Reload::Changed);
    assert_eq!(way_to(&a, Some(&after), "b", 2).hello().await.unwrap().node, "a");
    way_to(&a, Some(&before), "b", 2).hello().await.unwrap_err();
    let greeting = HelloRequest { head: Some(way.head()), node: "b".into() };
    assert_eq!(dial::client(channel).hello(greeting).await.unwrap().into_inner().node, "a", "the connection is open");
}

#[tokio::test]
async fn a_certificate_speaks_only_for_the_node_it_names() {
    let ca = authority();
    let a = guarded(&ca);
    let witness = identity(&ca, "w");
    let channel = way_to(&a, Some(&witness), "w", 3).dial().await.unwrap();
    let claim = dial::client(channel.clone()).hello(HelloRequest { head: None, node: "b".into() }).await;
    assert_eq!(claim.unwrap_err().code(), Code::PermissionDenied);
    let mut forged = frame(1, vec![message(2, 1, 1)]);
    forged.head = Some(way_to(&a, None, "b", 2).head());
    let refused = dial::client(channel).frames(stream::iter([forged])).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(refused.message().contains("does not name node \"b\""), "{refused}");
    assert!(!a.directory.has_heard_of(2));
}

#[tokio::test]
async fn a_node_whose_file_has_the_nodes_in_another_order_is_told_so() {
    let ca = authority();
    let a = guarded(&ca);
    let channel = way_to(&a, Some(&identity(&ca, "b")), "b", 2).dial().await.unwrap();
    let claims = |number: u64| {
        let mut claimed = frame(1, vec![message(number, 1, 1)]);
        claimed.head = Some(way_to(&a, None, "b", number).head());
        claimed
    };
    for (number, because) in [(1, "is this node, \"a\""), (3, "another order"), (9, "cluster.nodes differs")] {
        let refused = dial::client(channel.clone()).frames(stream::iter([claims(number)])).await.unwrap_err();
        assert!(refused.message().contains(because), "{number}: {refused}");
    }
}

#[tokio::test]
async fn silent_and_garbled_callers_do_not_stall_the_listener() {
    let ca = authority();
    for tls in [true, false] {
        let identity_of = |name: &str| tls.then(|| identity(&ca, name));
        let mut a = bind(1, identity_of("a"));
        a.knows(2, "127.0.0.1:1");
        let a = a.serve();
        let mut silent = Vec::new();
        for _ in 0..20 {
            silent.push(TcpStream::connect(a.peers.local_addr()).await.unwrap());
        }
        let mut garbled = TcpStream::connect(a.peers.local_addr()).await.unwrap();
        garbled.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        until(|| a.peers.refused_total() == 1).await;
        assert_eq!(way_to(&a, identity_of("b").as_ref(), "b", 2).hello().await.unwrap().node, "a");
        drop(silent);
    }
}

/// Node a with so few places, under mutual TLS or plain, which knows b.
fn narrow(ca: &Ca, tls: bool) -> Node {
    let mut a = bind(1, tls.then(|| identity(ca, "a")));
    a.bound.config.connections_max = 8;
    a.knows(2, "127.0.0.1:1");
    a.serve()
}

#[tokio::test]
async fn a_configured_node_finds_its_place_however_many_silent_callers_there_are() {
    let ca = authority();
    for tls in [true, false] {
        let (a, mut silent) = (narrow(&ca, tls), Vec::new());
        for _ in 0..20 {
            for _ in 0..5 {
                silent.push(TcpStream::connect(a.peers.local_addr()).await.unwrap());
            }
            let b = tls.then(|| identity(&ca, "b"));
            assert_eq!(way_to(&a, b.as_ref(), "b", 2).hello().await.unwrap().node, "a");
        }
        let first = silent[0].read(&mut [0; 1]).await;
        assert!(first.is_err() || first.is_ok_and(|count| count == 0), "the oldest made room");
    }
}

/// Speaks HTTP/2 without sending a greeting.
async fn greets_nobody(node: &Node) -> TcpStream {
    let mut stream = TcpStream::connect(node.peers.local_addr()).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    stream
}

#[tokio::test]
async fn a_caller_that_does_not_say_who_it_is_makes_room_and_a_known_one_keeps_its_place() {
    let a = narrow(&authority(), false);
    let way = way_to(&a, None, "b", 2);
    let known = way.dial_any_epoch().await.unwrap().0;
    let mut strangers = Vec::new();
    for _ in 0..20 {
        strangers.push(greets_nobody(&a).await);
        way.hello().await.unwrap();
    }
    let mut scrap = [0; 1024];
    while strangers[0].read(&mut scrap).await.is_ok_and(|count| count > 0) {}
    let again = dial::client(known).hello(HelloRequest { head: Some(way.head()), node: "b".into() }).await;
    assert_eq!(again.unwrap().into_inner().node, "a");
}

#[tokio::test]
async fn a_caller_that_does_not_say_who_it_is_may_not_send_much() {
    let a = narrow(&authority(), false);
    let mut stranger = greets_nobody(&a).await;
    let ping = [&[0, 0, 8, 6, 0, 0, 0, 0, 0][..], &[0; 8]].concat();
    let (mut reader, mut writer) = stranger.split();
    let much = ping.repeat(1 << 14);
    let sent = async { while writer.write_all(&much).await.is_ok() {} };
    let closed = async {
        let mut scrap = vec![0; 1 << 16];
        while reader.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
    };
    tokio::join!(sent, closed);
}

#[tokio::test]
async fn frames_of_another_cluster_an_older_epoch_or_an_unknown_node_are_refused() {
    let mut a = bind(1, None);
    a.knows(2, "127.0.0.1:1");
    a.bound.config.own.epoch = 3;
    a.directory.stamp().unwrap();
    let mut a = a.serve();
    let way = way_to(&a, None, "b", 2);
    assert!(matches!(way.dial().await, Err(DialError::Epoch { theirs: 3, ours: 1 })));
    let (channel, _) = way.dial_any_epoch().await.unwrap();
    let send = async |change: fn(&mut ocs_proto::peer::Head)| {
        let mut tried = frame(1, vec![message(2, 1, 1)]);
        tried.head = Some(way.head());
        let head = tried.head.as_mut().unwrap();
        head.epoch = 3;
        change(head);
        dial::client(channel.clone()).frames(stream::iter([tried])).await.map(drop).map_err(|status| status.code())
    };
    assert_eq!(send(|head| head.cluster = vec![9; 16].into()).await, Err(Code::FailedPrecondition));
    assert_eq!(send(|head| head.epoch = 2).await, Err(Code::FailedPrecondition));
    assert_eq!(send(|head| head.format = 2).await, Err(Code::FailedPrecondition));
    assert_eq!(send(|head| head.from = 3).await, Err(Code::PermissionDenied));
    assert!(a.frames.try_recv().is_err());
    assert_eq!(a.peers.refused_total(), 4);
    assert_eq!(send(|_| {}).await, Ok(()));
    assert!(a.frames.try_recv().is_ok());
}

#[tokio::test]
async fn a_head_that_cannot_be_is_refused_and_this_node_keeps_its_id() {
    let mut a = bind(1, None);
    a.knows(2, "127.0.0.1:1");
    a.directory.stamp().unwrap();
    let a = a.serve();
    let way = way_to(&a, None, "b", 2);
    let channel = way.dial().await.unwrap();
    for epoch in [1 << 63, u64::MAX, consensus::bounds::EPOCH_MAX + 1] {
        let head = Some(ocs_proto::peer::Head { epoch, ..way.head() });
        let greeting = HelloRequest { head: head.clone(), node: "b".into() };
        let refused = dial::client(channel.clone()).hello(greeting).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        let framed = PeerFrame { head: head.clone(), ..PeerFrame::default() };
        let refused = dial::client(channel.clone()).frames(stream::iter([framed])).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        let join = ocs_proto::peer::JoinRequest { head, node: "b".into(), token: 7 };
        assert_eq!(dial::client(channel.clone()).join(join).await.unwrap_err().code(), Code::InvalidArgument);
    }
    let over = tokio::time::timeout(std::time::Duration::ZERO, a.peers.id_over()).await;
    assert!(over.is_err() && a.directory.epoch() == 1);
}

#[tokio::test]
async fn a_name_with_a_newline_stays_one_line_and_a_request_bears_its_senders_number() {
    let mut a = bind(1, None);
    a.knows(2, "127.0.0.1:1");
    a.directory.stamp().unwrap();
    let a = a.serve();
    let way = way_to(&a, None, "b", 2);
    let channel = way.dial().await.unwrap();
    let greeting = HelloRequest { head: None, node: "b\nERROR forged".into() };
    let refused = dial::client(channel.clone()).hello(greeting).await.unwrap_err();
    assert_eq!(refused.message(), "node \"b\\nERROR forged\" is not configured here");
    let id = ocs_proto::outbound::RequestId { node: 1, incarnation: 1, counter: 1, ..Default::default() };
    let request = ocs_proto::peer::ForwardRequest { id: Some(id), ..Default::default() };
    let framed =
        ocs_proto::peer::ForwardFrame { head: Some(way.head()), requests: vec![request.encode_to_vec().into()] };
    let mut replies = dial::client(channel).forward(stream::iter([framed])).await.unwrap().into_inner();
    assert_eq!(replies.message().await.unwrap(), None);
    assert!(a.arrived.lock().await.try_recv().is_err());
    assert_eq!(a.peers.refused_total(), 2);
}

/// Nodes a and b that know each other; b says that it is in this epoch.
fn pair_in_epochs(theirs: u64) -> (Node, Node) {
    let (mut a, mut b) = (bind(1, None), bind(2, None));
    a.knows(2, &b.address());
    b.knows(1, &a.address());
    b.bound.config.own.epoch = theirs;
    a.directory.stamp().unwrap();
    b.directory.stamp().unwrap();
    (a.serve(), b.serve())
}

/// The beginning of a log, of a group that was formed or forced.
fn begun(voters: &[RaftId], epoch: u64) -> SnapshotMark {
    let conf_state = ConfState { voters: voters.to_vec(), epoch, single_copy: epoch > 1, ..ConfState::default() };
    SnapshotMark { index: 9, term: 4, conf_state: Some(conf_state) }
}

async fn is_over(node: &Node) -> bool {
    tokio::time::timeout(std::time::Duration::ZERO, node.peers.id_over()).await.is_ok()
}

#[tokio::test]
async fn a_higher_epoch_that_a_log_proves_ends_the_lower_one_and_nobody_else() {
    let (a, b) = pair_in_epochs(2);
    *b.handler.log.lock().unwrap() = Some(begun(&[members::forced_id(2, 2)], 2));
    assert_eq!(a.peers.id_over().await, 2);
    assert!(!is_over(&b).await, "the higher epoch goes on");
}

#[tokio::test]
async fn a_higher_epoch_that_the_claiming_nodes_log_does_not_show_ends_nobody() {
    let (a, b) = pair_in_epochs(3);
    *b.handler.log.lock().unwrap() = Some(begun(&[1, 2, 3], 0));
    until(|| b.handler.proofs_asked.load(Ordering::Relaxed) > 1).await;
    assert!(!is_over(&a).await);
}

#[tokio::test]
async fn an_older_version_that_proves_nothing_is_believed_until_the_raise() {
    let (mut a, mut b) = (bind(1, None), bind(2, None));
    a.knows(2, &b.address());
    b.knows(1, &a.address());
    b.bound.config.own.epoch = 2;
    [&a, &b].into_iter().for_each(|node| node.directory.stamp().unwrap());
    a.directory.raise_formats(2).unwrap();
    let (a, b) = (a.serve(), b.serve());
    until(|| b.handler.proofs_asked.load(Ordering::Relaxed) > 1).await;
    assert!(!is_over(&a).await, "there are no older versions in a group that was raised");
    let (a, _b) = pair_in_epochs(2);
    assert_eq!(a.peers.id_over().await, 2);
}

#[tokio::test]
async fn of_two_processes_with_one_identity_the_first_is_heard_and_both_are_named() {
    let mut a = bind(1, None);
    a.knows(2, "127.0.0.1:1");
    a.directory.stamp().unwrap();
    let mut a = a.serve();
    let [original, copy] = [[1; 16], [2; 16]].map(|start| way_of(start, &a, None, "b", 2));
    let (frames, queued) = tokio::sync::mpsc::unbounded_channel();
    let say =
        |way: &Dialer| PeerFrame { head: Some(way.head()), messages: vec![message(2, 1, 1)], ..PeerFrame::default() };
    let mut client = dial::client(original.dial().await.unwrap());
    let first = async { client.frames(tokio_stream::wrappers::UnboundedReceiverStream::new(queued)).await };
    let second = async {
        frames.send(say(&original)).unwrap();
        a.frames.recv().await.unwrap();
        let mut client = dial::client(copy.dial().await.unwrap());
        // The first process speaks until the second was refused.
        let refused = loop {
            frames.send(say(&original)).unwrap();
            a.frames.recv().await.unwrap();
            if let Err(refused) = client.frames(stream::iter([say(&copy)])).await {
                break refused;
            }
        };
        drop(frames);
        refused
    };
    let (first, refused) = tokio::join!(first, second);
    first.unwrap();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert_eq!(refused.message().matches("127.0.0.1:").count(), 2, "{refused}");
    assert!(a.frames.try_recv().is_err(), "nothing of the second one is passed on");
}

#[tokio::test]
async fn a_node_whose_id_was_replaced_hears_of_it_from_a_primarys_frame() {
    let mut a = bind(1, None);
    a.knows(2, "127.0.0.1:1");
    a.directory.stamp().unwrap();
    let a = a.serve();
    let way = way_to(&a, None, "b", 2);
    let channel = way.dial().await.unwrap();
    let tell = async |members: &[RaftId]| {
        let mut told = frame(2, Vec::new());
        told.head = Some(ocs_proto::peer::Head { members: members.to_vec(), ..way.head() });
        dial::client(channel.clone()).frames(stream::iter([told])).await.unwrap();
    };
    for still_a_member in [&[1, 2, 3][..], &[1, 0x1_0001, 2], &[2, 0x1_0002], &[]] {
        tell(still_a_member).await;
        let over = tokio::time::timeout(std::time::Duration::ZERO, a.peers.id_over()).await;
        assert!(over.is_err(), "{still_a_member:?}");
    }
    tell(&[0x1_0001, 2, 3]).await;
    assert_eq!(a.peers.id_over().await, 1, "its own epoch goes on");
}

#[tokio::test]
async fn a_node_that_is_no_member_yet_passes_nothing_on_and_remembers_nobody() {
    let mut a = bind(1, None);
    a.knows(2, "127.0.0.1:1");
    let mut a = a.serve();
    let way = way_to(&a, None, "b", 2);
    let channel = way.dial().await.unwrap();
    let send = async |index| {
        let early = PeerFrame { head: Some(way.head()), messages: vec![message(2, 1, index)], ..PeerFrame::default() };
        dial::client(channel.clone()).frames(stream::iter([early])).await.unwrap();
    };
    send(1).await;
    let reply = way.hello().await.unwrap();
    assert!(!reply.formed && !reply.heard_of_you);
    a.directory.stamp().unwrap();
    send(2).await;
    assert_eq!(a.frames.try_recv().unwrap().messages[0].index, 2);
    let reply = way.hello().await.unwrap();
    assert!(reply.formed && reply.heard_of_you);
}

#[tokio::test]
async fn a_peer_of_another_cluster_is_not_spoken_to() {
    let (mut a, mut b) = (bind(1, None), bind(2, None));
    a.knows(2, &b.address());
    b.knows(1, &a.address());
    b.bound.config.own.cluster = [9; 16];
    let (a, _b) = (a.serve(), b.serve());
    let refused = a.peers.fetch_state(2, 4).await.unwrap_err();
    assert!(refused.message().contains("another cluster"), "{refused}");
    assert_eq!(a.peers.hello(2).await.unwrap().cluster[..], [9; 16]);
}

#[tokio::test]
async fn a_port_in_use_a_plain_port_off_loopback_and_a_wrong_own_name_are_one_line_each() {
    let a = bind(1, None);
    let mut config = a.bound.config.clone();
    config.listen = a.bound.local_addr().unwrap();
    let in_use = Peers::bind(config.clone()).unwrap_err().to_string();
    assert!(in_use.contains(&a.address()) && in_use.to_lowercase().contains("in use"), "{in_use}");
    config.listen = "0.0.0.0:0".parse().unwrap();
    assert!(matches!(Peers::bind(config.clone()), Err(PeersError::PlainOffLoopback { .. })));
    config.tls = Some(identity(&authority(), "b"));
    let wrong = Peers::bind(config).unwrap_err().to_string();
    assert!(wrong.contains("\"a\""), "{wrong}");
}
