//! Tests of the whole: the shape of the repository, and whole clusters simulated from a seed.
//!
//! Never part of the product. Called by `cargo test`, `make sim`, `make mutants` and `make fuzz`.

pub mod fuzz;
pub mod sim;
