//! Time zones by name.
//!
//! Only the compiled-in database decides: the system's database may differ between nodes, and all nodes must agree. Configured
//! zones (a site's `VIC`) will join here, before the IANA names.

use std::sync::LazyLock;

use jiff::{
    Timestamp,
    tz::{TimeZone, TimeZoneDatabase},
};

use crate::{
    declared::Declared,
    tables::{ListRow, RecordRow},
};

static BUNDLED: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The canonical name of the zone of a name, in any case.
pub(crate) fn canonical(name: &str) -> Option<String> {
    let zone = BUNDLED.get(name).ok().filter(|zone| !zone.is_unknown())?;
    zone.iana_name().map(str::to_owned)
}

/// The zone of a record: its own by name, else its list's. No DBID has a configured zone yet, so every `tz_dbid` means the list's
/// zone (spec 9).
pub(crate) fn name_of<'a>(record: &'a RecordRow, list: &'a ListRow) -> &'a str {
    if record.tz_name.is_empty() { &list.time_zone } else { &record.tz_name }
}

/// The IANA name of a record's zone, configured zones included, from rules version 5 on: its own by name, else the configured
/// zone of its DBID, else its list's.
pub(crate) fn name_under<'a>(record: &'a RecordRow, list: &'a ListRow, declared: &'a Declared) -> &'a str {
    let configured = || declared.zone_of_dbid(record.tz_dbid?)?.time_zone.as_deref();
    match record.tz_name.as_str() {
        "" => configured().unwrap_or(&list.time_zone),
        name => name,
    }
}

/// The zone of a canonical name.
pub(crate) fn zone(name: &str) -> TimeZone {
    BUNDLED.get(name).unwrap_or(TimeZone::UTC)
}

/// Seconds from UTC at a time.
pub(crate) fn offset_s(name: &str, at_s: i64) -> i64 {
    let at = Timestamp::from_second(at_s).unwrap_or_default();
    zone(name).to_offset(at).seconds().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_any_case_and_unknown_ones_are_not() {
        assert_eq!(canonical("australia/melbourne").as_deref(), Some("Australia/Melbourne"));
        assert_eq!(canonical("utc").as_deref(), Some("UTC"));
        for name in ["VIC/nowhere", "", "Etc/Unknown", "/etc/localtime", "../UTC"] {
            assert_eq!(canonical(name), None, "{name}");
        }
    }

    #[test]
    fn the_offset_follows_daylight_saving() {
        assert_eq!(offset_s("Australia/Melbourne", 1_704_067_200), 11 * 3600);
        assert_eq!(offset_s("Australia/Melbourne", 1_719_792_000), 10 * 3600);
    }
}
