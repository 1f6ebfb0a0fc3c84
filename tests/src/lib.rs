//! Tests of the whole: the shape of the repository, and whole clusters simulated from a seed.
//!
//! Never part of the product. Called by `cargo test`, `make sim` and `make mutants`.

pub mod sim;
