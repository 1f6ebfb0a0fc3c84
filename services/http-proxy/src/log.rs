//! HTTP Proxy has no log of its own: its events go to the node (spec 10.4). Installed by the binary alone; inside the node, the
//! node's own subscriber takes the events.
//!
//! A record is a line of standard error, written by a thread of its own: a record outlives a panic and a runtime that stands
//! still. Never blocks: what the node does not take is dropped and counted. A node of an older release reads records on the link.

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chassis::logging::{self, LogError, Relay, RelayForm};
use ocs_proto::link::{LogField, LogRecord};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    layer::{Context, SubscriberExt},
    reload,
    util::SubscriberInitExt,
};

/// Records that wait for the node.
const RECORDS_MAX: usize = 1024;
/// Longest message, bytes.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;
/// Longest value of a field, bytes.
const VALUE_BYTES_MAX: usize = 4 * 1024;
/// Begins a line that is a record: no other text has this letter in front (RFC 7464).
const RECORD_BEGIN: u8 = 0x1e;

/// The beginning and the levels of the log, to be handed to [`crate::run_with_log`].
#[derive(Debug)]
pub struct LogSource {
    filter: reload::Handle<EnvFilter, Registry>,
    relay: Relay,
    way: Arc<Mutex<Way>>,
}

impl LogSource {
    /// Applies the node's filter; a malformed filter is reported and leaves the levels as they were.
    pub(crate) fn set_filter(&self, filter: &str) {
        let applied = EnvFilter::try_new(filter).is_ok_and(|filter| self.filter.reload(filter).is_ok());
        if !applied {
            tracing::warn!(filter, "the log filter cannot be used");
        }
    }

    /// From now on records are lines of standard error, those that waited first.
    pub(crate) fn go_as_lines(&self) {
        let mut way = way(&self.way);
        if let Way::Waiting { records, dropped } = std::mem::replace(&mut *way, Way::Lines(self.relay.clone())) {
            records.iter().for_each(|record| self.relay.push(&line(record)));
            if dropped > 0 {
                self.relay.push(&dropped_line(dropped));
            }
        }
    }

    /// From now on records are in the queue that is returned, for the link, those that waited first.
    pub(crate) fn go_on_the_link(&self) -> mpsc::Receiver<LogRecord> {
        let (sender, queue) = mpsc::channel(RECORDS_MAX);
        let mut way = way(&self.way);
        let next = Way::Link { sender: sender.clone(), dropped: 0 };
        if let Way::Waiting { records, .. } = std::mem::replace(&mut *way, next) {
            records.into_iter().for_each(|record| drop(sender.try_send(record))); // there is room for as many
        }
        queue
    }
}

/// Sets the log of this process up: its events go to the node.
///
/// # Errors
/// The log was set up before, or the system has no room for a thread.
pub fn init() -> Result<LogSource, LogError> {
    let relay = Relay::start(RelayForm { dropped: dropped_line, panic: panic_line })?;
    let way = Arc::new(Mutex::new(Way::Waiting { records: Vec::new(), dropped: 0 }));
    let (filter, handle) = reload::Layer::new(EnvFilter::new("info"));
    let layers = Registry::default().with(filter).with(logging::library_budgets()).with(ToParent(way.clone()));
    layers.try_init().map_err(|_| LogError::Twice)?;
    Ok(LogSource { filter: handle, relay, way })
}

/// How records reach the node.
#[derive(Debug)]
enum Way {
    /// The node's configuration, which says how, has not come yet.
    Waiting { records: Vec<LogRecord>, dropped: u64 },
    /// As lines of standard error.
    Lines(Relay),
    /// On the link.
    Link { sender: mpsc::Sender<LogRecord>, dropped: u64 },
}

impl Way {
    fn take(&mut self, text: Text) {
        match self {
            Self::Waiting { records, dropped } if records.len() >= RECORDS_MAX => *dropped += 1,
            Self::Waiting { records, .. } => records.push(text.finish(0)),
            Self::Lines(relay) => relay.push(&line(&text.finish(0))),
            Self::Link { sender, dropped } => match sender.try_send(text.finish(*dropped)) {
                Ok(()) => *dropped = 0,
                Err(_) => *dropped += 1,
            },
        }
    }
}

fn way(way: &Mutex<Way>) -> MutexGuard<'_, Way> {
    way.lock().unwrap_or_else(PoisonError::into_inner)
}

struct ToParent(Arc<Mutex<Way>>);

impl<S: Subscriber> Layer<S> for ToParent {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let text = Text::of(event); // before the lock: a field may log while the layer shows the field
        way(&self.0).take(text);
    }
}

// === records ===

/// An event: the message, and its fields twice, also as text for nodes without structured fields.
#[derive(Default)]
struct Text {
    level: String,
    target: String,
    message: String,
    fields: String,
    apart: Vec<LogField>,
}

impl Text {
    fn of(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let (level, target) = (metadata.level().to_string(), metadata.target().to_owned());
        let mut text = Self { level, target, ..Self::default() };
        event.record(&mut text);
        text
    }

    /// The record, with the count of records that were dropped before it.
    fn finish(self, dropped: u64) -> LogRecord {
        let more = match dropped {
            0 => String::new(),
            dropped => format!(" ({dropped} log records before this one were dropped)"),
        };
        LogRecord {
            message: shortened(format!("{}{}{more}", self.message, self.fields), MESSAGE_BYTES_MAX),
            bare: shortened(format!("{}{more}", self.message), MESSAGE_BYTES_MAX),
            level: self.level,
            target: self.target,
            fields: self.apart,
        }
    }

    fn field(&mut self, name: &str, value: String) {
        self.apart.push(LogField { name: name.to_owned(), value: shortened(value, VALUE_BYTES_MAX) });
    }
}

