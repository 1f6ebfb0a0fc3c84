//! Time zones by name.
//!
//! Only the compiled-in database decides: the system's database may differ between nodes, and all nodes must agree. From rules
//! version 5 on, configured zones (a site's `VIC`) come before the IANA names (spec 9, The record).

use std::sync::LazyLock;

use jiff::{
    Timestamp,
    tz::{TimeZone, TimeZoneDatabase},
};

use crate::{
    declared::Declared,
    phone::{canonical_phone, international},
    tables::{ListRow, RecordRow},
};

static BUNDLED: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The canonical name of the zone of a name, in any case.
pub(crate) fn canonical(name: &str) -> Option<String> {
    let zone = BUNDLED.get(name).ok().filter(|zone| !zone.is_unknown())?;
    zone.iana_name().map(str::to_owned)
}

/// A zone found by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedZone {
    /// DBID and name of a configured zone; none: an IANA name was given.
    pub(crate) configured: Option<(i64, String)>,
    /// Canonical IANA name.
    pub(crate) iana: String,
}

impl NamedZone {
    /// A record in this zone: a configured zone by its DBID, so that a later change of that zone counts for the record.
    pub(crate) fn put_into(self, record: RecordRow) -> RecordRow {
        let (dbid, tz_name) = match self.configured {
            Some((dbid, _)) => (dbid, String::new()),
            None => (0, self.iana),
        };
        RecordRow { tz_dbid: Some(dbid), tz_name, ..record }
    }

    /// The name under which the zone is declared, else the IANA name.
    pub(crate) fn name(&self) -> &str {
        self.configured.as_ref().map_or(&self.iana, |(_, name)| name)
    }
}

/// The zone of a name in any case: a configured zone, else an IANA name.
pub(crate) fn named(name: &str, declared: &Declared) -> Option<NamedZone> {
    let Some(zone) = declared.zone(name) else {
        return canonical(name).map(|iana| NamedZone { configured: None, iana });
    };
    let dbid = zone.dbid.map_or(0, i64::from);
    let iana = zone.time_zone.clone().unwrap_or_default();
    Some(NamedZone { configured: Some((dbid, zone.name.clone())), iana })
}

/// The zone of the longest declared prefix with which a record's phone begins in its international form (spec 9, Small print).
pub(crate) fn of_phone(record: &RecordRow, list: &ListRow, declared: &Declared) -> Option<NamedZone> {
    let tenant = declared.tenant(&list.tenant);
    let prefix = declared.prefix(&international(&canonical_phone(&record.contact_info), tenant)?)?;
    named(prefix.time_zone.as_deref()?, declared)
}

/// Whether a record names no zone: neither a DBID nor a name.
pub(crate) fn is_without(record: &RecordRow) -> bool {
    record.tz_name.is_empty() && record.tz_dbid.unwrap_or(0) == 0
}

/// The zone of a record before rules version 5: its own by name, else its list's. No DBID has a configured zone there, so every
/// `tz_dbid` means the list's zone (spec 9).
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

/// The name of a record's zone in answers, from rules version 5 on: the configured zone's where the record's DBID names a zone,
/// else the IANA name (spec 8, GSW_TZ_NAME).
pub(crate) fn shown_under<'a>(record: &'a RecordRow, list: &'a ListRow, declared: &'a Declared) -> &'a str {
    let configured = record.tz_dbid.and_then(|dbid| declared.zone_of_dbid(dbid));
    match configured {
        Some(zone) if record.tz_name.is_empty() => &zone.name,
        _ => name_under(record, list, declared),
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
    use outbound::declaration::{Declaration, DeclaredPrefix, DeclaredZone};

    use super::*;
    use crate::tables::DeclaredRow;

    #[test]
    fn names_are_found_in_any_case_and_unknown_ones_are_not() {
        assert_eq!(canonical("australia/melbourne").as_deref(), Some("Australia/Melbourne"));
        assert_eq!(canonical("utc").as_deref(), Some("UTC"));
        for name in ["VIC/nowhere", "", "Etc/Unknown", "/etc/localtime", "../UTC"] {
            assert_eq!(canonical(name), None, "{name}");
        }
    }

    fn declared() -> Declared {
        let zone = DeclaredZone { name: "VIC".into(), dbid: Some(122), time_zone: Some("Australia/Melbourne".into()) };
        let prefix = |prefix: &str, zone: &str| DeclaredPrefix { prefix: prefix.into(), time_zone: Some(zone.into()) };
        let zone_prefixes =
            vec![prefix("+1", "America/Chicago"), prefix("+1212", "America/New_York"), prefix("+61", "vic")];
        let declaration = Declaration { time_zones: vec![zone], zone_prefixes, ..Declaration::default() };
        DeclaredRow { declaration: Some(declaration), ..DeclaredRow::default() }.into()
    }

    #[test]
    fn a_configured_zone_comes_before_the_iana_names_and_stays_with_its_dbid() {
        let declared = declared();
        let in_zone = |name: &str| named(name, &declared).unwrap().put_into(RecordRow::default());
        let (vic, berlin) = (in_zone("vic"), in_zone("europe/berlin"));
        assert_eq!((vic.tz_dbid, vic.tz_name.as_str()), (Some(122), ""));
        assert_eq!((berlin.tz_dbid, berlin.tz_name.as_str()), (Some(0), "Europe/Berlin"));
        assert_eq!(named("NSW", &declared), None);
        let list = ListRow { time_zone: "UTC".into(), ..ListRow::default() };
        let names = |record: &RecordRow| {
            [name_under(record, &list, &declared), shown_under(record, &list, &declared)].map(str::to_owned)
        };
        assert_eq!(names(&vic), ["Australia/Melbourne", "VIC"]);
        assert_eq!(names(&berlin), ["Europe/Berlin"; 2]);
        assert_eq!(names(&RecordRow { tz_dbid: Some(123), ..vic }), ["UTC"; 2]);
    }

    #[test]
    fn the_longest_prefix_of_a_phone_gives_its_zone() {
        let (declared, list) = (declared(), ListRow::default());
        let zone = |phone: &str| {
            let record = RecordRow { contact_info: phone.into(), ..RecordRow::default() };
            of_phone(&record, &list, &declared).map(|zone| zone.name().to_owned())
        };
        assert_eq!(zone("+1 (212) 555-0100").as_deref(), Some("America/New_York"));
        assert_eq!(zone("001 312 555 0100").as_deref(), Some("America/Chicago"));
        assert_eq!(zone("+61 3 5550 0100").as_deref(), Some("VIC"));
        assert_eq!(zone("+49 30 12345"), None);
        assert_eq!(zone("212 555 0100"), None, "no tenant declares its country");
    }

    #[test]
    fn the_offset_follows_daylight_saving() {
        assert_eq!(offset_s("Australia/Melbourne", 1_704_067_200), 11 * 3600);
        assert_eq!(offset_s("Australia/Melbourne", 1_719_792_000), 10 * 3600);
    }
}
