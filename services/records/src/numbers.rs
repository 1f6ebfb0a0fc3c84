//! Numbers of new rows: handles, record ids, chain ids and DBIDs, as an engine gives them.
//!
//! The pair gives numbers singly ([`OneByOne`]): its commands come in one order, and the counter rows hold the last numbers. An
//! engine with several writers takes blocks of numbers ahead and leaves the counter rows alone, so that no writer waits for
//! another. Called by the turn of a command.

use outbound::Handle;

use crate::{counters::Counters, rules::LIST_DBID_FIRST, tables::ListCountersRow};

/// Gives the numbers of new rows.
///
/// A number that a command does not use, because its request is refused later, may be lost: numbers may have gaps, and are never
/// given twice. As reads of a [`crate::View`], a number has no error: an engine without further numbers gives any, tells the
/// fault by its type, and drops the decision.
pub trait Numbers {
    /// The handle of a new record, never given before. An implementation that counts by the state notes it in `counters`.
    fn handle(&mut self, counters: &mut Counters) -> Handle;

    /// The DBID of a new list, never given before.
    fn list(&mut self, counters: &Counters) -> u32;

    /// The record_id of a new record. `counters`: those of the list; record ids from `next_record_id` on are free in the view.
    fn record_id(&mut self, list: u32, counters: &ListCountersRow) -> u64;

    /// The chain_id of a new chain. `counters`: those of the list; chain ids from `next_chain_id` on are free in the view.
    fn chain_id(&mut self, list: u32, counters: &ListCountersRow) -> u64;

    /// Whether ids of records and chains are free for certain. Rows of an import bring ids along, also out of a block that an
    /// engine has taken: if ids may be in use, the rules look each up and ask for another.
    fn ids_are_free(&self) -> bool;
}

/// Numbers of the pair: each is the last number of the counters plus 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct OneByOne;

impl Numbers for OneByOne {
    fn handle(&mut self, counters: &mut Counters) -> Handle {
        counters.last_handle += 1;
        Handle(counters.last_handle)
    }

    fn list(&mut self, counters: &Counters) -> u32 {
        counters.last_list.saturating_add(1).max(LIST_DBID_FIRST)
    }

    fn record_id(&mut self, _: u32, counters: &ListCountersRow) -> u64 {
        counters.next_record_id
    }

    fn chain_id(&mut self, _: u32, counters: &ListCountersRow) -> u64 {
        counters.next_chain_id
    }

    fn ids_are_free(&self) -> bool {
        true
    }
}
