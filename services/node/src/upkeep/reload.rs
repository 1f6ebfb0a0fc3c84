//! The configuration, read anew while the node runs: a key counts as soon as its part can take the value, and every other key is
//! named.
//!
//! A file with a fault changes nothing. Never judges a certificate: the part that serves with the certificate does, through its
//! [`Reloader`].

use chassis::logging;
use futures::future::BoxFuture;
use node_config::{Args, Changed, Config, Counts};

use crate::supervisor::ProxyControl;

const PROXY: &str = "http_proxy.";

/// Reads the files of one part anew and takes them into use; a line for each effect. A part whose files have a fault goes on with
/// the former ones, and its line says so.
pub type Reloader = std::sync::Arc<dyn Fn() -> BoxFuture<'static, Vec<String>> + Send + Sync>;

/// What a reload did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Faults of the configuration, a line each; with one nothing was changed.
    pub faults: Vec<String>,
    /// Changes, a line each.
    pub changes: Vec<String>,
}

impl Reloaded {
    /// Logs every line.
    pub(super) fn log(&self, by: &str) {
        for fault in &self.faults {
            tracing::error!(by, "the configuration was read and is not taken, everything stays as it is: {fault}");
        }
        for change in &self.changes {
            tracing::info!(by, "reload: {change}");
        }
        if self.faults.is_empty() {
            tracing::info!(by, changes = self.changes.len(), "reload: the configuration was read anew");
        }
    }
}

/// The configuration of the process, and of its next HTTP Proxy.
pub(super) struct Reload {
    pub(super) args: Args,
    /// The configuration of the start: most keys count from a start on.
    pub(super) started: Config,
    /// The configuration that was taken last.
    pub(super) taken: Config,
    /// The configuration of the HTTP Proxy that ran at the last reload, and the number of that HTTP Proxy's start.
    former: Option<(Config, u64)>,
    proxy: Option<ProxyControl>,
    reloaders: Vec<Reloader>,
}

impl Reload {
    pub(super) fn new(args: Args, config: Config, proxy: Option<ProxyControl>, reloaders: Vec<Reloader>) -> Self {
        Self { args, started: config.clone(), taken: config, former: None, proxy, reloaders }
    }

    /// Reads, checks and takes the configuration.
    pub(super) async fn run(&mut self) -> Reloaded {
        let now = match read(self.args.clone(), self.taken.clone()).await {
            Ok(now) => now,
            Err(faults) => return Reloaded { faults, changes: Vec::new() },
        };
        let mut changes = self.take_levels(&now);
        changes.extend(self.lines(&now));
        if let Some(proxy) = &self.proxy {
            let former = self.of_proxy().clone();
            self.former = proxy.running_start().map(|start| (former, start));
            proxy.set(now.http_proxy.clone(), &now.logging.filter).await;
        }
        for reload in &self.reloaders {
            changes.extend(reload().await);
        }
        self.taken = now;
        Reloaded { faults: Vec::new(), changes }
    }

    /// The configuration of the present HTTP Proxy, or of the next one where none runs.
    pub(super) fn of_proxy(&self) -> &Config {
        let running = self.proxy.as_ref().and_then(ProxyControl::running_start);
        match &self.former {
            Some((config, start)) if running == Some(*start) => config,
            _ => &self.taken,
        }
    }

    /// The levels of the log count at once; a line only where that fails.
    fn take_levels(&self, now: &Config) -> Vec<String> {
        if now.logging.filter == self.taken.logging.filter {
            return Vec::new();
        }
        let taken = logging::set_filter(&now.logging);
        taken.err().map(|error| format!("key logging.filter: {error}")).into_iter().collect()
    }

    /// Each changed key and its moment: since the last reload, and since the start for keys that need a restart.
    fn lines(&self, now: &Config) -> Vec<String> {
        let since_start = self.started.changed(now).into_iter().filter(|changed| changed.counts == Counts::Restart);
        let since_last = self.taken.changed(now).into_iter().filter(|changed| changed.counts != Counts::Restart);
        since_last.chain(since_start).map(|changed| line(&changed, now)).collect()
    }
}

fn line(changed: &Changed, now: &Config) -> String {
    let Changed { key, counts } = changed;
    match counts {
        Counts::Now if !key.starts_with(PROXY) => format!("key {key}: {}", counts.words()),
        Counts::Now if now.http_proxy.is_off() => format!("key {key}: removed, so HTTP Proxy ends"),
        Counts::Now => format!("key {key}: added, so HTTP Proxy starts"),
        _ => format!("key {key}: {}", counts.words()),
    }
}

/// The configuration of file, environment and command line at this moment, checked.
pub(super) async fn read(args: Args, before: Config) -> Result<Config, Vec<String>> {
    let reading = move || -> Result<Config, Vec<String>> {
        let now = Config::load(&args).map_err(|error| vec![error.to_string()])?;
        let checked = now.check_to_reload(&before);
        checked.map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        Ok(now)
    };
    let read = tokio::task::spawn_blocking(reading).await;
    read.unwrap_or_else(|_| Err(vec!["reading it failed; the log says more".to_owned()]))
}
