//! `ocsctl`.

fn main() {}
