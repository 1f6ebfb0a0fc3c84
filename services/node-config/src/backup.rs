//! `[backup]`: whether and how often the primary makes backups, the directory, and the number of files that are kept.
//!
//! Called by [`super::Config`] alone.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

/// `[backup]`; a witness makes no backups, with or without this section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Backup {
    /// Interval between backups, as in `24h`; empty: no schedule.
    pub every: String,
    /// Number of files that are kept in the directory; the oldest are removed.
    pub keep: u32,
    /// Directory of the files.
    pub directory: PathBuf,
}

impl Default for Backup {
    fn default() -> Self {
        Self { every: String::new(), keep: 7, directory: PathBuf::new() }
    }
}

impl Backup {
    /// Interval between backups; none: no schedule, or a bad value, which [`super::Config::check`] reports.
    pub fn every(&self) -> Option<Duration> {
        duration(&self.every)
    }
}

/// A number above zero and its unit, s, m, h or d.
fn duration(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let digits = &text[..text.len() - unit.len_utf8()];
    let number: u64 = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()?;
    let all = number.checked_mul(seconds).filter(|seconds| *seconds > 0)?;
    Some(Duration::from_secs(all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        let seconds = |text: &str| duration(text).map(|duration| duration.as_secs());
        assert_eq!(["90s", "5m", "24h", "7d"].map(seconds), [90, 300, 86_400, 604_800].map(Some));
        for wrong in ["", "24", "h", "0h", "1.5h", "-1h", "+1h", "24 h", "1w", "99999999999999999999d", "é"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
    }
}
