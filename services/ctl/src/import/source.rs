//! A CSV file whose header was read and found fit for an import. Never reads its rows before they are asked for. Called
//! by `import` and by the verbs, before they send anything.

use std::{
    collections::HashSet,
    fs::File,
    path::{Path, PathBuf},
};

use super::batches::{self, Piece, Pieces};
use crate::failure::Failure;

/// The one column that every file must have (design: the others take their defaults).
const REQUIRED: &str = "contact_info";

/// An open file, behind its header.
#[derive(Debug)]
pub(crate) struct Source {
    path: PathBuf,
    columns: Vec<String>,
    reader: csv::Reader<File>,
    bytes: u64,
}

impl Source {
    /// Opens a file and checks its header.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let fault = |error: &dyn std::fmt::Display| Failure::file(path, error);
        let file = File::open(path).map_err(|error| fault(&error))?;
        let bytes = file.metadata().map_err(|error| fault(&error))?.len();
        let mut reader = batches::reader(file);
        let header = reader.headers().map_err(|error| fault(&error))?;
        let columns: Vec<String> = header.iter().map(|column| column.trim().to_owned()).collect();
        check(&columns).map_err(|why| fault(&why))?;
        Ok(Self { path: path.to_owned(), columns, reader, bytes })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The header.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Its size.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Its rows.
    pub(crate) fn into_pieces(self) -> impl Iterator<Item = Result<Piece, Failure>> {
        let path = self.path;
        Pieces::new(self.reader, self.columns.len())
            .map(move |piece| piece.map_err(|error| Failure::file(&path, error)))
    }
}

fn check(columns: &[String]) -> Result<(), String> {
    if !columns.iter().any(|column| column.eq_ignore_ascii_case(REQUIRED)) {
        return Err(format!("the header has no column {REQUIRED}"));
    }
    let mut known = HashSet::new();
    for (index, column) in columns.iter().enumerate() {
        if column.is_empty() {
            return Err(format!("column {} of the header has no name", index + 1));
        }
        if !known.insert(column.to_ascii_lowercase()) {
            return Err(format!("the header has the column {column} twice"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(header: &[u8]) -> Result<Source, Failure> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list.csv");
        std::fs::write(&path, header).unwrap();
        Source::open(&path)
    }

    fn refusal(header: &str) -> String {
        let failure = open(header.as_bytes()).unwrap_err();
        assert_eq!(failure.exit_code(), 1);
        failure.to_string()
    }

    #[test]
    fn a_file_without_contact_info_is_refused_in_one_line() {
        assert!(refusal("record_id,phone\n1,+1\n").ends_with("list.csv: the header has no column contact_info"));
        assert!(refusal("").ends_with("the header has no column contact_info"));
    }

    #[test]
    fn a_header_that_names_a_column_twice_or_not_at_all_is_refused() {
        assert!(refusal("contact_info,JOB,job\n").ends_with("the column job twice"));
        assert!(refusal("contact_info,\n").ends_with("column 2 of the header has no name"));
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_column() {
        assert_eq!(open(b"\xef\xbb\xbfcontact_info , JOB\n").unwrap().columns(), ["contact_info", "JOB"]);
    }
}
