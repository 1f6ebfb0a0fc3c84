//! `ocsd`.

fn main() {}
