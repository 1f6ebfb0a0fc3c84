//! Metrics of requests: answers over HTTP by request name and status, and requests held for want of a primary.

use std::collections::BTreeSet;

use http_proxy::{from_api::ROUTES, to_http::STATUS};
use ocs_proto::link::RequestCount;
use outbound::Verb;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, histogram::Histogram},
    registry::{Registry, Unit},
};

use super::{
    Count, Sources, store,
    updates::{DurationCounts, UpdateDurations, request_bounds},
};

/// Request name of a message without one.
const UNNAMED: &str = "-";
/// Statuses beside those of refusals: done, OPTIONS, and a body beyond the limit.
const OTHER_STATUSES: [u16; 3] = [200, 204, 413];
/// The same for calls of the REST interface, which make things, too.
const OTHER_STATUSES_OF_REST: [u16; 4] = [200, 201, 204, 413];

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    req: String,
    code: u32,
}

#[derive(Debug)]
pub(super) struct Requests {
    total: Family<RequestLabels, Counter>,
    duration: Family<RequestLabels, Histogram, fn() -> Histogram>,
    updates: UpdateDurations,
    held: Count,
    held_bytes: Count,
    held_total: Counter,
    resent: Counter,
    ignored_keys: Counter,
}

fn request_seconds() -> Histogram {
    Histogram::new(request_bounds())
}

impl Requests {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let requests = Self {
            total: Family::default(),
            duration: Family::new_with_constructor(request_seconds),
            updates: UpdateDurations::default(),
            held: Count::default(),
            held_bytes: Count::default(),
            held_total: Counter::default(),
            resent: Counter::default(),
            ignored_keys: Counter::default(),
        };
        registry.register("requests", "Requests answered by the HTTP front end", requests.total.clone());
        let help = "From the request to its answer, in the HTTP front end";
        registry.register_with_unit("request_duration", help, Unit::Seconds, requests.duration.clone());
        registry.register("held_requests", "Requests held for want of a primary, now", requests.held.clone());
        let help = "What the held requests occupy, now";
        registry.register_with_unit("held", help, Unit::Bytes, requests.held_bytes.clone());
        registry.register("requests_held", "Requests that were ever held", requests.held_total.clone());
        let help = "Requests sent again because their outcome was not known";
        registry.register("requests_resent", help, requests.resent.clone());
        registry.register("ignored_keys", "Unknown attributes that were ignored", requests.ignored_keys.clone());
        requests
    }

    /// Every request name and status begins at 0. Durations appear with the first of their kind: a page would carry thousands of
    /// empty buckets. `api`: the REST interface is served.
    pub(super) fn begin(&self, api: bool) {
        // PATCH has the name of its operation
        let of_requests = Verb::all().filter(|verb| *verb != Verb::PatchRecord).map(Verb::name);
        self.begin_each(of_requests.chain([UNNAMED]), &OTHER_STATUSES);
        if api {
            self.begin_each(ROUTES.iter().map(|route| route.id), &OTHER_STATUSES_OF_REST);
        }
    }

    fn begin_each(&self, names: impl Iterator<Item = &'static str>, others: &[u16]) {
        let statuses: BTreeSet<u16> =
            STATUS.iter().map(|(_, status, ..)| status.as_u16()).chain(others.iter().copied()).collect();
        for req in names {
            for status in &statuses {
                drop(self.total.get_or_create(&RequestLabels { req: req.to_owned(), code: u32::from(*status) }));
            }
        }
    }

    /// Adds answers of HTTP Proxy.
    pub(super) fn add(&self, counted: &RequestCount) {
        let labels = RequestLabels { req: counted.request.clone(), code: counted.status };
        self.total.get_or_create(&labels).inc_by(counted.durations_us.len() as u64);
        let duration = self.duration.get_or_create(&labels);
        counted.durations_us.iter().for_each(|us| duration.observe(f64::from(*us) / 1e6));
        self.updates.add(counted);
    }

    /// Durations of updates that were done.
    pub(super) fn update_durations(&self) -> DurationCounts {
        self.updates.counts()
    }

    pub(super) fn refresh(&self, sources: &Sources) {
        let Some(hold) = sources.api.as_ref().map(|api| api.hold()) else { return };
        let (requests, bytes) = hold.held();
        let (held_total, resent) = hold.totals();
        self.held.set(requests as u64);
        self.held_bytes.set(bytes as u64);
        store(&self.held_total, held_total);
        store(&self.resent, resent);
        store(&self.ignored_keys, sources.ignored_keys());
    }
}
