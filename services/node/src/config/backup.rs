//! `[backup]`: whether the primary makes backups by itself, how often, where, and how many are kept.
//!
//! Called by [`super::Config`] alone.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

/// `[backup]`; a witness has none, whatever stands here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Backup {
    /// From one backup to the next, as in `24h`; empty: none is made by itself.
    pub every: String,
    /// How many are kept in the directory; the oldest go.
    pub keep: u32,
    /// Where they are written.
    pub directory: PathBuf,
}

impl Default for Backup {
    fn default() -> Self {
        Self { every: String::new(), keep: 7, directory: PathBuf::new() }
    }
}

impl Backup {
    /// From one backup to the next; none: none is made by itself, or [`super::Config::check`] says what is wrong.
    pub fn every(&self) -> Option<Duration> {
        duration(&self.every)
    }
}

/// A number and its unit, s, m, h or d; more than nothing.
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
