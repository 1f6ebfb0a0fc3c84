//! Each metric moves with the figure behind it.

mod shipped;

use std::sync::Arc;

use chassis::tasks::Tasks;
use dispatch::HoldConfig;
use ocs_proto::link::{RefusalCount, RequestCount};
use pair::fakes::{A, FakeGroup, NoPeers, api, status};
use tokio::sync::watch;

use super::*;
use crate::{
    credentials::Reason,
    role::{RoleService, tests::roster},
};

/// A node whose proxy and group the test moves.
struct Stage {
    metrics: Metrics,
    sources: Sources,
    group: Arc<FakeGroup>,
    proxy: watch::Sender<crate::supervisor::ProxyStatus>,
    _tasks: Tasks,
}

async fn stage() -> Stage {
    let (tasks, group) = (Tasks::new(), Arc::new(FakeGroup::new(status(3, A))));
    let role = RoleService::new(roster(), group.clone(), "witness", &tasks);
    role.ask().await;
    let api = Arc::new(api(&group, Arc::new(NoPeers), HoldConfig::default(), &tasks));
    let (proxy, receiver) = watch::channel(crate::supervisor::ProxyStatus::default());
    let sources = Sources {
        role,
        api: Some(api),
        proxy: receiver,
        scan: watch::channel(Default::default()).1,
        backups: crate::archive::schedule::none(),
        disk: data_dir::DiskRoom::new(std::path::Path::new("data"), 0),
        deletions: watch::channel(Arc::default()).1,
        certificates: Default::default(),
        imports: Default::default(),
    };
    Stage { metrics: Metrics::new(), sources, group, proxy, _tasks: tasks }
}

impl Stage {
    fn page(&self) -> String {
        self.metrics.scrape(&self.sources, Format::Text)
    }

    /// The value of a sample, by its name and labels as they stand on the page.
    fn sample(&self, name: &str) -> f64 {
        let page = self.page();
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in\n{page}")).parse().unwrap()
    }
}

#[tokio::test]
async fn what_the_core_knows_is_on_the_page() {
    let stage = stage().await;
    let mut now = status(7, A);
    (now.digest_mismatches, now.elections, now.waiting, now.no_room) = (2, 4, 5, true);
    (now.differs_at, now.repairs) = (1024, 1);
    now.peers[0].matched = Some(4);
    (now.stall, now.peers[0].hangs) = (Some(consensus::Stall { age_ms: 3500, of_log: true, alone: false }), true);
    stage.group.become_status(now);
    for (name, value) in [
        ("ocs_role{role=\"primary\"}", 1.0),
        ("ocs_role{role=\"backup\"}", 0.0),
        ("ocs_role_confirmed", 1.0),
        ("ocs_term", 7.0),
        ("ocs_commit_index", 10.0),
        ("ocs_applied_index", 10.0),
        ("ocs_persisted_index", 8.0),
        ("ocs_data_durable_index", 9.0),
        ("ocs_proposals_waiting", 5.0),
        ("ocs_elections_total", 4.0),
        ("ocs_digest_mismatches_total", 2.0),
        ("ocs_state_differs", 1.0),
        ("ocs_state_repairs_total", 1.0),
        ("ocs_state_scans_total", 0.0),
        ("ocs_state_scans_bad_total", 0.0),
        ("ocs_state_scan_running", 0.0),
        ("ocs_records", 1.0),
        ("ocs_log_lines_dropped_total", 0.0),
        ("ocs_disk_stalled", 1.0),
        ("ocs_oldest_write_seconds", 3.5),
        ("ocs_peer_disk_stalled{node=\"b\"}", 1.0),
        ("ocs_peer_lag_entries{node=\"b\"}", 8.0),
        ("ocs_peer_connected{node=\"b\"}", 0.0),
        ("ocs_clock_odd{node=\"a\"}", 0.0),
        ("ocs_log_first_index", 1.0),
        ("ocs_log_last_index", 12.0),
        ("ocs_log_bytes", 4096.0),
        ("ocs_log_full", 1.0),
    ] {
        assert_eq!(stage.sample(name), value, "{name}");
    }
}

