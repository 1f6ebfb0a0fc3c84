//! `ocsd`: the node that puts consensus, records, store and HTTP Proxy together.
//!
//! Never contains rules of records or the HTTP mapping. [`run`] assembles the parts; every other module is one part.

pub mod admin;
pub mod archive;
pub mod audit;
mod bulk;
pub mod certificates;
pub mod control;
pub mod credentials;
mod duties;
mod handover;
pub mod health;
pub mod link;
pub mod memory;
pub mod metrics;
pub mod operator_orders;
mod pace;
mod proxy_log;
pub(crate) mod rest;
pub mod restart;
pub mod role;
pub mod run;
pub mod scan;
pub mod series;
pub mod startup;
pub mod supervisor;
mod to_wire;
mod traces;
pub mod upkeep;
pub mod versions;
