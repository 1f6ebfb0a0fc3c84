//! Metrics of the conditions that a node works under: its release, the versions of the group, and the room on its disk.

use std::sync::atomic::AtomicU64;

use consensus::{StartStanding, Status};
use prometheus_client::{
    metrics::{gauge::Gauge, info::Info},
    registry::{Registry, Unit},
};

use super::{Count, Sources};
use crate::versions::NEWEST;

#[derive(Debug, Default)]
pub(super) struct Conditions {
    rules: Count,
    rules_known: Count,
    formats: Count,
    formats_known: Count,
    /// Not a number: the disk was never measured.
    disk_free: Gauge<f64, AtomicU64>,
    disk_reserve: Count,
    disk_short: Gauge,
    fetching: Gauge,
    start_confirmed: Gauge,
    histories_contradict: Gauge,
}

impl Conditions {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let conditions = Self::default();
        let (formats, rules) = (NEWEST.formats.to_string(), NEWEST.rules.to_string());
        let labels = [("version", env!("CARGO_PKG_VERSION").to_owned()), ("formats", formats), ("rules", rules)];
        registry.register("build", "This release, with its newest versions of formats and rules", Info::new(labels));
        registry.register("rules_version", "The rules version that decides requests", conditions.rules.clone());
        let help = "The newest rules version that this release knows";
        registry.register("rules_version_known", help, conditions.rules_known.clone());
        let help = "The version of the formats that the group writes and sends";
        registry.register("formats_version", help, conditions.formats.clone());
        let help = "The newest version of the formats that this release knows";
        registry.register("formats_version_known", help, conditions.formats_known.clone());
        let help = "Free on the disk of the data directory";
        registry.register_with_unit("disk_free", help, Unit::Bytes, conditions.disk_free.clone());
        let help = "With no more than this free the node acknowledges no update: node.disk_reserve_bytes";
        registry.register_with_unit("disk_reserve", help, Unit::Bytes, conditions.disk_reserve.clone());
        let help = "1: no more than the reserve is free on the disk of the data directory";
        registry.register("disk_short", help, conditions.disk_short.clone());
        let help = "1: the state is being fetched from another data node, and this node serves no reads";
        registry.register("state_fetching", help, conditions.fetching.clone());
        let help = "1: the other voters have confirmed this start; 0: this node is silent";
        registry.register("start_confirmed", help, conditions.start_confirmed.clone());
        let help = "1: this node and its peers have committed different entries";
        registry.register("histories_contradict", help, conditions.histories_contradict.clone());
        conditions
    }

    pub(super) fn refresh(&self, status: &Status, sources: &Sources) {
        self.rules.set(sources.rules_version(status).into());
        self.rules_known.set(NEWEST.rules.into());
        self.formats.set(status.formats.into());
        self.formats_known.set(NEWEST.formats.into());
        self.disk_free.set(sources.disk.free_bytes().map_or(f64::NAN, |free| free as f64));
        self.disk_reserve.set(sources.disk.reserve_bytes());
        self.disk_short.set((!sources.disk.is_enough()).into());
        self.fetching.set(status.fetching.into());
        self.start_confirmed.set(matches!(status.start, StartStanding::Confirmed).into());
        self.histories_contradict.set((!status.contradiction.is_empty()).into());
    }
}
