//! Chains: a customer is called at a number at a time, and a record that falls away frees its chain.

use outbound::{call_result, key, record_status, record_type};
use records::Event;

use super::times::{HOUR, NEW_YEAR_S, callback, personal};
use crate::stage::{HOUR_S, PAST, Stage, int, text, value};

#[test]
fn nobody_is_called_at_two_numbers_at_a_time() {
    let mut stage = Stage::new();
    let mut chains = Vec::new();
    for _ in 0..3 {
        let first = stage.add("demo", &[]);
        stage.add_to_chain(first, &[]);
        stage.add_to_chain(first, &[]);
        chains.push(first);
    }
    let taken: Vec<u64> = std::iter::from_fn(|| stage.preview("a")).collect();
    assert_eq!(taken, chains);
    let late = stage.add_to_chain(chains[0], &callback(PAST));
    assert_eq!((stage.why(late), stage.preview("a")), (Some(4), None), "a record that joins waits with its chain");
}

/// Two callbacks of a chain that are due at the same time: position 1 has the lower handle.
fn tied(stage: &mut Stage, of_first: &str, of_second: &str) -> (u64, u64) {
    let header = "contact_info,chain_id,chain_n,record_type,dial_sched_time,daily_from,daily_till,agent_id";
    let due_s = NEW_YEAR_S - HOUR;
    let line = |n: u32, rest: &str| format!("+1555{n},1,{n},5,{due_s},{rest}");
    let [second, first] = [line(1, of_second), line(0, of_first)];
    let [second, first]: [u64; 2] = stage.import("demo", &[header, &second, &first]).try_into().unwrap();
    (first, second)
}

#[test]
fn of_callbacks_of_a_chain_due_at_the_same_time_the_lowest_position_with_an_open_window_comes() {
    let (open, closed) = ("0,86400,", "28800,72000,");
    let mut stage = Stage::new();
    let (first, _) = tied(&mut stage, open, open);
    assert_eq!(stage.preview("a"), Some(first), "the lower position, and not the lower handle");
    let mut stage = Stage::new();
    let (_, second) = tied(&mut stage, closed, open);
    assert_eq!(stage.preview("a"), Some(second));
    let mut stage = Stage::new();
    let (first, second) = tied(&mut stage, "0,86400,b", open);
    let general = stage.add("demo", &[]);
    assert_eq!(stage.preview("a"), Some(general), "{second} waits for agent b");
    assert_eq!(stage.preview("b"), Some(first));
}

#[test]
fn a_desktop_limit_gives_an_agent_again_what_the_agent_has_held_longest() {
    let mut stage = Stage::new();
    stage.redeclare(|declaration| declaration.campaign_groups[0].desktop_chains_limit = Some(2));
    let handles: Vec<u64> = (0..4).map(|_| stage.add("demo", &[])).collect();
    let first = stage.preview_reply("a");
    assert_eq!(value(&first, key::MESSAGE), None);
    assert_eq!(stage.preview("a"), Some(handles[1]));
    let before = stage.record(handles[0]);
    let again = stage.preview_reply("a");
    assert_eq!(int(&again, key::RECORD_HANDLE), int(&first, key::RECORD_HANDLE));
    assert_eq!(text(&again, key::CALL_ATTEMPT_GUID), text(&first, key::CALL_ATTEMPT_GUID));
    assert_eq!(text(&again, key::MESSAGE), "held");
    assert_eq!(stage.record(handles[0]), before, "unchanged");
    assert_eq!(stage.preview("b"), Some(handles[2]), "the limit is each agent's");
    assert_eq!(stage.preview(""), Some(handles[3]), "and without an agent there is none");
    stage.edit(handles[0], |record| record.record_status = record_status::UPDATED);
    assert_eq!(stage.preview("a"), None, "the agent holds fewer, and may have another one");
}

#[test]
fn a_record_on_do_not_call_becomes_no_call_when_it_is_met() {
    let mut stage = Stage::new();
    let first = stage.add("demo", &[]);
    let second = stage.add_to_chain(first, &[]);
    stage.do_not_call([first]);
    assert_eq!(stage.preview("a"), Some(second), "the chain goes on in the same command");
    assert!(stage.world.events.contains(&Event::MetOnDoNotCall));
    let record = stage.record(first);
    let marks = (record.record_type, record.record_status, record.call_result);
    assert_eq!(marks, (record_type::NO_CALL, record_status::UPDATED, call_result::DO_NOT_CALL));
}

#[test]
fn a_callback_that_falls_away_frees_its_chain_in_the_same_command() {
    let mut stage = Stage::new();
    let first = stage.add("demo", &callback(PAST));
    let own = stage.add_to_chain(first, &personal("a", "2023-12-31T23:30:00Z"));
    let general = stage.add_to_chain(first, &[]);
    let other = stage.add("demo", &callback("2023-12-31T23:15:00Z"));
    stage.do_not_call([first]);
    assert_eq!(stage.preview("a"), Some(own), "the agent's own callback comes before {other}");
    assert_eq!(stage.record(first).record_type, record_type::NO_CALL);
    assert_eq!(stage.why(general), Some(4));
}

#[test]
fn a_callback_that_falls_away_frees_its_chain_behind_a_pause_that_ended_while_the_chain_waited() {
    let mut stage = Stage::new();
    let first = stage.add("demo", &callback(PAST));
    let second = stage.add_to_chain(first, &callback("2023-12-31T23:30:00Z"));
    assert_eq!(stage.preview("a"), Some(first));
    stage.ask("RecordReject", &format!("records/{first}"), &[]);
    assert_eq!(stage.preview("a"), None, "a pause holds the whole chain back");
    stage.wait_s(HOUR_S);
    stage.do_not_call([first]);
    assert_eq!(stage.preview("a"), Some(second));
    assert_eq!(stage.record(second).not_before_s, None);
}

#[test]
fn an_expired_callback_is_missed_at_the_hand_out() {
    let mut stage = Stage::new();
    stage.set_option("callback_expiry", "1800");
    let expired = stage.add("demo", &callback(PAST));
    let general = stage.add_to_chain(expired, &[]);
    let in_time = stage.add("demo", &callback("2023-12-31T23:31:00Z"));
    let no_time = stage.add("demo", &[(key::RECORD_TYPE, "6")]);
    assert_eq!(stage.preview("a"), Some(no_time), "a callback without a time is due, and never expires");
    assert_eq!(stage.preview("a"), Some(in_time));
    assert!(stage.world.events.contains(&Event::Missed { records: 1 }), "{:?}", stage.world.events);
    assert_eq!(stage.record(expired).record_status, record_status::MISSED_CALLBACK);
    assert_eq!(stage.preview("a"), Some(general), "its chain goes on");
}
