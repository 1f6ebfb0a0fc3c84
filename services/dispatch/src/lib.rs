//! Between the entrances (link, gRPC) and the engines: a request enters here once, whichever engine decides it.
//!
//! Never contains an engine, a rule of records or HTTP. Called by `node`; implemented by the engines.

mod submission;

pub use submission::RequestIds;
