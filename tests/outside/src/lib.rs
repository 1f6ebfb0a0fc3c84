//! Readers of bytes from outside, each behind one function of bytes. A reader takes or refuses its bytes, and never ends a program.
//!
//! Never asks a node (the front of HTTP Proxy has one of its own), and of a disk reads the kept seeds alone. Called by the test `replay` and the program `readers`, which play
//! the seeds of `tests/outside/seeds` and changes of them, and by the targets of cargo-fuzz in `tests/fuzz`.

mod changes;
mod draw;
mod files;
mod forge;
mod front;
mod link;
mod log;
mod peers;
mod requests;
mod seeds;

pub use changes::changed;
pub use seeds::Seeds;

/// Longest input that is played, bytes.
pub const INPUT_BYTES_MAX: usize = 64 * 1024;

/// A reader.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: of the directory of seeds, and of the target of cargo-fuzz.
    pub name: &'static str,
    read: fn(&[u8]) -> bool,
}

/// All readers.
pub const TARGETS: [Target; 8] = [
    Target { name: "requests", read: requests::read },
    Target { name: "front", read: front::read },
    Target { name: "peers", read: peers::read },
    Target { name: "link", read: link::read },
    Target { name: "log", read: log::read },
    Target { name: "records", read: files::records },
    Target { name: "entries", read: files::entries },
    Target { name: "declarations", read: files::declarations },
];

impl Target {
    /// The target of a name.
    ///
    /// # Panics
    /// There is none.
    pub fn named(name: &str) -> Self {
        *TARGETS.iter().find(|target| target.name == name).expect("a name out of the table")
    }

    /// Plays an input, or its beginning; true: the reader took the bytes, false: the reader refused them.
    ///
    /// # Panics
    /// The reader panics, or its outcome does not survive a way there and back: the failures that a fuzzer looks for.
    pub fn play(self, bytes: &[u8]) -> bool {
        (self.read)(&bytes[..bytes.len().min(INPUT_BYTES_MAX)])
    }
}
