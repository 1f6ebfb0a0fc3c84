//! Digests of two nodes: equal, different, and not comparable.

use ocs_proto::control::KeptDigest;

use super::*;

fn reply(node: &str, index: u64, recorded: &str, recomputed: &str) -> VerifyReply {
    let text = str::to_owned;
    let equal = recorded == recomputed;
    let kept = Vec::new();
    VerifyReply {
        node: text(node),
        index,
        recorded: text(recorded),
        recomputed: text(recomputed),
        rows: 3,
        equal,
        kept,
    }
}

fn kept(reply: VerifyReply, digests: &[(u64, &str)]) -> VerifyReply {
    let kept = digests.iter().map(|(index, digest)| KeptDigest { index: *index, recorded: (*digest).to_owned() });
    VerifyReply { kept: kept.collect(), ..reply }
}

#[test]
fn equal_digests_at_the_same_index_are_equal() {
    let (view, settled) = compare(&[reply("a", 7, "ff", "ff"), reply("b", 7, "ff", "ff")], None);
    assert!(view.equal && view.compared && settled);
}

#[test]
fn with_one_data_node_nothing_was_compared_and_the_verdict_says_so() {
    let (view, settled) = compare(&[reply("a", 7, "ff", "ff")], None);
    assert!(view.equal && !view.compared && view.compared_at.is_none() && settled, "{view:?}");
    let shown = table(&view);
    assert!(shown.contains("nothing was compared") && !shown.contains("every digest is equal"), "{shown}");
    let (wrong, _) = compare(&[reply("a", 7, "ff", "fe")], None);
    assert!(!wrong.equal && wrong.advice.starts_with("a"), "{wrong:?}");
}

#[test]
fn a_node_that_disagrees_with_itself_is_a_difference() {
    let (view, _) = compare(&[reply("a", 7, "ff", "fe"), reply("b", 7, "ff", "ff")], None);
    assert!(!view.equal && view.wrong == ["a"] && view.advice.starts_with("a is wrong"), "{view:?}");
    let (view, _) = compare(&[reply("a", 7, "ff", "fe"), reply("b", 7, "ff", "fd")], None);
    assert!(view.wrong == ["a", "b"] && view.advice.contains("restore a backup"), "{view:?}");
}

#[test]
fn nodes_that_disagree_at_the_same_index_are_a_difference() {
    let (view, settled) = compare(&[reply("a", 7, "ff", "ff"), reply("b", 7, "ee", "ee")], None);
    assert!(!view.equal && view.wrong.is_empty() && settled, "{view:?}");
    assert!(view.advice.starts_with("a and b hold different data. "), "{view:?}");
}

#[test]
fn nodes_that_move_are_compared_where_both_kept_a_digest() {
    let a = |index| kept(reply("a", index, "ff", "ff"), &[(1024, "aa"), (2048, "bb")]);
    let b = |index, digest| kept(reply("b", index, "ee", "ee"), &[(1024, "00"), (2048, digest)]);
    let first = [a(2100), b(2090, "bb")];
    assert!(!compare(&first, None).1, "a node behind may stand still");
    let (view, settled) = compare(&[a(2200), b(2190, "bb")], Some(&first));
    assert!(view.equal && view.compared_at == Some(2048) && settled, "{view:?}");
    let (view, settled) = compare(&[a(2100), b(2090, "cc")], None);
    assert!(!view.equal && settled && view.advice.starts_with("a and b hold different data at index 2048"), "{view:?}");
    let at_it = kept(reply("b", 2048, "cc", "cc"), &[(1024, "aa")]);
    assert!(!compare(&[a(2100), at_it], None).0.equal, "where a node stands it has a digest too");
}

#[test]
fn a_node_that_stands_still_behind_another_one_is_a_difference() {
    let first = [reply("a", 7, "ff", "ff"), reply("b", 9, "ee", "ee")];
    let (view, settled) = compare(&first, Some(&first));
    assert!(!view.equal && !settled, "{view:?}");
    assert!(view.advice.starts_with("a stands still") && view.advice.contains("b at index 9"), "{view:?}");
    let on = [reply("a", 7, "ff", "ff"), reply("b", 30, "ee", "ee")];
    assert!(!compare(&on, Some(&first)).0.equal, "whether the other one moves or not");
    let caught_up = [reply("a", 9, "ee", "ee"), reply("b", 9, "ee", "ee")];
    assert!(compare(&caught_up, Some(&first)).0.equal);
}

#[test]
fn nodes_that_move_and_kept_no_digest_in_common_were_not_compared() {
    let first = [reply("a", 7, "ff", "ff"), reply("b", 9, "ee", "ee")];
    let (view, settled) = compare(&[reply("a", 17, "fa", "fa"), reply("b", 19, "eb", "eb")], Some(&first));
    assert!(view.equal && !view.compared && !settled && view.advice.contains("not compared"), "{view:?}");
}
