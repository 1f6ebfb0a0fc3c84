//! Do-Not-Call under rules with campaigns: the entries of requests and of operators, the records that they mark, and the calls that
//! they stop (spec 5; spec 9, Do-Not-Call).

mod large;
mod operators;
mod requests;
mod three_lists;
mod validity;
