//! The bytes of a source, read once and hashed meanwhile: a pipe goes to an unnamed file first, a regular file is read in
//! place. Never leaves a file behind. Called by `source`.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::Path,
};

use sha2::{Digest, Sha256};

use super::encoding::Survey;

/// Bytes that can be read again.
#[derive(Debug)]
pub(super) struct Spool {
    /// At its beginning.
    pub(super) file: File,
    pub(super) survey: Survey,
    /// The source is standard input, a pipe, a socket or a device.
    pub(super) piped: bool,
}

/// Reads the whole source; `-` is standard input. `hash` takes every byte.
pub(super) fn read(path: &Path, hash: &mut Sha256) -> io::Result<Spool> {
    let standard = path == Path::new("-"); // a file is copied, too: other processes may move its offset
    let mut from = if standard { File::from(io::stdin().as_fd().try_clone_to_owned()?) } else { File::open(path)? };
    let found = from.metadata()?;
    if found.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
    }
    let mut copy = if found.is_file() && !standard { None } else { Some(unnamed().map_err(not_copied)?) };
    let (mut buffer, mut survey) = (vec![0; 1 << 20], Survey::default());
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            count => count?,
        };
        let taken = &buffer[..count];
        hash.update(taken);
        survey.add(taken);
        if let Some(copy) = &mut copy {
            copy.write_all(taken).map_err(not_copied)?;
        }
    }
    let piped = copy.is_some();
    let mut file = copy.unwrap_or(from);
    file.seek(SeekFrom::Start(0))?;
    Ok(Spool { file, survey, piped })
}

/// A pipe is copied to a place that the command line does not name.
fn not_copied(error: io::Error) -> io::Error {
    let place = std::env::temp_dir();
    io::Error::other(format!("it cannot be copied to {}: {error}; TMPDIR names another place", place.display()))
}

/// A file for temporary use, which goes with the process.
pub(super) fn unnamed() -> io::Result<File> {
    let place = std::env::temp_dir().join(format!("ocsctl-{:032x}", rand::random::<u128>()));
    let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&place)?;
    fs::remove_file(&place)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    #[test]
    fn a_pipe_is_read_once_as_a_whole_and_hashed_as_a_file_is() {
        let dir = tempfile::tempdir().unwrap();
        let (fifo, file) = (dir.path().join("fifo"), dir.path().join("file"));
        let text = "contact_info\n".repeat(20_000); // more than a pipe holds
        mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        fs::write(&file, &text).unwrap();
        let (writing, sent) = (fifo.clone(), text.clone());
        let writer = thread::spawn(move || fs::write(writing, sent));
        let (mut one, mut other) = (Sha256::new(), Sha256::new());
        let mut spool = read(&fifo, &mut one).unwrap();
        writer.join().unwrap().unwrap();
        let mut spooled = String::new();
        spool.file.read_to_string(&mut spooled).unwrap();
        assert!(spool.piped && spooled == text);
        assert!(!read(&file, &mut other).unwrap().piped);
        assert_eq!(one.finalize(), other.finalize());
        assert!(read(dir.path(), &mut Sha256::new()).is_err());
    }
}
