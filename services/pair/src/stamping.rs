//! Stamping: an update of the queue becomes a command of the log, later than every other.
//!
//! Pure: clocks, random bytes and the last applied stamp are arguments. The simulator stamps by this very code. Called by the
//! batch task, the one place that stamps.

use bytes::{BufMut, Bytes, BytesMut};
use consensus::RaftId;
use dispatch::{EncodedBody, HEAD_BYTES_MAX};
use ocs_proto::outbound as wire;
use outbound::{COMMAND_FORMAT, Origin, RULES_WITH_AUDIT, RULES_WITH_SETTINGS, Reply, RequestId};
use prost::Message;

use crate::{StampClock, odd_clocks};

/// Random bytes that a command carries.
pub const RANDOM_BYTES: usize = 16;

/// An update that waits to be stamped, with the waiter for its answer.
#[derive(Debug)]
pub struct Queued<W> {
    /// The id of every attempt.
    pub id: RequestId,
    /// The entrance through which the request came.
    pub origin: Origin,
    /// The body.
    pub body: EncodedBody,
    /// Gets the answer.
    pub waiter: W,
}

/// A command for the log.
#[derive(Debug)]
pub struct Stamped<W> {
    /// The id of every attempt.
    pub id: RequestId,
    /// The stamp, microseconds since 1970.
    pub stamp_us: u64,
    /// The command's bytes.
    pub command: Bytes,
    /// Gets the answer.
    pub waiter: W,
}

/// The stamps of one node, over its terms as primary and its times as backup.
#[derive(Debug, Default)]
pub struct Stamping {
    clock: StampClock,
    /// The term in which this node stamps; the last applied stamp was taken over at its beginning.
    term: Option<u64>,
}

impl Stamping {
    /// Between batches: a backup takes over the last applied stamp, the primary lets time pass. `serving`: the term in which this
    /// node takes updates.
    pub fn look(
        &mut self,
        serving: Option<u64>,
        last_stamp_us: impl FnOnce() -> u64,
        mono_us: u64,
        clocks: &[(RaftId, u64)],
    ) {
        if serving.is_none() {
            self.term = None;
            self.clock.applied(last_stamp_us(), mono_us, clocks);
        } else if self.term == serving {
            self.clock.advance(mono_us, clocks);
        }
    }

    /// Before a batch of this term.
    pub fn begin_batch(
        &mut self,
        term: u64,
        last_stamp_us: impl FnOnce() -> u64,
        mono_us: u64,
        clocks: &[(RaftId, u64)],
    ) {
        if self.term.replace(term) != Some(term) {
            self.clock.applied(last_stamp_us(), mono_us, clocks);
        }
        self.clock.advance(mono_us, clocks);
    }

    /// Stamps updates in their order, for a group that decides by a rules version. `refused` gets each update that must not enter the
    /// log, and its answer.
    pub fn commands<W>(
        &mut self,
        queued: impl Iterator<Item = Queued<W>>,
        rules_version: u32,
        mut random: impl FnMut() -> [u8; RANDOM_BYTES],
        mut refused: impl FnMut(W, Reply),
    ) -> impl Iterator<Item = Stamped<W>> {
        queued.filter_map(move |Queued { id, origin, body, waiter }| match body.rules_version(rules_version) {
            Ok(rules) => {
                let stamp_us = self.clock.stamp();
                let command = command(body, id, origin, rules, stamp_us, random());
                Some(Stamped { id, stamp_us, command, waiter })
            }
            Err(refusal) => {
                refused(waiter, refusal);
                None
            }
        })
    }

    /// The nodes whose clock is odd (see [`odd_clocks`]).
    pub fn odd_clocks(&self, mono_us: u64, clocks: &[(RaftId, u64)]) -> Vec<RaftId> {
        odd_clocks(self.clock.running_us(mono_us), clocks)
    }
}

/// The command: a head of now, and the body's bytes behind it (protobuf's fields may be written one after the other).
fn command(
    body: EncodedBody,
    id: RequestId,
    origin: Origin,
    rules: u32,
    stamp_us: u64,
    random: [u8; RANDOM_BYTES],
) -> Bytes {
    let (body, tenant, principal, address) = body.into_parts();
    let names = tenant.len() + principal.len() + address.len();
    let mut bytes = BytesMut::with_capacity(HEAD_BYTES_MAX + names + body.len());
    let named = rules >= RULES_WITH_SETTINGS;
    let head = wire::Command {
        format: COMMAND_FORMAT,
        rules,
        id: Some(id.into()),
        stamp_us,
        origin: outbound::wire::origin_to_wire(origin).into(),
        random: Bytes::copy_from_slice(&random),
        tenant: if named { tenant } else { String::new() },
        principal: if named { principal } else { String::new() },
        address: if rules >= RULES_WITH_AUDIT { address } else { String::new() },
        body: None,
    };
    head.encode(&mut bytes).expect("a BytesMut grows");
    bytes.put_slice(&body);
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use outbound::{Body, RULES_FIRST};

    use super::*;
    use crate::fakes::add_record;

    #[test]
    fn head_and_body_written_apart_are_one_command() {
        let (body, id) = (add_record("5551234"), RequestId { node: 1, incarnation: 1, token: 0, counter: 7 });
        let bytes = command(EncodedBody::of(body.clone()), id, Origin::Http, RULES_FIRST, 99, [5; RANDOM_BYTES]);
        let command = wire::Command::decode(bytes.clone()).unwrap();
        assert_eq!(command.encode_to_vec(), bytes);
        let command = outbound::wire::command_from_wire(command).unwrap();
        assert_eq!((command.id, command.stamp_us, command.rules, command.body), (id, 99, RULES_FIRST, body));
        assert_eq!(command.random, [5; RANDOM_BYTES]);
    }

    #[test]
    fn the_head_carries_the_callers_address_from_rules_version_7_on() {
        let address_under = |rules| {
            let body = EncodedBody::of(Body::DeleteList("demo".to_owned())).by("maria").at("10.0.0.9:4711");
            let bytes = command(body, RequestId::default(), Origin::Control, rules, 99, [5; RANDOM_BYTES]);
            let command = wire::Command::decode(bytes).unwrap();
            assert!(command.body.is_some() && command.principal == "maria");
            command.address
        };
        assert_eq!(address_under(RULES_WITH_AUDIT - 1), "");
        assert_eq!(address_under(RULES_WITH_AUDIT), "10.0.0.9:4711");
    }

    #[test]
    fn a_command_within_the_limit_fits_the_log() {
        let body = EncodedBody::of(Body::DeleteList("x".repeat(1000)));
        assert!(body.check_size().is_ok());
        let id = RequestId { node: u32::MAX, incarnation: u64::MAX, token: u128::MAX, counter: u64::MAX };
        let length = body.bytes().len();
        let bytes = command(body, id, Origin::Control, u32::MAX, u64::MAX, [255; RANDOM_BYTES]);
        assert!(bytes.len() <= length + HEAD_BYTES_MAX, "{} bytes of {length}", bytes.len());
    }
}
