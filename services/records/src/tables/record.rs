//! Records of calling lists by handle.

use std::sync::Arc;

use outbound::Handle;
use prost::Message;

use super::{
    Key,
    bytes::{Encoded, KeyParts, message, put},
};
#[cfg(any(test, feature = "contract"))]
use super::{
    Row,
    sample::{Sample, sample},
};

/// A record of a calling list: the columns of spec 9 by their names. Times are UTC seconds, 0 to 86400 in the day.
#[derive(Clone, PartialEq, Eq, Message)]
#[allow(missing_docs)] // spec 9 defines each column
pub struct RecordRow {
    /// DBID of its list.
    #[prost(uint32, tag = "1")]
    pub list: u32,
    #[prost(uint64, tag = "2")]
    pub record_id: u64,
    #[prost(string, tag = "3")]
    pub contact_info: String,
    #[prost(int64, tag = "4")]
    pub contact_info_type: i64,
    #[prost(int64, tag = "5")]
    pub record_type: i64,
    #[prost(int64, tag = "6")]
    pub record_status: i64,
    #[prost(int64, tag = "7")]
    pub call_result: i64,
    #[prost(int64, tag = "8")]
    pub attempt: i64,
    #[prost(int64, optional, tag = "9")]
    pub dial_sched_time: Option<i64>,
    #[prost(int64, optional, tag = "10")]
    pub call_time: Option<i64>,
    #[prost(int64, tag = "11")]
    pub daily_from: i64,
    #[prost(int64, tag = "12")]
    pub daily_till: i64,
    /// The given DBID; 0 with a zone given by name; absent: the list's zone.
    #[prost(int64, optional, tag = "13")]
    pub tz_dbid: Option<i64>,
    /// Canonical IANA name; empty: the zone of `tz_dbid`, else the list's.
    #[prost(string, tag = "14")]
    pub tz_name: String,
    #[prost(int64, optional, tag = "15")]
    pub campaign_id: Option<i64>,
    #[prost(string, tag = "16")]
    pub agent_id: String,
    #[prost(uint64, tag = "17")]
    pub chain_id: u64,
    #[prost(uint64, tag = "18")]
    pub chain_n: u64,
    #[prost(int64, optional, tag = "19")]
    pub group_id: Option<i64>,
    #[prost(int64, optional, tag = "20")]
    pub app_id: Option<i64>,
    #[prost(string, tag = "21")]
    pub treatments: String,
    #[prost(int64, optional, tag = "22")]
    pub media_ref: Option<i64>,
    #[prost(string, tag = "23")]
    pub email_subject: String,
    #[prost(int64, optional, tag = "24")]
    pub email_template_id: Option<i64>,
    #[prost(int64, optional, tag = "25")]
    pub switch_id: Option<i64>,
    /// Values of the list's user-defined fields in their order, as text; a missing value at the end is the field's default.
    #[prost(string, repeated, tag = "26")]
    pub user: Vec<String>,
    /// Time of the last change by a request, microseconds since 1970; 0: never, or under a rules version before 3. No column:
    /// exports omit this time.
    #[prost(uint64, tag = "27")]
    pub changed_us: u64,
    /// Time of the hand-out of a Retrieved record, microseconds since 1970. This and the fields below: from rules version 5 on, no
    /// columns.
    #[prost(uint64, tag = "28")]
    pub held_since_us: u64,
    /// GUID of the attempt for which the record was last handed out, 16 bytes; empty: never handed out.
    #[prost(bytes = "vec", tag = "29")]
    pub attempt_guid: Vec<u8>,
    /// A reschedule that RecordProcessed carries out.
    #[prost(message, optional, tag = "30")]
    pub pending: Option<PendingRow>,
    /// The chain holds this Ready record back: another of its records is Retrieved or is a callback that comes first.
    #[prost(bool, tag = "31")]
    pub waits: bool,
    /// End of the pause or limit that holds this Ready record back, UTC seconds.
    #[prost(int64, optional, tag = "32")]
    pub not_before_s: Option<i64>,
    /// Value of the list's customer field, without spaces at both ends; empty: none.
    #[prost(string, tag = "33")]
    pub customer: String,
    /// A request has set GSW_ATTEMPTS since the hand-out.
    #[prost(bool, tag = "34")]
    pub attempts_set: bool,
    /// agent_id before the hand-out, which a record that is given back gets again.
    #[prost(string, tag = "35")]
    pub agent_before: String,
    /// The pause until `not_before_s` is that of the whole chain, after RecordReject.
    #[prost(bool, tag = "36")]
    pub chain_paused: bool,
}

/// A reschedule of a Retrieved record.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct PendingRow {
    /// Type of the record from then on: CampaignRescheduled or PersonalRescheduled.
    #[prost(int64, tag = "1")]
    pub record_type: i64,
    /// UTC seconds.
    #[prost(int64, tag = "2")]
    pub dial_sched_time: i64,
    /// The agent of a personal callback.
    #[prost(string, tag = "3")]
    pub agent_id: String,
}

/// In one piece: every update writes such a key.
pub(super) fn encode_key(handle: &Handle) -> Encoded {
    Encoded::from_slice(&handle.0.to_be_bytes())
}

pub(super) fn decode_key(parts: &mut KeyParts<'_>) -> Option<Key> {
    Some(Key::Record(Handle(parts.u64()?)))
}

pub(super) fn encode_row(row: &RecordRow, bytes: &mut Vec<u8>) {
    put(row, bytes);
}

pub(super) fn decode_row(bytes: &[u8]) -> Option<Arc<RecordRow>> {
    message(bytes).map(Arc::new)
}

#[cfg(any(test, feature = "contract"))]
pub(super) fn samples() -> Vec<Sample> {
    let row = RecordRow {
        list: 101,
        record_id: 7,
        contact_info: "+1".to_owned(),
        contact_info_type: 2,
        record_type: 2,
        record_status: 1,
        call_result: 28,
        attempt: 3,
        dial_sched_time: Some(10),
        call_time: Some(11),
        daily_from: 12,
        daily_till: 13,
        tz_dbid: Some(0),
        tz_name: "UTC".to_owned(),
        campaign_id: Some(14),
        agent_id: "agent".to_owned(),
        chain_id: 15,
        chain_n: 16,
        group_id: Some(-1),
        app_id: Some(17),
        treatments: "t".to_owned(),
        media_ref: Some(18),
        email_subject: "s".to_owned(),
        email_template_id: Some(19),
        switch_id: Some(20),
        user: vec!["a".to_owned(), String::new()],
        changed_us: 21,
        held_since_us: 22,
        attempt_guid: vec![23],
        pending: Some(PendingRow { record_type: 3, dial_sched_time: 24, agent_id: "p".to_owned() }),
        waits: true,
        not_before_s: Some(25),
        customer: "c".to_owned(),
        attempts_set: true,
        agent_before: "d".to_owned(),
        chain_paused: true,
    };
    vec![sample(
        Key::Record(Handle(15)),
        Row::Record(Arc::new(row)),
        "000000000000000f",
        "086510071a022b31200228023001381c4003480a500b580c600d68007203555443780e8201056167656e7488010f9001109801ffffffffffffffffff01a00111aa010174b00112ba010173c00113c80114d2010161d20100d80115e00116ea010117f20107080310181a0170f801018002198a0201639002019a020164a00201",
    )]
}
