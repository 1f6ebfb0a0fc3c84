//! The next record of a campaign group, and its preview (spec 7; spec 9, The next record): the seven conditions, the order, windows,
//! chains, turns, and the bounds of a command.

mod bounds;
mod chains;
mod conditions;
mod order;
mod reply;
mod times;
mod windows;
