//! The file of rows that were not taken: row number, reason, and the fields as they were. Never exists when there are none.
//! Called by `import`.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// Made at the first row; an earlier run's file is removed at the start.
pub(super) struct Rejects {
    path: PathBuf,
    columns: Vec<String>,
    writer: Option<csv::Writer<File>>,
}

impl Rejects {
    /// `FILE.rejects.csv` beside `FILE.csv`.
    pub(super) fn beside(source: &Path, columns: &[String]) -> Result<Self, Failure> {
        let path = source.with_extension("rejects.csv");
        let removed = match fs::symlink_metadata(&path) {
            Ok(found) if !found.is_file() => return Err(Failure::file(&path, "it is no regular file: remove it")),
            Ok(_) => fs::remove_file(&path),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        };
        removed.map_err(|error| Failure::file(&path, error))?;
        Ok(Self { path, columns: columns.to_vec(), writer: None })
    }

    /// One row.
    pub(super) fn add(&mut self, row: u64, reason: &str, fields: &[String]) -> Result<(), Failure> {
        let number = row.to_string();
        let record = [number.as_str(), reason].into_iter().chain(fields.iter().map(String::as_str));
        let path = self.path.clone();
        self.writer()?.write_record(record).map_err(|error| Failure::file(&path, error))
    }

    /// Makes the file whole, and says where it is if there is one.
    pub(super) fn finish(mut self) -> Result<Option<PathBuf>, Failure> {
        let Some(mut writer) = self.writer.take() else { return Ok(None) };
        writer.flush().map_err(|error| Failure::file(&self.path, error))?;
        Ok(Some(self.path))
    }

    fn writer(&mut self) -> Result<&mut csv::Writer<File>, Failure> {
        if self.writer.is_none() {
            let fault = |error: csv::Error| Failure::file(&self.path, error);
            let mut writer = csv::WriterBuilder::new().flexible(true).from_path(&self.path).map_err(fault)?;
            let header = ["row", "reason"].into_iter().chain(self.columns.iter().map(String::as_str));
            writer.write_record(header).map_err(fault)?;
            self.writer = Some(writer);
        }
        Ok(self.writer.as_mut().expect("it was made above"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_file_remains_when_nothing_was_rejected() {
        let dir = tempfile::tempdir().unwrap();
        let stale = dir.path().join("list.rejects.csv");
        fs::write(&stale, "of an earlier run").unwrap();
        let rejects = Rejects::beside(&dir.path().join("list.csv"), &[]).unwrap();
        assert_eq!(rejects.finish().unwrap(), None);
        assert!(!stale.exists());
    }

    #[test]
    fn nothing_but_a_regular_file_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let link = dir.path().join("list.rejects.csv");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        assert!(Rejects::beside(&dir.path().join("list.csv"), &[]).is_err());
        assert!(link.is_symlink());
    }
}
