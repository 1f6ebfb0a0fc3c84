//! The process's log: records of `tracing`, to standard error, as text or as JSON lines. Called once, by `main`.
//!
//! Never writes to standard output, which belongs to a command's result. Never lets a stranger fill the disk or forge a line:
//! libraries have a budget (`strangers`), and a record is one line of a bounded length (`line`). Never makes a thread wait for
//! the reader of standard error: only the log thread writes, out of a bounded queue (`writer`).

mod line;
mod masked;
mod relay;
mod strangers;
mod writer;

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io,
    panic::{self, PanicHookInfo},
    sync::OnceLock,
    thread,
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing_subscriber::{
    EnvFilter, Registry, fmt,
    fmt::format::{Format as Layout, JsonFields},
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

use self::{
    line::{Bounded, one_line, short_json},
    writer::{Lines, Notice},
};
use crate::exit;

pub use self::{
    line::Shown,
    masked::{Masked, masked},
    relay::{Relay, RelayForm},
    strangers::Strangers,
};

/// The time that the end of the process waits for unwritten lines.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// The budgets of this process.
static STRANGERS: OnceLock<Strangers> = OnceLock::new();
/// The queue to standard error, after the set-up of the log.
static LINES: OnceLock<Lines> = OnceLock::new();
/// The form of a panic's message, after the set-up of the log.
static PANIC_FORM: OnceLock<PanicForm> = OnceLock::new();
/// The levels that count, after the set-up of the log.
static LEVELS: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Formats the message of a panic as a line, without its end.
type PanicForm = fn(&str) -> String;

/// The format of a log record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A line for a person.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// Levels and format of the log.
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

/// Why the set-up of the log fails.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is malformed.
    #[error("filter {0:?} is not understood: write levels such as \"info\" or \"warn,node=debug\"")]
    Filter(String),
    /// An earlier call has set the log up.
    #[error("the log was set up twice")]
    Twice,
    /// The process has no log of its own, or has not set the log up.
    #[error("there is no log whose levels could change")]
    NoLog,
    /// The system has no thread for the writer.
    #[error("the thread that writes the log does not start: {0}")]
    Thread(io::Error),
}

impl LogError {
    /// The exit status of the process.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Filter(_) | Self::Twice | Self::NoLog => exit::USAGE,
            Self::Thread(_) => exit::TEMPORARY,
        }
    }
}

impl Logging {
    /// Checks the filter; for a check of the configuration that starts nothing.
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

/// Sets the log up for the whole process, panic messages included.
///
/// # Errors
/// See [`LogError`].
pub fn init(logging: &Logging) -> Result<(), LogError> {
    let (filter, levels) = reload::Layer::new(logging.parse()?);
    let lines = Lines::start(io::stderr(), logging.format.notice()).map_err(LogError::Thread)?;
    let records = lines.clone();
    let layer = fmt::layer().with_writer(move || records.clone()).with_ansi(false);
    let registry = tracing_subscriber::registry().with(filter).with(library_budgets());
    let installed = match logging.format {
        Format::Text => registry.with(layer.event_format(Bounded::text(Layout::default().with_ansi(false)))).try_init(),
        Format::Json => {
            let json = Bounded::json(Layout::default().json().flatten_event(true));
            registry.with(layer.fmt_fields(JsonFields::new()).event_format(json)).try_init()
        }
    };
    installed.map_err(|_| LogError::Twice)?;
    LEVELS.set(levels).map_err(|_| LogError::Twice)?;
    watch_panics(lines, logging.format.panic_form())
}

/// The levels of this process's log from now on; the format stays.
///
/// # Errors
/// [`LogError::Filter`], and the levels stay; [`LogError::NoLog`].
pub fn set_filter(logging: &Logging) -> Result<(), LogError> {
    let filter = logging.parse()?;
    let levels = LEVELS.get().ok_or(LogError::NoLog)?;
    levels.reload(filter).map_err(|_| LogError::NoLog)
}

/// The layer that bounds the lines which strangers cause in libraries.
pub fn library_budgets() -> Strangers {
    STRANGERS.get_or_init(Strangers::default).clone()
}

/// From now on messages of panics are lines of this form in the queue.
fn watch_panics(lines: Lines, form: PanicForm) -> Result<(), LogError> {
    LINES.set(lines).map_err(|_| LogError::Twice)?;
    PANIC_FORM.set(form).map_err(|_| LogError::Twice)?;
    panic::set_hook(Box::new(panicked));
    Ok(())
}

/// Waits until the log is written, at most half a second: for the end of the process.
pub fn flush() {
    if let Some(lines) = LINES.get() {
        lines.flush(FLUSH_TIMEOUT);
    }
}

/// Writes a line even into a full queue, and waits for the write, at most half a second. Without a log the line goes to standard
/// error directly.
pub fn last_words(text: &str) {
    match LINES.get() {
        Some(lines) => {
            lines.push_last(format!("{text}\n").as_bytes());
            lines.flush(FLUSH_TIMEOUT);
        }
        None => eprintln!("{text}"),
    }
}

/// Log lines dropped since the start, because the reader of standard error stalled.
pub fn lines_dropped() -> u64 {
    LINES.get().map_or(0, Lines::dropped_total)
}

/// The panic hook. The default hook writes to standard error itself, and a full pipe would block the panicking thread. A panic may
/// show a part of a request, so that its numbers are masked.
fn panicked(panic: &PanicHookInfo<'_>) {
    let (thread, trace) = (thread::current(), Backtrace::capture());
    let message = panic.to_string();
    let mut text = format!("thread '{}' {}", thread.name().unwrap_or("unnamed"), one_line(&masked(&message)));
    if trace.status() == BacktraceStatus::Captured {
        text.push_str(&format!("\n{trace}"));
    }
    last_words(&PANIC_FORM.get().map_or_else(|| text.clone(), |form| form(&text)));
}

impl Format {
    fn notice(self) -> Notice {
        match self {
            Self::Text => |lines| format!("{}  WARN {}: {}\n", Timestamp::now(), module_path!(), dropped(lines)),
            Self::Json => |lines| format!("{}\n", short_json("WARN", module_path!(), &dropped(lines))),
        }
    }

    fn panic_form(self) -> PanicForm {
        match self {
            Self::Text => str::to_owned,
            Self::Json => |text| short_json("ERROR", module_path!(), text),
        }
    }
}

fn dropped(lines: u64) -> String {
    format!("{lines} lines were dropped: standard error did not take them in time")
}

/// Logs every minute the count of library lines left out. Never ends.
pub async fn sum_up() {
    STRANGERS.get_or_init(Strangers::default).sum_up().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_dropped_lines_is_one_line_in_either_format() {
        for format in [Format::Text, Format::Json] {
            let line = format.notice()(7);
            assert!(line.contains("7 lines were dropped") && line.find('\n') == Some(line.len() - 1), "{line}");
        }
        assert!(Format::Json.notice()(7).starts_with("{\"timestamp\":"));
    }

    #[test]
    fn a_filter_that_does_not_read_is_refused_in_one_line() {
        let wrong = Logging { filter: "node=loud".into(), ..Logging::default() };
        let text = wrong.check().unwrap_err().to_string();
        assert!(text.contains("node=loud") && !text.contains('\n'), "{text}");
        Logging::default().check().unwrap();
    }
}
