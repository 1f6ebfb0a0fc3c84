//! HTTP Proxy has no log of its own: its events travel to the node (spec 10.4). Installed by the binary alone; inside the
//! node, the node's own subscriber takes the events.
//!
//! Never blocks: records that the node does not take are dropped, and the next record reports their number.

use std::{
    fmt::{self, Write},
    sync::atomic::{AtomicU64, Ordering},
};

use ocs_proto::link::{LogField, LogRecord};
use tokio::sync::mpsc;
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter, Layer, Registry,
    layer::{Context, SubscriberExt},
    reload,
};

/// Records that wait for the node.
const RECORDS_MAX: usize = 1024;
/// Longest message, bytes.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// The receiving end of the layer, to be handed to [`crate::run_with_log`].
#[derive(Debug)]
pub struct LogSource {
    pub(crate) records: mpsc::Receiver<LogRecord>,
    filter: reload::Handle<EnvFilter, Registry>,
}

impl LogSource {
    /// Applies the node's filter; a malformed filter is reported and leaves "info" in place.
    pub(crate) fn set_filter(&self, filter: &str) {
        let applied = EnvFilter::try_new(filter).is_ok_and(|filter| self.filter.reload(filter).is_ok());
        if !applied {
            tracing::warn!(filter, "the log filter cannot be used");
        }
    }
}

/// A subscriber whose events go to the node, and their source.
pub fn subscriber() -> (impl Subscriber + Send + Sync, LogSource) {
    let (sender, records) = mpsc::channel(RECORDS_MAX);
    let (filter, handle) = reload::Layer::new(EnvFilter::new("info"));
    let subscriber = Registry::default().with(filter).with(ToNode { sender, dropped: AtomicU64::new(0) });
    (subscriber, LogSource { records, filter: handle })
}

struct ToNode {
    sender: mpsc::Sender<LogRecord>,
    dropped: AtomicU64,
}

impl<S: Subscriber> Layer<S> for ToNode {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        let record = LogRecord {
            level: event.metadata().level().to_string(),
            target: event.metadata().target().to_owned(),
            ..text.finish(dropped)
        };
        if self.sender.try_send(record).is_err() {
            self.dropped.fetch_add(dropped + 1, Ordering::Relaxed);
        }
    }
}

/// An event: the message, and its fields twice, also as text for nodes without structured fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
    apart: Vec<LogField>,
}

impl Text {
    fn finish(self, dropped: u64) -> LogRecord {
        let more = match dropped {
            0 => String::new(),
            dropped => format!(" ({dropped} log records before this one were dropped)"),
        };
        LogRecord {
            message: shortened(format!("{}{}{more}", self.message, self.fields)),
            bare: shortened(format!("{}{more}", self.message)),
            fields: self.apart,
            ..LogRecord::default()
        }
    }

    fn field(&mut self, name: &str, value: String) {
        self.apart.push(LogField { name: name.to_owned(), value: shortened(value) });
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > MESSAGE_BYTES_MAX {
        let end = (0..=MESSAGE_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
    }
    text
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &value);
        if let Some(apart) = self.apart.last_mut().filter(|apart| apart.name == field.name()) {
            apart.value = shortened(value.to_owned()); // without quotes
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_travel_as_fields_and_in_the_message_for_older_nodes() {
        let (sender, mut records) = mpsc::channel(1);
        let subscriber = Registry::default().with(ToNode { sender, dropped: AtomicU64::new(0) });
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(client = %"10.0.0.1", filter = "info", places = 3, "turned away");
        });
        let record = records.try_recv().unwrap();
        assert_eq!((record.level.as_str(), record.bare.as_str()), ("WARN", "turned away"));
        assert_eq!(record.message, "turned away client=10.0.0.1 filter=\"info\" places=3");
        let fields: Vec<_> = record.fields.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect();
        assert_eq!(fields, [("client", "10.0.0.1"), ("filter", "info"), ("places", "3")]);
    }
}