#[tokio::test]
async fn a_node_that_is_no_longer_primary_shows_no_lag() {
    let stage = stage().await;
    let mut now = status(7, A);
    now.peers[0].matched = Some(4);
    stage.group.become_status(now);
    assert_eq!(stage.sample("ocs_peer_lag_entries{node=\"b\"}"), 8.0);
    stage.group.become_status(status(8, 2));
    assert!(!stage.page().contains("ocs_peer_lag_entries{"));
}

#[tokio::test]
async fn what_the_driver_observes_moves_its_histograms() {
    let stage = stage().await;
    stage.metrics.fdatasync(0.001);
    stage.metrics.commit(0.002);
    stage.metrics.batch(64);
    assert_eq!(stage.sample("ocs_log_fdatasync_seconds_count"), 1.0);
    assert_eq!(stage.sample("ocs_commit_seconds_sum"), 0.002);
    assert_eq!(stage.sample("ocs_batch_commands_sum"), 64.0);
}

#[tokio::test]
async fn what_http_proxy_counts_is_by_request_and_code() {
    let stage = stage().await;
    let request = RequestCount { request: "AddRecord".into(), status: 200, durations_us: vec![1000, 3000] };
    stage.metrics.add(&Stats { requests: vec![request], connections: 9, ..Stats::default() });
    stage.proxy.send_modify(|status| status.pid = Some(1));
    let labels = "{req=\"AddRecord\",code=\"200\"}";
    assert_eq!(stage.sample(&format!("ocs_requests_total{labels}")), 2.0);
    assert_eq!(stage.sample(&format!("ocs_request_duration_seconds_sum{labels}")), 0.004);
    assert_eq!(stage.sample("ocs_http_connections"), 9.0);
    stage.metrics.add_requests(&Stats { requests: Vec::new(), connections: 1, ..Stats::default() });
    assert_eq!(stage.sample("ocs_http_connections"), 9.0, "of one that has the port no more");
    stage.proxy.send_modify(|status| status.pid = None);
    assert_eq!(stage.sample("ocs_http_connections"), 0.0, "they ended with HTTP Proxy");
    assert_eq!(stage.sample("ocs_ignored_keys_total"), 3.0);
    assert_eq!(stage.sample("ocs_handed_out_total{group=\"101\",class=\"general\"}"), 5.0);
    assert_eq!(stage.sample("ocs_handed_out_total{group=\"101\",class=\"personal\"}"), 0.0);
    assert_eq!(stage.sample("ocs_previews_empty_total{group=\"101\"}"), 2.0);
    assert_eq!(stage.sample("ocs_met_on_do_not_call_total"), 4.0);
    assert_eq!(stage.sample("ocs_held_back_total"), 1.0);
    assert_eq!(stage.sample("ocs_returned_total"), 6.0);
    assert_eq!(stage.sample("ocs_overdue_total"), 7.0);
    assert_eq!(stage.sample("ocs_callbacks_missed_total"), 8.0);
}

#[tokio::test]
async fn refusals_for_a_credential_are_by_reason_from_the_first_page_on() {
    let stage = stage().await;
    for reason in Reason::ALL {
        assert_eq!(stage.sample(&format!("ocs_access_refused_total{{reason=\"{}\"}}", reason.word())), 0.0);
    }
    stage.metrics.access_refusals().add(Reason::Unknown, 3);
    assert_eq!(stage.sample("ocs_access_refused_total{reason=\"unknown\"}"), 3.0);
}

#[tokio::test]
async fn held_requests_and_the_proxy_are_on_the_page() {
    let stage = stage().await;
    let held = stage.sources.api.as_ref().unwrap().hold().enter(100);
    assert_eq!(stage.sample("ocs_held_requests"), 1.0);
    assert_eq!(stage.sample("ocs_held_bytes"), 100.0);
    drop(held);
    assert_eq!(stage.sample("ocs_held_requests"), 0.0);
    assert_eq!(stage.sample("ocs_requests_held_total"), 1.0);
    assert_eq!(stage.sample("ocs_requests_resent_total"), 0.0);
    stage.proxy.send_replace(crate::supervisor::ProxyStatus {
        restarts: 3,
        pid: Some(1),
        alarm: true,
        ..Default::default()
    });
    assert_eq!(stage.sample("ocs_http_proxy_restarts_total"), 3.0);
    assert_eq!(stage.sample("ocs_http_proxy_up"), 1.0);
    assert_eq!(stage.sample("ocs_http_proxy_alarm"), 1.0);
    for (state, up) in [("starting", 0.0), ("failed: in use", 0.0), ("listening", 1.0), ("stopping", 1.0)] {
        stage.proxy.send_modify(|status| status.state = state.into());
        assert_eq!(stage.sample("ocs_http_proxy_up"), up, "{state}");
    }
    assert_eq!((stage.sample("ocs_drained"), stage.sample("ocs_http_proxy_wanted")), (0.0, 1.0));
    stage.proxy.send_modify(|status| status.state = crate::supervisor::DRAINED.into());
    assert_eq!((stage.sample("ocs_drained"), stage.sample("ocs_http_proxy_wanted")), (1.0, 0.0));
}

