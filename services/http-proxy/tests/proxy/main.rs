//! HTTP Proxy as its clients and its node see it: a process, or its parts, between real sockets.
//!
//! One program: each test program more is linked with everything again.

#![allow(clippy::unwrap_used)] // a panic fails the test

mod api;
mod bodies;
mod clients;
mod coverage;
mod credentials;
mod golden;
mod life;
mod limits;
mod messages;
mod neighbours;
mod postman;
mod reference;
mod stacks;
mod support;
mod targets;
mod tls;
