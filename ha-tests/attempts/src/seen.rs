//! The file of attempts that earlier looks have seen: a line each, tenant, number, stamp, handle and campaign, separated by tabs.
//! Called by `main`.

use std::{collections::BTreeSet, fs, io::ErrorKind, path::Path};

use crate::attempt::Attempt;

/// The attempts of a file; none: the file is not there yet.
///
/// # Errors
/// A file that cannot be read, or has other lines.
pub(crate) fn read(file: &Path) -> Result<BTreeSet<Attempt>, String> {
    let text = match fs::read_to_string(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => read.map_err(|error| format!("{}: {error}", file.display()))?,
    };
    let attempt = |line: &str| parse(line).ok_or_else(|| format!("{}: no attempt: {line:?}", file.display()));
    text.lines().map(attempt).collect()
}

/// Replaces the file.
///
/// # Errors
/// A file that cannot be written.
pub(crate) fn write(file: &Path, attempts: &BTreeSet<Attempt>) -> Result<(), String> {
    let line = |attempt: &Attempt| {
        let Attempt { tenant, number, stamp_us, handle, campaign } = attempt;
        format!("{tenant}\t{number}\t{stamp_us}\t{handle}\t{campaign}\n")
    };
    let text: String = attempts.iter().map(line).collect();
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

fn parse(line: &str) -> Option<Attempt> {
    let cells: Vec<&str> = line.split('\t').collect();
    let [tenant, number, stamp_us, handle, campaign] = cells[..] else { return None };
    Some(Attempt {
        tenant: tenant.parse().ok()?,
        number: number.to_owned(),
        stamp_us: stamp_us.parse().ok()?,
        handle: handle.parse().ok()?,
        campaign: campaign.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_come_back_from_their_file_and_an_absent_file_has_none() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("seen.tsv");
        assert_eq!(read(&file), Ok(BTreeSet::new()));
        let attempt = Attempt { tenant: 1, number: "999301".to_owned(), stamp_us: 5, handle: 15, campaign: 102 };
        let attempts = BTreeSet::from([Attempt { tenant: 0, ..attempt.clone() }, attempt]);
        write(&file, &attempts).unwrap();
        assert_eq!(read(&file), Ok(attempts));
        fs::write(&file, "1\t999301\t5\t15\n").unwrap();
        assert!(read(&file).is_err());
    }
}
