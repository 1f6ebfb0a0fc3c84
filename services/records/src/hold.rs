//! Holding a record: the changes of a row at its hand-out, at its return, and at the end of an attempt (spec 9, Life of a record).
//!
//! Pure changes of a row; the caller writes the row through the turn. Called by the verbs and by due work.

use outbound::record_status;

use crate::tables::{PendingRow, RecordRow};

/// The receiver of a record.
#[derive(Debug, Clone)]
pub(crate) struct HandOut<'a> {
    /// Empty: no agent.
    pub(crate) agent: &'a str,
    /// DBID.
    pub(crate) campaign: u32,
    /// DBID.
    pub(crate) group: u32,
    /// GUID of the attempt, 16 bytes.
    pub(crate) guid: Vec<u8>,
    /// Stamp, microseconds since 1970.
    pub(crate) now_us: u64,
}

/// A Ready record, handed out.
pub(crate) fn hand_out(record: RecordRow, to: &HandOut<'_>) -> RecordRow {
    RecordRow {
        record_status: record_status::RETRIEVED,
        agent_before: record.agent_id.clone(),
        agent_id: to.agent.to_owned(),
        campaign_id: Some(to.campaign.into()),
        group_id: Some(to.group.into()),
        held_since_us: to.now_us,
        attempt_guid: to.guid.clone(),
        pending: None,
        attempts_set: false,
        not_before_s: None,
        chain_paused: false,
        ..record
    }
}

/// A Retrieved record that is Ready again as before its hand-out; a pending reschedule is forgotten.
pub(crate) fn give_back(record: RecordRow) -> RecordRow {
    let agent_id = record.agent_before.clone();
    RecordRow { record_status: record_status::READY, agent_id, campaign_id: None, group_id: None, ..ended(record) }
}

/// A record that is Ready again as a reschedule says.
pub(crate) fn rescheduled(record: RecordRow, to: &PendingRow) -> RecordRow {
    RecordRow {
        record_status: record_status::READY,
        record_type: to.record_type,
        dial_sched_time: Some(to.dial_sched_time),
        agent_id: to.agent_id.clone(),
        ..ended(record)
    }
}

/// A record in its last status.
pub(crate) fn finalised(record: RecordRow, status: i64) -> RecordRow {
    RecordRow { record_status: status, ..ended(record) }
}

/// A Ready record that a limit, its attempts or its chain hold back until a time, UTC seconds.
pub(crate) fn held_back(record: RecordRow, until_s: i64) -> RecordRow {
    RecordRow { not_before_s: Some(until_s), chain_paused: false, ..record }
}

/// A Ready record of a chain that pauses after a rejection. A limit needs no time of its own meanwhile: the first hand-out behind the
/// pause asks it anew. A longer pause stays.
pub(crate) fn paused(record: RecordRow, until_s: i64) -> RecordRow {
    let longer_s = record.not_before_s.filter(|_| record.chain_paused);
    RecordRow {
        not_before_s: Some(longer_s.map_or(until_s, |longer_s| longer_s.max(until_s))),
        chain_paused: true,
        ..record
    }
}

/// A record whose pause or limit is over.
pub(crate) fn freed(record: RecordRow) -> RecordRow {
    RecordRow { not_before_s: None, chain_paused: false, ..record }
}

/// Whether something other than the pause of its chain holds a record back: the next hand-out may ask anew at any time.
pub(crate) fn is_held_back(record: &RecordRow) -> bool {
    record.not_before_s.is_some() && !record.chain_paused
}

/// A record whose attempt has ended, without a holder and without a pause. The GUID stays, so that a late answer is recognised.
fn ended(record: RecordRow) -> RecordRow {
    RecordRow {
        held_since_us: 0,
        pending: None,
        attempts_set: false,
        waits: false,
        not_before_s: None,
        chain_paused: false,
        agent_before: String::new(),
        ..record
    }
}