#[tokio::test]
async fn certificates_and_refused_handshakes_are_on_the_page() {
    let stage = stage().await;
    let certificate = ocs_proto::link::Certificate {
        usage: "http".into(),
        file: "h.pem".into(),
        not_after_s: 2_000_000_000,
        failures: 3,
        fault: "half a file".into(),
        changed: false,
    };
    let report = ocs_proto::link::Certificates { order: 0, certificates: vec![certificate] };
    stage.sources.certificates.reported(report);
    assert_eq!(stage.sample("ocs_certificate_not_after_timestamp_seconds{use=\"http\"}"), 2_000_000_000.0);
    assert_eq!(stage.sample("ocs_certificate_reload_failures_total{use=\"http\"}"), 3.0);
    assert_eq!(stage.sample("ocs_certificate_files_unusable{use=\"http\"}"), 1.0);
    let refused = ocs_proto::link::HandshakeCount { reason: "expired".into(), count: 2 };
    for _ in 0..2 {
        stage.metrics.add(&Stats { handshakes_refused: vec![refused.clone()], ..Stats::default() });
    }
    assert_eq!(stage.sample("ocs_tls_refused_total{port=\"http\",reason=\"expired\"}"), 4.0);
    let refusals = Arc::new(Refusals::new("control"));
    stage.metrics.count_refusals("control", refusals.clone());
    let from = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    refusals.handshake(from, &chassis::tls::HandshakeFault::PlainHttp);
    assert_eq!(stage.sample("ocs_tls_refused_total{port=\"control\",reason=\"plain_http\"}"), 1.0);
}

#[tokio::test]
async fn refusals_are_by_port_and_reason() {
    let stage = stage().await;
    let refusals = Arc::new(Refusals::new("admin"));
    stage.metrics.count_refusals("admin", refusals.clone());
    refusals.count("pushed out");
    refusals.ended("idle");
    let told = RefusalCount { reason: "head_time".into(), count: 3 };
    for _ in 0..2 {
        stage.metrics.add(&Stats { refusals: vec![told.clone()], ..Stats::default() });
    }
    assert_eq!(stage.sample("ocs_refused_total{port=\"admin\",reason=\"pushed_out\"}"), 1.0);
    assert_eq!(stage.sample("ocs_refused_total{port=\"admin\",reason=\"idle\"}"), 1.0);
    assert_eq!(stage.sample("ocs_refused_total{port=\"http\",reason=\"head_time\"}"), 6.0);
}

#[tokio::test]
async fn every_counter_with_labels_begins_at_0_for_each_known_value() {
    let stage = stage().await;
    stage.metrics.count_http(true);
    for port in ["admin", "control", "peer"] {
        stage.metrics.count_refusals(port, Arc::new(Refusals::new(port)));
    }
    for begun in [
        "ocs_requests_total{req=\"AddRecord\",code=\"200\"}",
        "ocs_requests_total{req=\"GetRecord\",code=\"504\"}",
        "ocs_requests_total{req=\"-\",code=\"413\"}",
        "ocs_requests_total{req=\"makeList\",code=\"201\"}",
        "ocs_refused_total{port=\"http\",reason=\"head_time\"}",
        "ocs_refused_total{port=\"admin\",reason=\"pushed_out\"}",
        "ocs_refused_total{port=\"admin\",reason=\"host\"}",
        "ocs_refused_total{port=\"peer\",reason=\"not_http_2\"}",
        "ocs_tls_refused_total{port=\"http\",reason=\"slow\"}",
        "ocs_tls_refused_total{port=\"control\",reason=\"expired\"}",
        "ocs_import_batches_total{of=\"list\",outcome=\"refused\"}",
        "ocs_import_batches_total{of=\"do_not_call\",outcome=\"taken\"}",
    ] {
        assert_eq!(stage.sample(begun), 0.0, "{begun}");
    }
}

