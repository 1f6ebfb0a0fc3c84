//! The kept seeds of a reader, and any number of inputs made of them: a number is an input, today and at the next run.
//!
//! A seed that is added or taken out changes the inputs of all numbers. Called by the test `replay` and by the program `readers`.

use std::{fs, io, panic::catch_unwind, path::Path};

use super::{Target, changed};

/// The kept seeds of a target.
#[derive(Debug, Clone)]
pub struct Seeds {
    target: Target,
    /// Name and bytes, in order of names.
    kept: Vec<(String, Vec<u8>)>,
}

impl Seeds {
    /// Reads the directory of a target below `tests/outside/seeds`.
    ///
    /// # Errors
    /// The system's error.
    pub fn of(target: Target) -> io::Result<Self> {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target.name);
        let read = |entry: io::Result<fs::DirEntry>| -> io::Result<(String, Vec<u8>)> {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok((name, fs::read(path)?))
        };
        let mut kept = fs::read_dir(directory)?.map(read).collect::<io::Result<Vec<_>>>()?;
        kept.sort();
        Ok(Self { target, kept })
    }

    /// The kept seeds, unchanged.
    pub fn kept(&self) -> &[(String, Vec<u8>)] {
        &self.kept
    }

    /// The input of a number: the name of a kept seed, and its bytes with changes.
    ///
    /// # Panics
    /// The target has no seed.
    pub fn input(&self, number: u64) -> (&str, Vec<u8>) {
        let (name, bytes) = &self.kept[(number % self.kept.len() as u64) as usize];
        let others: Vec<_> = self.kept.iter().map(|(_, bytes)| bytes).collect();
        (name, changed(bytes, &others, number))
    }

    /// Plays the input of a number; true: the reader took it.
    ///
    /// # Errors
    /// The reader panics: a line with the way to play the input again.
    pub fn play(&self, number: u64) -> Result<bool, String> {
        let (name, bytes) = self.input(number);
        let (target, reader) = (self.target, self.target.name);
        catch_unwind(|| target.play(&bytes)).map_err(|_| {
            format!("the reader of {reader} panics at seed {number}, a change of {name}: {}", self.again(number))
        })
    }

    /// The command that plays one input alone.
    pub fn again(&self, number: u64) -> String {
        format!("make fuzz TARGET={} SEED={number}", self.target.name)
    }
}
