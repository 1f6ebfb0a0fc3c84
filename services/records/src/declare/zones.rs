//! Time zones by a site's own names, and zones by the prefix of a phone (spec 9, The record).

use outbound::declaration::{DeclaredPrefix, DeclaredZone};

use super::{
    Faults,
    item::{Item, Pairs, Shown, missing, path, set, text},
};
use crate::{phone::canonical_phone, zones};

/// Digits of a prefix, at most.
const PREFIX_DIGITS_MAX: usize = 15;

impl Shown for DeclaredZone {
    const WORD: &'static str = "time zone";

    fn name(&self) -> String {
        self.name.clone()
    }

    fn pairs(&self) -> Pairs {
        vec![("dbid", text(&self.dbid)), ("time_zone", text(&self.time_zone))]
    }
}

impl Item for DeclaredZone {
    const KIND: &'static str = "time_zones";

    fn take(&mut self, named: Self) {
        set(&mut self.dbid, named.dbid);
        set(&mut self.time_zone, named.time_zone);
    }

    fn complete(&mut self, faults: &mut Faults) {
        match self.time_zone.clone().map(|name| (zones::canonical(&name), name)) {
            None => missing(self, "time_zone", faults),
            Some((Some(iana), _)) => self.time_zone = Some(iana),
            Some((None, name)) => {
                faults.add(path(self, "time_zone"), format!("{name:?} is no IANA name of a time zone"))
            }
        }
    }

    fn dbid(&self) -> Option<u32> {
        self.dbid
    }

    fn set_dbid(&mut self, dbid: u32) {
        self.dbid = Some(dbid);
    }
}

impl Shown for DeclaredPrefix {
    const WORD: &'static str = "zone prefix";

    fn name(&self) -> String {
        self.prefix.clone()
    }

    fn pairs(&self) -> Pairs {
        vec![("time_zone", text(&self.time_zone))]
    }
}

impl Item for DeclaredPrefix {
    const KIND: &'static str = "zone_prefixes";

    fn tidy(&mut self) {
        self.prefix = canonical_phone(&self.prefix);
    }

    fn take(&mut self, named: Self) {
        set(&mut self.time_zone, named.time_zone);
    }

    fn complete(&mut self, faults: &mut Faults) {
        let digits = self.prefix.strip_prefix('+').unwrap_or_default();
        let are_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !are_digits || digits.len() > PREFIX_DIGITS_MAX {
            faults.add(path(self, "prefix"), format!("is + and 1 to {PREFIX_DIGITS_MAX} digits, as \"+1212\""));
        }
        if self.time_zone.as_deref().unwrap_or_default().is_empty() {
            missing(self, "time_zone", faults);
        }
    }
}
