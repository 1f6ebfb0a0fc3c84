//! The process's log: records of `tracing`, to standard error, as text or as JSON lines. Called once, by `main`.
//!
//! Never writes to standard output, which belongs to what a command was asked for. Never lets a stranger fill the disk or forge
//! a line: libraries have a budget (`strangers`), and a record is one line of a bounded length (`line`).

mod line;
mod strangers;

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use tracing_subscriber::{
    EnvFilter, fmt, fmt::format::Format as Layout, layer::SubscriberExt, util::SubscriberInitExt,
};

use self::{line::OneLine, strangers::Strangers};

pub use self::line::Shown;

/// The budgets of this process.
static STRANGERS: OnceLock<Strangers> = OnceLock::new();

/// How a log record looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A line for a person.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Logging {
    /// Levels by module: `info`, `warn,node=debug`.
    pub filter: String,
    /// Text or JSON.
    pub format: Format,
}

impl Default for Logging {
    fn default() -> Self {
        Self { filter: "info".into(), format: Format::Text }
    }
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter does not read.
    #[error("filter {0:?} is not understood: write levels such as \"info\" or \"warn,node=debug\"")]
    Filter(String),
    /// Somebody was first.
    #[error("the log was set up twice")]
    Twice,
}

impl Logging {
    /// Whether the filter reads; for a check of the configuration that starts nothing.
    ///
    /// # Errors
    /// [`LogError::Filter`].
    pub fn check(&self) -> Result<(), LogError> {
        self.parse().map(drop)
    }

    fn parse(&self) -> Result<EnvFilter, LogError> {
        EnvFilter::builder().parse(&self.filter).map_err(|_| LogError::Filter(self.filter.clone()))
    }
}

/// Sets the log up for the whole process.
///
/// # Errors
/// See [`LogError`].
pub fn init(logging: &Logging) -> Result<(), LogError> {
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let strangers = STRANGERS.get_or_init(Strangers::default).clone();
    let registry = tracing_subscriber::registry().with(logging.parse()?).with(strangers);
    match logging.format {
        Format::Text => registry.with(layer.event_format(OneLine(Layout::default().with_ansi(false)))).try_init(),
        Format::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    }
    .map_err(|_| LogError::Twice)
}

/// Tells the log every minute how many lines of libraries were left out of it. Never ends.
pub async fn sum_up() {
    STRANGERS.get_or_init(Strangers::default).sum_up().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_does_not_read_is_refused_in_one_line() {
        let wrong = Logging { filter: "node=loud".into(), ..Logging::default() };
        let text = wrong.check().unwrap_err().to_string();
        assert!(text.contains("node=loud") && !text.contains('\n'), "{text}");
        Logging::default().check().unwrap();
    }
}
