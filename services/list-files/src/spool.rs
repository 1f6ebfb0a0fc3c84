//! The bytes of a source, copied to an unnamed file in one read and hashed meanwhile: an import is of one version of its source,
//! whatever other processes write to it. Called by `source`.

use std::{
    fs::{File, Metadata},
    io::{self, ErrorKind, Read, Seek, SeekFrom, Write},
    os::fd::AsFd,
    path::Path,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use sha2::{Digest, Sha256};

use crate::{
    encoding::Survey,
    fault::FileFault,
    temporary::{not_copied, unnamed},
};

/// Names of standard input. Opening one of the paths would fail for a socket.
const STANDARD_INPUT: [&str; 4] = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

/// Bytes that can be read again.
#[derive(Debug)]
pub(super) struct Spool {
    /// At its beginning.
    pub(super) file: File,
    pub(super) survey: Survey,
    /// The source is standard input, a pipe, a socket or a device.
    pub(super) piped: bool,
}

/// Copies the whole source; `-` and `/dev/stdin` are standard input. `hash` takes every byte.
pub(super) fn read(path: &Path, hash: &mut Sha256) -> Result<Spool, FileFault> {
    let from = opened(path).map_err(|error| FileFault::input(path, error))?;
    spooled(path, &from, Patient(&from), hash)
}

fn is_standard_input(path: &Path) -> bool {
    STANDARD_INPUT.iter().any(|name| path == Path::new(name))
}

fn opened(path: &Path) -> io::Result<File> {
    if is_standard_input(path) {
        return Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?));
    }
    File::open(path)
}

/// Waits for the bytes of a source that does not block. The flag stays as found: all processes with the file share it.
struct Patient<R>(R);

impl<R: Read + AsFd> Read for Patient<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => wait_for_bytes(&self.0)?,
                count => return count,
            }
        }
    }
}

fn wait_for_bytes(from: &impl AsFd) -> io::Result<()> {
    match poll(&mut [PollFd::new(from, PollFlags::IN)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// `bytes` reads `from`.
fn spooled(path: &Path, from: &File, bytes: impl Read, hash: &mut Sha256) -> Result<Spool, FileFault> {
    let fault = |error: io::Error| FileFault::input(path, error);
    let before = from.metadata().map_err(fault)?;
    if before.is_dir() {
        return Err(FileFault::input(path, "it is a directory"));
    }
    let (file, survey) = copied(bytes, hash).map_err(fault)?;
    let after = from.metadata().map_err(fault)?;
    if before.is_file() && is_changed(&before, &after) {
        let line = "the file changed while it was read, and nothing was imported: run it again once it is whole";
        return Err(FileFault::file(path, line));
    }
    let piped = is_standard_input(path) || !before.is_file();
    Ok(Spool { file, survey, piped })
}

fn is_changed(before: &Metadata, after: &Metadata) -> bool {
    let state = |found: &Metadata| (found.len(), found.modified().ok());
    state(before) != state(after)
}

fn copied(mut from: impl Read, hash: &mut Sha256) -> io::Result<(File, Survey)> {
    let mut copy = unnamed().map_err(not_copied)?;
    let (mut buffer, mut survey) = (vec![0; 1 << 20], Survey::default());
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            count => count?,
        };
        let taken = &buffer[..count];
        hash.update(taken);
        survey.add(taken);
        copy.write_all(taken).map_err(not_copied)?;
    }
    copy.seek(SeekFrom::Start(0))?;
    Ok((copy, survey))
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, OpenOptions},
        os::{fd::BorrowedFd, unix::net::UnixStream},
        thread,
    };

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

    /// Reads a file to which another process has appended a line just before.
    struct Growing<'a> {
        from: &'a File,
        path: &'a Path,
    }

    impl Read for Growing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.from.stream_position()? == 0 {
                OpenOptions::new().append(true).open(self.path)?.write_all(b"+2\n")?;
            }
            self.from.read(buffer)
        }
    }

    #[test]
    fn a_file_that_changes_while_it_is_copied_is_refused_and_one_at_rest_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("day.csv");
        fs::write(&path, "contact_info\n+1\n").unwrap();
        let from = File::open(&path).unwrap();
        let fault = spooled(&path, &from, Growing { from: &from, path: &path }, &mut Sha256::new()).unwrap_err();
        assert!(matches!(fault, FileFault::Failed(_)), "{fault}");
        assert!(fault.to_string().contains("changed while it was read, and nothing was imported"), "{fault}");
        let mut text = String::new();
        read(&path, &mut Sha256::new()).unwrap().file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "contact_info\n+1\n+2\n");
    }

    /// A socket that does not block, whose bytes come only once a read has found none.
    struct Late {
        reader: UnixStream,
        writer: Option<UnixStream>,
    }

    impl AsFd for Late {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.reader.as_fd()
        }
    }

    impl Read for Late {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.reader.read(buffer);
            if count.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock) {
                self.writer.take().unwrap().write_all(b"contact_info\n")?;
            }
            count
        }
    }

    #[test]
    fn bytes_of_a_source_that_does_not_block_are_waited_for() {
        let (reader, writer) = UnixStream::pair().unwrap();
        reader.set_nonblocking(true).unwrap();
        let mut text = String::new();
        Patient(Late { reader, writer: Some(writer) }).read_to_string(&mut text).unwrap();
        assert_eq!(text, "contact_info\n");
    }
}
