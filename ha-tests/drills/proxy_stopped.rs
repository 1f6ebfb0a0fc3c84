//! SIGSTOP of an HTTP Proxy: see `docs/drills/proxy-stopped.md`. Called by `drill`.

use std::time::{Duration, Instant};

use ocs_ha_tests::{
    Cluster, Signal,
    drill::{DATA, Drill, Options, Round, Scenario, Stage},
};

pub(crate) const DRILL: Drill =
    Drill { name: "proxy-stopped", bar: None, network: false, scenario: || Box::new(Stopped) };

const RECONNECT: Duration = Duration::from_secs(2);
/// Time in which the node notices that its HTTP Proxy stands still.
const NOTICED: Duration = Duration::from_secs(3);
/// Time for the start of a process on a machine that is under load.
const START: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Stopped;

impl Scenario for Stopped {
    fn start(&mut self, _options: &Options) -> Result<Cluster, String> {
        Ok(Cluster::with(&[&format!("http_proxy.reconnect_timeout_ms={}", RECONNECT.as_millis())]))
    }

    fn round(&mut self, stage: &mut Stage) -> Round {
        let primary = stage.cluster.primary();
        let node = DATA[stage.number as usize % DATA.len()];
        stage.excuse(node);
        let stopped = Instant::now();
        let pid = stage.cluster.signal_proxy(node, Signal::STOP);
        stage.more(stage.cluster.other(node), 20);
        let outage = stage.outage(node, stopped);
        assert!(outage < NOTICED + RECONNECT + START, "{node} did not serve its clients for {outage:?}");
        stage.cluster.wait_gone(pid);
        stage.back(node);
        assert_eq!(stage.cluster.primary(), primary, "the role moved");
        Round { outage: Some(outage), ..Round::of(format!("stop the HTTP Proxy of {node}")) }
    }
}
