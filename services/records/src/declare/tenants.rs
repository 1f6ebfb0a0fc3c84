//! Tenants: names, and how their country writes numbers (spec 9, The record).

use outbound::declaration::DeclaredTenant;

use super::{
    Faults,
    item::{Item, Pairs, Shown, number, path, set, text},
};

/// Digits of a country code, at most.
const COUNTRY_DIGITS_MAX: usize = 3;
/// Digits of a trunk prefix, at most.
const TRUNK_DIGITS_MAX: usize = 4;
/// Digits of a national number, at most: those of an international one.
const NATIONAL_DIGITS_MAX: u32 = 15;

impl Shown for DeclaredTenant {
    const WORD: &'static str = "tenant";

    fn name(&self) -> String {
        self.name.clone()
    }

    fn pairs(&self) -> Pairs {
        vec![
            ("dbid", text(&self.dbid)),
            ("country_code", text(&self.country_code)),
            ("trunk_prefix", text(&self.trunk_prefix)),
            ("national_digits", text(&self.national_digits)),
        ]
    }
}

impl Item for DeclaredTenant {
    const KIND: &'static str = "tenants";

    fn take(&mut self, named: Self) {
        set(&mut self.dbid, named.dbid);
        set(&mut self.country_code, named.country_code);
        set(&mut self.trunk_prefix, named.trunk_prefix);
        set(&mut self.national_digits, named.national_digits);
    }

    fn complete(&mut self, faults: &mut Faults) {
        let code = self.country_code.get_or_insert_default().clone();
        let trunk = self.trunk_prefix.get_or_insert_default().clone();
        self.national_digits =
            number(self, "national_digits", self.national_digits, 0, (0, NATIONAL_DIGITS_MAX), faults);
        let national = self.national_digits.unwrap_or(0);
        check_digits(self, "country_code", &code, COUNTRY_DIGITS_MAX, faults);
        check_digits(self, "trunk_prefix", &trunk, TRUNK_DIGITS_MAX, faults);
        if code.is_empty() && (!trunk.is_empty() || national > 0) {
            faults.add(path(self, "country_code"), "is needed with trunk_prefix and with national_digits");
        }
        if !trunk.is_empty() && national > 0 {
            faults.add(path(self, "national_digits"), "is for countries without a trunk prefix");
        }
    }

    fn dbid(&self) -> Option<u32> {
        self.dbid
    }

    fn set_dbid(&mut self, dbid: u32) {
        self.dbid = Some(dbid);
    }
}

fn check_digits(tenant: &DeclaredTenant, key: &str, digits: &str, digits_max: usize, faults: &mut Faults) {
    if digits.len() > digits_max || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        faults.add(path(tenant, key), format!("is {digits:?}, and has at most {digits_max} digits and nothing else"));
    }
}
