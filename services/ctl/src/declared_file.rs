//! The file of `apply`: read once as a whole, and its faults as the lines that a person corrects.
//!
//! Never asks a node, and never knows a key of a declaration (`declarations`). Called by `apply`.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use declarations::{Fault, Places, parse};
use outbound::declaration::Declaration;

use crate::failure::Failure;

/// Largest file, bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Faults that are told, a line each.
const FAULTS_MAX: usize = 50;
/// The file that means standard input.
const STANDARD: &str = "-";

/// A file that could be read, with the lines of its parts.
#[derive(Debug)]
pub(crate) struct DeclaredFile {
    /// What the file declares.
    pub(crate) declaration: Declaration,
    name: String,
    places: Places,
}

impl DeclaredFile {
    /// Reads a file, or standard input.
    ///
    /// # Errors
    /// Exit code 2: no such file, no UTF-8, no TOML, too large; and each unknown key and wrong value, a line each.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let name = if path == Path::new(STANDARD) { "standard input".to_owned() } else { path.display().to_string() };
        let wrong = |reason: String| Failure::Usage(format!("{name}: {reason}"));
        let bytes = read(path).map_err(|error| wrong(error.to_string()))?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(wrong(format!(
                "a file of declarations has at most {FILE_BYTES_MAX} bytes, and this one has more"
            )));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            wrong(format!("a file of declarations is UTF-8, and byte {at} of this one is not"))
        })?;
        let (declaration, places) = parse(&text).map_err(|faults| failure(&name, &faults))?;
        Ok(Self { declaration, name, places })
    }

    /// The failure that tells a node's faults with the lines of this file.
    pub(crate) fn refused(&self, faults: impl IntoIterator<Item = (String, String)>) -> Failure {
        let fault = |(path, message): (String, String)| Fault { line: self.places.line_of(&path), path, message };
        let mut faults: Vec<Fault> = faults.into_iter().map(fault).collect();
        faults.sort_by_key(|fault| fault.line);
        failure(&self.name, &faults)
    }
}

fn failure(name: &str, faults: &[Fault]) -> Failure {
    let mut lines: Vec<String> = faults.iter().take(FAULTS_MAX).map(|fault| fault.in_file(name)).collect();
    match faults.len().saturating_sub(FAULTS_MAX) {
        0 => {}
        1 => lines.push(format!("{name}: and 1 more fault")),
        more => lines.push(format!("{name}: and {more} more faults")),
    }
    Failure::Usage(lines.join("\n"))
}

/// One byte more than the largest file, at most.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if path == Path::new(STANDARD) {
        io::stdin().lock().take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    } else {
        File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