fn shortened(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let end = (0..=bytes_max).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
    }
    text
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &value);
        if let Some(apart) = self.apart.last_mut().filter(|apart| apart.name == field.name()) {
            apart.value = shortened(value.to_owned(), VALUE_BYTES_MAX); // without quotes
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let written = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => {
                self.field(name, format!("{value:?}"));
                write!(self.fields, " {name}={value:?}")
            }
        };
        written.expect("a String grows");
    }
}

// === lines ===

/// A record on its line.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    level: String,
    target: String,
    message: String,
    fields: Vec<(String, String)>,
}

/// The line of a record, with its end: JSON has an escape for each line end inside.
fn line(record: &LogRecord) -> String {
    let fields = record.fields.iter().map(|field| (field.name.clone(), field.value.clone()));
    let line = Line {
        level: record.level.clone(),
        target: record.target.clone(),
        message: record.bare.clone(),
        fields: fields.collect(),
    };
    let json = serde_json::to_string(&line).expect("texts are JSON");
    format!("{}{json}\n", char::from(RECORD_BEGIN))
}

/// The record of a line; none: the line is any other text on standard error.
pub fn record_of_line(text: &[u8]) -> Option<LogRecord> {
    let Line { level, target, message, fields } = serde_json::from_slice(text.strip_prefix(&[RECORD_BEGIN])?).ok()?;
    let fields = fields.into_iter().map(|(name, value)| LogField { name, value });
    Some(LogRecord { level, target, message: message.clone(), bare: message, fields: fields.collect() })
}

fn dropped_line(records: u64) -> String {
    let text = format!("{records} log records were dropped: the node did not take them in time");
    line(&own_record("WARN", text))
}

fn panic_line(text: &str) -> String {
    let text = shortened(text.to_owned(), MESSAGE_BYTES_MAX);
    line(&own_record("ERROR", text)).trim_end().to_owned()
}

fn own_record(level: &str, bare: String) -> LogRecord {
    LogRecord { level: level.to_owned(), target: module_path!().to_owned(), bare, ..LogRecord::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_the_link() -> (ToParent, mpsc::Receiver<LogRecord>) {
        let (sender, records) = mpsc::channel(1);
        (ToParent(Arc::new(Mutex::new(Way::Link { sender, dropped: 0 }))), records)
    }

    #[test]
    fn fields_travel_as_fields_and_in_the_message_for_older_nodes() {
        let (layer, mut records) = on_the_link();
        tracing::subscriber::with_default(Registry::default().with(layer), || {
            tracing::warn!(client = %"10.0.0.1", filter = "info", places = 3, "turned away");
        });
        let record = records.try_recv().unwrap();
        assert_eq!((record.level.as_str(), record.bare.as_str()), ("WARN", "turned away"));
        assert_eq!(record.message, "turned away client=10.0.0.1 filter=\"info\" places=3");
        let fields: Vec<_> = record.fields.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect();
        assert_eq!(fields, [("client", "10.0.0.1"), ("filter", "info"), ("places", "3")]);
    }

    #[test]
    fn a_flood_on_the_link_is_counted_by_the_next_record_that_the_node_takes() {
        let (layer, mut records) = on_the_link();
        tracing::subscriber::with_default(Registry::default().with(layer), || {
            (0..5).for_each(|number| tracing::info!("line {number}"));
            assert_eq!(records.try_recv().unwrap().bare, "line 0");
            tracing::info!("line 5");
            assert_eq!(records.try_recv().unwrap().bare, "line 5 (4 log records before this one were dropped)");
            tracing::info!("line 6");
            assert_eq!(records.try_recv().unwrap().bare, "line 6");
        });
    }

    #[test]
    fn records_from_before_the_configuration_keep_their_order_and_are_bounded() {
        let way = Arc::new(Mutex::new(Way::Waiting { records: Vec::new(), dropped: 0 }));
        tracing::subscriber::with_default(Registry::default().with(ToParent(way.clone())), || {
            (0..RECORDS_MAX + 3).for_each(|number| tracing::info!("line {number}"));
        });
        let waiting = super::way(&way);
        let Way::Waiting { records, dropped } = &*waiting else { panic!("no configuration came") };
        assert_eq!((records.len(), *dropped, records[1].bare.as_str()), (RECORDS_MAX, 3, "line 1"));
    }

    #[test]
    fn a_record_is_one_line_and_comes_back_whole() {
        let field = |name: &str, value: &str| LogField { name: name.into(), value: value.into() };
        let record = LogRecord {
            level: "ERROR".into(),
            target: "http_proxy::serve".into(),
            message: "two\nlines \u{1e}\u{202e} of \"text\"".into(),
            bare: "two\nlines \u{1e}\u{202e} of \"text\"".into(),
            fields: vec![field("request", "7"), field("client", "10.0.0.1\n")],
        };
        let line = line(&record);
        assert_eq!(line.find('\n'), Some(line.len() - 1), "{line:?}");
        assert_eq!(record_of_line(line.trim_end().as_bytes()), Some(record));
        for other in ["", "fatal runtime error: stack overflow", "{\"level\":\"INFO\"}", "\u{1e}{\"level\":"] {
            assert_eq!(record_of_line(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_panic_and_a_count_are_records_too() {
        let panic = record_of_line(panic_line("thread 'x' panicked at y:1:\nno").as_bytes()).unwrap();
        assert_eq!((panic.level.as_str(), panic.bare.as_str()), ("ERROR", "thread 'x' panicked at y:1:\nno"));
        let count = record_of_line(dropped_line(7).trim_end().as_bytes()).unwrap();
        assert!(count.level == "WARN" && count.bare.starts_with("7 log records were dropped"), "{count:?}");
    }
}
