//! Properties of the whole product, shown on real processes: nodes `a`, `b` and witness `w`, their HTTP Proxies, `ocsctl`.
//!
//! Needs the programs of the same build: `cargo build --workspace --bins --examples` (`make test` does it).

#![allow(clippy::unwrap_used)] // a helper that cannot go on fails its test

mod access;
mod api;
mod api_proofs;
mod api_tools;
mod audit;
mod backup;
mod balancer;
mod campaigns;
mod certificates;
mod control;
mod deleted;
mod dev_run;
mod disk;
mod disk_full;
mod entrances;
mod failover;
mod files;
mod flipped;
mod force_primary;
mod health_port;
mod kept;
mod log_full;
mod modes;
mod node_replace;
mod operator;
mod paused;
mod private;
mod proxy;
mod refusals;
mod repair;
mod replaced;
mod replacing;
mod requests;
mod sandbox;
mod scheduled;
mod shipped;
mod signals;
mod stale_reads;
mod starting;
mod strangers;
mod traces;
mod unread_log;
mod upkeep;
mod window;
