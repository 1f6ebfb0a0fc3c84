//! The requests of a file, record by record. Never sends. Called by `replay`.

use std::{
    collections::HashMap,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    sync::Arc,
};

use bytes::Bytes;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// One line of the file.
#[derive(Debug, Deserialize)]
struct Line {
    record_id: u64,
    req: String,
    #[serde(default)]
    body: serde_json::Map<String, serde_json::Value>,
}

/// One request.
#[derive(Debug)]
pub(crate) struct Step {
    /// Number of its line, from 1.
    pub(crate) line: u32,
    /// The request name.
    pub(crate) req: Arc<str>,
    /// The body, JSON.
    pub(crate) body: Bytes,
}

/// The requests of one record, in the order of the file.
#[derive(Debug)]
pub(crate) struct Record {
    /// Its handle.
    pub(crate) handle: u64,
    /// The requests on the record.
    pub(crate) steps: Vec<Step>,
}

/// A whole file.
#[derive(Debug)]
pub(crate) struct Trace {
    /// In the order in which the file first names them.
    pub(crate) records: Vec<Record>,
    /// Of all records together.
    pub(crate) requests: u64,
    /// SHA-256 of the file, hex, shortened: the identity of a replay.
    pub(crate) digest: String,
}

impl Trace {
    /// Reads a file; a line that makes no sense, or names a record that the list does not have, is refused by number.
    pub(crate) fn read(path: &Path, handles: &HashMap<u64, u64>) -> Result<Self, Failure> {
        let fault = |error: std::io::Error| Failure::input(path, error);
        let mut reader = BufReader::with_capacity(1 << 18, File::open(path).map_err(fault)?);
        let mut builder = Builder { hash: Sha256::new(), ..Builder::default() };
        let mut text = String::new();
        while reader.read_line(&mut text).map_err(fault)? > 0 {
            builder.add(&text, handles).map_err(|why| Failure::file(path, why))?;
            text.clear();
        }
        Ok(builder.finish())
    }
}

#[derive(Default)]
struct Builder {
    hash: Sha256,
    line: u32,
    requests: u64,
    records: Vec<Record>,
    places: HashMap<u64, usize>,
    names: HashMap<String, Arc<str>>,
}

impl Builder {
    fn add(&mut self, text: &str, handles: &HashMap<u64, u64>) -> Result<(), String> {
        self.line += 1;
        self.hash.update(text.as_bytes());
        if text.trim().is_empty() {
            return Ok(());
        }
        let number = self.line;
        let line: Line = serde_json::from_str(text).map_err(|error| format!("line {number}: {error}"))?;
        if line.req.is_empty() || !line.req.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(format!("line {number}: `{}` is not a request name", line.req));
        }
        let unknown = || format!("line {number}: the list has no record {}", line.record_id);
        let handle = *handles.get(&line.record_id).ok_or_else(unknown)?;
        let body = serde_json::to_vec(&line.body).map_err(|error| format!("line {number}: {error}"))?;
        let req = self.names.entry(line.req.clone()).or_insert_with(|| line.req.as_str().into()).clone();
        let place = *self.places.entry(line.record_id).or_insert_with(|| {
            self.records.push(Record { handle, steps: Vec::new() });
            self.records.len() - 1
        });
        self.records[place].steps.push(Step { line: number, req, body: body.into() });
        self.requests += 1;
        Ok(())
    }

    fn finish(self) -> Trace {
        let hex: String = self.hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        Trace { records: self.records, requests: self.requests, digest: hex }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Trace, Failure> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("requests.jsonl");
        std::fs::write(&path, text).unwrap();
        Trace::read(&path, &HashMap::from([(1, 101), (2, 102)]))
    }

    #[test]
    fn a_records_requests_keep_their_order() {
        let text = r#"{"record_id": 2, "req": "UpdateCallCompletionStats", "body": {"GSW_ATTEMPTS": 1}}
{"record_id": 1, "req": "RecordProcessed", "body": {}}
{"record_id": 2, "req": "RecordProcessed", "body": {}}
"#;
        let trace = read(text).unwrap();
        let steps = |record: &Record| record.steps.iter().map(|step| step.line).collect::<Vec<_>>();
        let shape: Vec<_> = trace.records.iter().map(|record| (record.handle, steps(record))).collect();
        assert_eq!(shape, [(102, vec![1, 3]), (101, vec![2])]);
        assert_eq!(trace.requests, 3);
        assert_eq!(trace.records[0].steps[0].body.as_ref(), br#"{"GSW_ATTEMPTS":1}"#);
    }

    #[test]
    fn the_digest_is_that_of_the_files_bytes() {
        let line = |id: u64| format!("{{\"record_id\": {id}, \"req\": \"RecordProcessed\"}}\n");
        assert_eq!(read(&line(1)).unwrap().digest, read(&line(1)).unwrap().digest);
        assert_ne!(read(&line(1)).unwrap().digest, read(&line(2)).unwrap().digest);
    }

    #[test]
    fn a_line_that_makes_no_sense_is_refused_by_number() {
        let first = "{\"record_id\": 1, \"req\": \"RecordProcessed\"}\n";
        let why = |second: &str| read(&format!("{first}{second}")).unwrap_err().to_string();
        assert!(why("{\"record_id\": 3, \"req\": \"RecordProcessed\"}").ends_with("line 2: the list has no record 3"));
        assert!(why("nonsense").contains("line 2: "));
        assert!(why("{\"record_id\": 1, \"req\": \"a b\"}").ends_with("line 2: `a b` is not a request name"));
    }
}
