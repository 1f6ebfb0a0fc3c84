//! HTTP Proxy as a process.

fn main() {}
