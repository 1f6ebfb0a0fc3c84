//! Log records of the HTTP front end in this node's log: their fields stay fields.
//!
//! Never judges a record. Called by the link.

use ocs_proto::link::LogRecord;

/// The fields of an event: a record's fields of these names become fields, and its other fields stay in the message.
const FIELDS: [&str; 10] = [
    "request",
    "from",
    "client",
    "address",
    "scheme",
    "error",
    "fault",
    "filter",
    "connections_max",
    "bodies_bytes_max",
];

macro_rules! event {
    ($level:ident, $module:expr, $record:expr, $message:expr) => {{
        let of = |name: &str| field($record, name);
        tracing::$level!(
            target: "http_proxy",
            module = $module,
            request = of("request"),
            from = of("from"),
            client = of("client"),
            address = of("address"),
            scheme = of("scheme"),
            error = of("error"),
            fault = of("fault"),
            filter = of("filter"),
            connections_max = of("connections_max"),
            bodies_bytes_max = of("bodies_bytes_max"),
            "{}", $message
        )
    }};
}

/// Writes a record at its level.
pub(crate) fn tell(record: &LogRecord) {
    let (module, message) = (record.target.as_str(), message(record));
    match record.level.as_str() {
        "ERROR" => event!(error, module, record, message),
        "WARN" => event!(warn, module, record, message),
        "INFO" => event!(info, module, record, message),
        "DEBUG" => event!(debug, module, record, message),
        _ => event!(trace, module, record, message),
    }
}

fn field<'a>(record: &'a LogRecord, name: &str) -> Option<&'a str> {
    record.fields.iter().find(|field| field.name == name).map(|field| field.value.as_str())
}

/// A front end of an older release puts its fields into the message.
fn message(record: &LogRecord) -> String {
    if record.bare.is_empty() {
        return record.message.clone();
    }
    let others = record.fields.iter().filter(|field| !FIELDS.contains(&field.name.as_str()));
    let others: Vec<String> = others.map(|field| format!(" {}={:?}", field.name, field.value)).collect();
    format!("{}{}", record.bare, others.concat())
}

#[cfg(test)]
mod tests {
    use ocs_proto::link::LogField;

    use super::*;

    #[test]
    fn fields_that_are_known_leave_the_message_and_no_other_is_lost() {
        let field_of = |name: &str, value: &str| LogField { name: name.to_owned(), value: value.to_owned() };
        let record = LogRecord {
            message: "turned away client=10.0.0.1 tries=3".to_owned(),
            bare: "turned away".to_owned(),
            fields: vec![field_of("client", "10.0.0.1"), field_of("tries", "3")],
            ..LogRecord::default()
        };
        assert_eq!(message(&record), "turned away tries=\"3\"");
        assert_eq!((field(&record, "client"), field(&record, "error")), (Some("10.0.0.1"), None));
        let older = LogRecord { bare: String::new(), fields: Vec::new(), ..record };
        assert_eq!(message(&older), "turned away client=10.0.0.1 tries=3");
        tell(&older);
    }
}
