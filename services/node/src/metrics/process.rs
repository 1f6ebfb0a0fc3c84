//! Metrics of processes: this one, under the names that client libraries give everywhere, and HTTP Proxy's.

use std::sync::atomic::{AtomicU64, Ordering};

use chassis::{descriptors, usage};
use prometheus_client::{
    metrics::counter::Counter,
    registry::{Registry, Unit},
};

use super::{Count, Seconds};
use crate::supervisor::ProxyStatus;

#[derive(Debug, Default)]
pub(super) struct ProcessMetrics {
    cpu: Counter<f64, AtomicU64>,
    resident: Count,
    virtual_memory: Count,
    open: Count,
    open_max: Count,
    started: Seconds,
    proxy_resident: Count,
    proxy_open: Count,
}

impl ProcessMetrics {
    /// `own`: the registry of `process_*`; `registry`: that of `ocs_*`.
    pub(super) fn registered(own: &mut Registry, registry: &mut Registry) -> Self {
        let process = Self::default();
        own.register_with_unit("cpu", "Processor time of this process", Unit::Seconds, process.cpu.clone());
        own.register_with_unit("resident_memory", "Memory in use", Unit::Bytes, process.resident.clone());
        own.register_with_unit("virtual_memory", "Address space", Unit::Bytes, process.virtual_memory.clone());
        own.register("open_fds", "Open file descriptors", process.open.clone());
        own.register("max_fds", "The limit of open file descriptors", process.open_max.clone());
        let help = "When this process began, since 1970";
        own.register_with_unit("start_time", help, Unit::Seconds, process.started.clone());
        let help = "Memory in use by the process of the HTTP front end; 0: the front end is no process";
        registry.register_with_unit("http_proxy_resident_memory", help, Unit::Bytes, process.proxy_resident.clone());
        let help = "Open file descriptors of the process of the HTTP front end; 0: the front end is no process";
        registry.register("http_proxy_open_fds", help, process.proxy_open.clone());
        process.started.set(usage::own_start_s().unwrap_or(0.0)); // kept: a clock that is set must not look like a restart
        process
    }

    pub(super) fn refresh(&self, proxy: &ProxyStatus) {
        let own = std::process::id();
        if let Some(used) = usage::of(own) {
            self.cpu.inner().store(used.cpu_s.to_bits(), Ordering::Relaxed);
            self.resident.set(used.resident_bytes);
            self.virtual_memory.set(used.virtual_bytes);
            self.open.set(used.open_descriptors);
        }
        self.open_max.set(descriptors::limits().soft);
        let of_proxy = proxy.pid.filter(|pid| *pid != own).and_then(usage::of);
        self.proxy_resident.set(of_proxy.map_or(0, |used| used.resident_bytes));
        self.proxy_open.set(of_proxy.map_or(0, |used| used.open_descriptors));
    }
}
