//! Reads, and the ids of updates, on node A.

use consensus::{Confirmed, Status};
use outbound::Body;

use super::*;
use crate::fakes::get_record;

#[tokio::test]
async fn a_read_needs_a_quorum_and_is_held_for_one() {
    let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, B))));
    let api = api(&group, Arc::new(NoPeers), HoldConfig::default(), &tasks);
    group.confirm_as(None);
    let quorum = async {
        until(|| api.hold().held().0 == 1).await;
        group.confirm_as(Some(Confirmed { index: 10, term: 3, leader: B }));
    };
    let (reply, ()) = tokio::join!(api.answer(get_record(), Origin::Http, in_ten_seconds()), quorum);
    assert_eq!(reply, Reply::done("Record", Vec::new()));
    assert_eq!(api.hold().held().0, 0);
}

fn three_reads() -> Vec<(Request, Instant)> {
    let Body::Request(request) = get_record() else { panic!("a request") };
    vec![(request, in_ten_seconds()); 3]
}

#[tokio::test]
async fn reads_that_came_together_ask_a_quorum_once() {
    let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, B))));
    let api = api(&group, Arc::new(NoPeers), HoldConfig::default(), &tasks);
    let replies = api.reads(&three_reads()).await;
    assert_eq!(replies, vec![Reply::done("Record", Vec::new()); 3]);
    assert_eq!(group.asked(), 1);
    assert!(api.reads(&[]).await.is_empty());
}

#[tokio::test]
async fn reads_that_came_together_are_held_each_for_itself() {
    let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, B))));
    let api = api(&group, Arc::new(NoPeers), HoldConfig { requests_max: 2, ..HoldConfig::default() }, &tasks);
    group.confirm_as(None);
    let quorum = async {
        until(|| api.hold().held().0 == 2).await;
        group.confirm_as(Some(Confirmed { index: 10, term: 3, leader: B }));
    };
    let reads = three_reads();
    let (replies, ()) = tokio::join!(api.reads(&reads), quorum);
    let stale: Vec<bool> = replies.iter().map(|reply| reply.stale).collect();
    assert_eq!(stale, [false, false, true], "the third finds no place, and hears what is known");
}

#[tokio::test]
async fn a_read_without_a_quorum_for_longer_than_hold_time_is_marked_stale_and_unavailable_without_a_state() {
    for (applied, fetching, answered) in [(10, false, true), (10, true, false), (0, false, false)] {
        let status = Status { applied, fetching, ..status(3, B) };
        let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status)));
        let api = api(&group, Arc::new(NoPeers), short_hold(), &tasks);
        group.confirm_as(None);
        let reply = api.answer(get_record(), Origin::Http, in_ten_seconds()).await;
        let refused = (!answered).then_some(RefusalCode::Unavailable);
        assert_eq!((refusal_code(&reply), reply.stale), (refused, answered));
    }
}

#[tokio::test]
async fn no_read_asks_a_quorum_once_none_has_answered_for_hold_time_until_one_does() {
    let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, B))));
    let api = api(&group, Arc::new(NoPeers), short_hold(), &tasks);
    group.confirm_as(None);
    api.note_quorum(false);
    assert!(api.answer(get_record(), Origin::Http, in_ten_seconds()).await.stale, "after hold_time");
    let asked = group.asked();
    assert!(api.answer(get_record(), Origin::Http, in_ten_seconds()).await.stale);
    let together = api.reads(&three_reads()).await;
    assert!(together.len() == 3 && together.iter().all(|reply| reply.stale));
    assert!(api.wait_until_readable(in_ten_seconds()).await.is_err());
    assert_eq!(group.asked(), asked, "nothing was asked");
    group.confirm_as(Some(Confirmed { index: 10, term: 3, leader: B }));
    api.note_quorum(true);
    assert_eq!(api.reads(&three_reads()).await, vec![Reply::done("Record", Vec::new()); 3]);
}

#[tokio::test]
async fn every_update_gets_an_id_of_its_own() {
    let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, A))));
    let api = api(&group, Arc::new(NoPeers), HoldConfig::default(), &tasks);
    for _ in 0..3 {
        assert_eq!(api.answer(add_record("1"), Origin::Control, in_ten_seconds()).await, done());
    }
    let counters: Vec<u64> = group.proposed().iter().map(|command| command.id.counter).collect();
    assert_eq!(counters, [1, 2, 3]);
}
