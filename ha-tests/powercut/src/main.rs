//! `powercut DIR`: mounts the disk on a directory and takes commands, one a line, until the end of its input. For people; drills
//! use the library.

use std::{
    io::{BufRead, stdin},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use powercut::Mounted;

/// Size of the disk, which lies in memory.
const BYTES_MAX: u64 = 1 << 30;
const COMMANDS: &str = "cut | off | on SEED | fail-fsync N | slow MS | hang | go-on | full | room | flip FILE SEED";

fn main() -> ExitCode {
    let Some(path) = std::env::args().nth(1) else {
        eprintln!("powercut DIR; then, a line each: {COMMANDS}");
        return ExitCode::from(2);
    };
    let disk = match Mounted::at(Path::new(&path), BYTES_MAX) {
        Ok(disk) => disk,
        Err(error) => {
            eprintln!("powercut: {path}: {error}");
            return ExitCode::FAILURE;
        }
    };
    for line in stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match obey(&disk, &words) {
            Some(said) => eprintln!("powercut: {said}"),
            None => eprintln!("powercut: {line:?} is none of: {COMMANDS}"),
        }
    }
    ExitCode::SUCCESS
}

/// The effect of a command; none: no such command.
fn obey(disk: &Mounted, words: &[&str]) -> Option<String> {
    match *words {
        ["cut"] => disk.cut(),
        ["off"] => disk.off(),
        ["on", seed] => return Some(format!("{:?}", disk.on(seed.parse().ok()?))),
        ["fail-fsync", count] => disk.fail_syncs(count.parse().ok()?),
        ["slow", ms] => disk.slow(Duration::from_millis(ms.parse().ok()?)),
        ["hang"] => disk.hang(true),
        ["go-on"] => disk.hang(false),
        ["full"] => disk.full(true),
        ["room"] => disk.full(false),
        ["flip", file, seed] => {
            let flipped = disk.flip(Path::new(file), seed.parse().ok()?);
            return Some(flipped.map_or_else(|error| error.to_string(), |at| format!("a bit of byte {at} is flipped")));
        }
        _ => return None,
    }
    Some("done".to_owned())
}