#[tokio::test]
async fn batches_of_imports_are_counted_by_content_and_outcome() {
    use ocs_proto::outbound::{Again, Done, Imported as Taken, Reply, reply::Body};
    let stage = stage().await;
    let reply = |body| Reply { body: Some(body), ..Reply::default() };
    let counts = &stage.sources.imports;
    counts.add(Imported::List, &reply(Body::Imported(Taken::default())));
    counts.add(Imported::DoNotCall, &reply(Body::Done(Done::default())));
    counts.add(Imported::DoNotCall, &reply(Body::Again(Again::default())));
    counts.add(Imported::DoNotCall, &Reply::default());
    for (labels, count) in [
        ("of=\"list\",outcome=\"taken\"", 1.0),
        ("of=\"list\",outcome=\"refused\"", 0.0),
        ("of=\"do_not_call\",outcome=\"taken\"", 1.0),
        ("of=\"do_not_call\",outcome=\"refused\"", 2.0),
    ] {
        assert_eq!(stage.sample(&format!("ocs_import_batches_total{{{labels}}}")), count, "{labels}");
    }
}

#[tokio::test]
async fn the_conditions_of_a_node_are_on_the_page() {
    let stage = stage().await;
    assert!(stage.sample("ocs_disk_free_bytes").is_nan(), "not measured yet");
    stage.sources.disk.note(4711);
    let newest = crate::versions::NEWEST;
    stage.group.become_status(Status {
        formats: 2,
        fetching: true,
        start: consensus::StartStanding::Old("a copy".into()),
        contradiction: "two entries of one index".into(),
        ..status(7, A)
    });
    stage.metrics.log_is_limited(1 << 30);
    for (name, value) in [
        ("ocs_disk_free_bytes", 4711.0),
        ("ocs_disk_reserve_bytes", 0.0),
        ("ocs_disk_short", 0.0),
        ("ocs_log_limit_bytes", f64::from(1 << 30)),
        ("ocs_formats_version", 2.0),
        ("ocs_formats_version_known", f64::from(newest.formats)),
        ("ocs_rules_version_known", f64::from(newest.rules)),
        ("ocs_state_fetching", 1.0),
        ("ocs_start_confirmed", 0.0),
        ("ocs_histories_contradict", 1.0),
        ("ocs_backup_interval_seconds", 0.0),
    ] {
        assert_eq!(stage.sample(name), value, "{name}");
    }
    let build = format!("ocs_build_info{{version=\"{}\",formats=\"{}\"", env!("CARGO_PKG_VERSION"), newest.formats);
    assert!(stage.page().contains(&build), "{build}");
}

#[tokio::test]
async fn this_process_and_the_process_of_http_proxy_are_on_the_page() {
    let stage = stage().await;
    for name in ["process_resident_memory_bytes", "process_virtual_memory_bytes", "process_open_fds", "process_max_fds"]
    {
        assert!(stage.sample(name) > 0.0, "{name}");
    }
    let started = stage.sample("process_start_time_seconds");
    assert!(started > 1e9 && stage.sample("process_start_time_seconds") == started, "{started}");
    assert!(stage.page().contains("# TYPE process_cpu_seconds_total counter"));
    let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
    for (pid, there) in [(Some(child.id()), true), (Some(std::process::id()), false), (None, false)] {
        stage.proxy.send_modify(|status| status.pid = pid);
        assert_eq!(stage.sample("ocs_http_proxy_resident_memory_bytes") > 0.0, there, "{pid:?}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn every_family_has_its_type_and_help_before_its_samples_in_both_formats() {
    let stage = stage().await;
    stage.metrics.count_http(true);
    for format in [Format::Text, Format::OpenMetrics] {
        let (page, mut family) = (stage.metrics.scrape(&stage.sources, format), String::new());
        for line in page.lines() {
            if let Some(typed) = line.strip_prefix("# TYPE ") {
                family = typed.split(' ').next().unwrap().to_owned();
            }
            assert!(line.starts_with("# ") || line.starts_with(&family), "{format:?}: {line} below {family}");
        }
        assert_eq!(page.ends_with("# EOF\n"), format == Format::OpenMetrics);
    }
}
