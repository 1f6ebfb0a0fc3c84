//! What every process needs: configuration, logging, metrics, TLS, tasks, stop. Never contains a word of the domain.

pub mod tasks;
