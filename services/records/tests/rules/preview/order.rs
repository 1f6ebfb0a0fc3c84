//! The order of records: callbacks before general records, and lists in turn.

use outbound::{Body, key};
use records::{GroupRow, Key, Row, View, group_state};

use super::times::{callback, personal};
use crate::stage::{GROUP, PAST, PATH, Stage, event};

#[test]
fn an_agents_own_callbacks_come_before_the_campaigns_and_those_before_general_records() {
    let mut stage = Stage::of(&[("demo", 10), ("other", 10)]);
    let general = stage.add("demo", &[]);
    let late = stage.add("demo", &callback("2023-12-31T23:30:00Z"));
    let of_nobody = stage.add("other", &[(key::DATE_TIME, PAST), (key::RECORD_TYPE, "5")]);
    let early = stage.add("other", &callback(PAST));
    let own_late = stage.add("demo", &personal("a", "2023-12-31T23:45:00Z"));
    let own_early = stage.add("other", &personal("a", "2023-12-31T23:40:00Z"));
    let of_another = stage.add("demo", &personal("A", PAST));
    let asked: Vec<_> = (0..7).map(|_| stage.preview("a")).collect();
    let expected = [own_early, own_late, of_nobody, early, late, general].map(Some);
    assert_eq!(asked, [&expected[..], &[None]].concat());
    assert_eq!(stage.preview(""), None, "without an agent there are no personal callbacks");
    assert_eq!(stage.preview("A"), Some(of_another), "agents are compared exactly");
}

#[test]
fn general_records_of_a_list_come_by_chain_and_position() {
    let mut stage = Stage::new();
    let lines = ["contact_info,chain_id,chain_n", "+15551,9,1", "+15552,9,0", "+15553,7,3"];
    let [second, first, other]: [u64; 3] = stage.import("demo", &lines).try_into().unwrap();
    assert_eq!(stage.preview("a"), Some(other));
    assert_eq!(stage.preview("a"), Some(first));
    assert_eq!(stage.preview("a"), None, "the chain of {second} is held");
}

#[test]
fn lists_take_turns_by_their_weights_among_those_that_have_a_record() {
    let mut stage = Stage::of(&[("a", 5), ("b", 1), ("c", 1), ("none", 0)]);
    let mut lists = std::collections::BTreeMap::new();
    for (list, records) in [("a", 6), ("b", 3), ("c", 1), ("none", 1)] {
        for _ in 0..records {
            lists.insert(stage.add(list, &[]), list);
        }
    }
    let taken: Vec<&str> = std::iter::from_fn(|| stage.preview("a")).map(|handle| lists[&handle]).collect();
    assert_eq!(taken.join(" "), "a a b a c a a a b b");
    let Some(Row::Group(GroupRow { turns, .. })) = stage.world.map.get(&Key::Group(GROUP)) else { panic!("no row") };
    assert!(turns.is_sorted_by_key(|turn| turn.list) && !turns.is_empty(), "{turns:?}");
}

#[test]
fn a_single_list_with_a_record_takes_no_turn() {
    let mut stage = Stage::of(&[("a", 5), ("b", 1)]);
    stage.add("a", &[]);
    stage.preview("x").unwrap();
    let group = stage.world.map.get(&Key::Group(GROUP));
    assert_eq!(group, Some(Row::Group(GroupRow { state: group_state::LOADED, ..GroupRow::default() })));
}

#[test]
fn a_group_that_is_loaded_again_begins_anew_with_the_turns_of_its_lists() {
    let mut stage = Stage::of(&[("a", 10), ("b", 10)]);
    let [of_a, of_b] = ["a", "b"].map(|list| stage.add(list, &[]));
    let load = |stage: &mut Stage| event(&stage.ask("LoadCampaign", PATH, &[])).to_owned();
    let unload = |stage: &mut Stage| event(&stage.ask("ForceUnloadCampaign", PATH, &[])).to_owned();
    assert_eq!(stage.preview("x"), Some(of_a));
    assert_eq!([unload(&mut stage), load(&mut stage)], ["CampaignUnloaded", "CampaignLoaded"]);
    assert_eq!(stage.preview("x"), Some(of_a), "the turn of the list b is forgotten");
    assert_eq!(stage.preview("x"), Some(of_b));
}

#[test]
fn a_list_of_weight_0_and_a_list_that_is_deleted_give_nothing() {
    let mut stage = Stage::of(&[("none", 0), ("gone", 10)]);
    for list in ["none", "gone"] {
        stage.add(list, &[]);
        stage.add(list, &callback(PAST));
        stage.add(list, &personal("a", PAST));
    }
    stage.world.ask(Body::DeleteList("gone".into()));
    assert_eq!(stage.preview("a"), None);
}
