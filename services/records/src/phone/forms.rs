//! The forms of one number under what a tenant declares: the international form and the national ones (spec 9, The record).
//!
//! Part of rules version 5. Records keep phones as given and indexes keep the canonical form, so a look-up asks for every form, and a
//! later declaration changes nothing stored. Called by every look-up of a phone.

use outbound::declaration::DeclaredTenant;

/// All forms under which the same number may be stored, the canonical form first.
pub(crate) fn forms_declared(canonical: &str, tenant: Option<&DeclaredTenant>) -> Vec<String> {
    let mut forms = vec![canonical.to_owned()];
    let Some(country) = tenant.and_then(Country::of) else { return forms };
    let Some(national) = country.national(canonical) else { return forms };
    for form in country.forms(national) {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

/// The international form, `+` and digits; none: an address, or a number whose country is not declared.
pub(crate) fn international(canonical: &str, tenant: Option<&DeclaredTenant>) -> Option<String> {
    if canonical.strip_prefix('+').is_some_and(are_digits) {
        return Some(canonical.to_owned());
    }
    let country = tenant.and_then(Country::of)?;
    Some(country.international(country.national(canonical)?))
}

/// How the numbers of a tenant's country are written.
struct Country<'a> {
    code: &'a str,
    /// Empty: national numbers are known by their length.
    trunk_prefix: &'a str,
    /// Digits of a national number without trunk prefix; 0: not declared.
    national_digits: usize,
}

impl<'a> Country<'a> {
    /// None: the tenant declares no country.
    fn of(tenant: &'a DeclaredTenant) -> Option<Self> {
        let code = tenant.country_code.as_deref().filter(|code| !code.is_empty())?;
        let trunk_prefix = tenant.trunk_prefix.as_deref().unwrap_or_default();
        let national_digits = tenant.national_digits.unwrap_or(0).try_into().ok()?;
        Some(Self { code, trunk_prefix, national_digits })
    }

    /// The digits of a number of this country behind its code or trunk prefix; none: another country's, or no form of a number.
    fn national<'n>(&self, canonical: &'n str) -> Option<&'n str> {
        let national = match canonical.strip_prefix('+') {
            Some(digits) => digits.strip_prefix(self.code),
            None if self.trunk_prefix.is_empty() => self.by_length(canonical),
            None => canonical.strip_prefix(self.trunk_prefix),
        };
        national.filter(|digits| are_digits(digits))
    }

    /// The national digits of a text without `+` in a country without trunk prefix.
    fn by_length<'n>(&self, canonical: &'n str) -> Option<&'n str> {
        match canonical.len() {
            _ if self.national_digits == 0 => None,
            length if length == self.national_digits => Some(canonical),
            length if length == self.code.len() + self.national_digits => canonical.strip_prefix(self.code),
            _ => None,
        }
    }

    fn international(&self, national: &str) -> String {
        format!("+{}{national}", self.code)
    }

    /// The forms of a national number; only the international one for a number that is no national one by its length.
    fn forms(&self, national: &str) -> Vec<String> {
        let international = self.international(national);
        match () {
            () if !self.trunk_prefix.is_empty() => vec![international, format!("{}{national}", self.trunk_prefix)],
            () if national.len() == self.national_digits => {
                vec![international, format!("{}{national}", self.code), national.to_owned()]
            }
            () => vec![international],
        }
    }
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Adds the forms that are the same number by the declaration of a tenant. The first form is the canonical form.
pub(crate) fn add_national(forms: &mut Vec<String>, tenant: Option<&DeclaredTenant>) {
    let declares = |tenant: &&DeclaredTenant| tenant.country_code.as_deref().is_some_and(|code| !code.is_empty());
    let Some(tenant) = tenant.filter(declares) else { return };
    let national = forms.first().map(|canonical| forms_declared(canonical, Some(tenant))).unwrap_or_default();
    for form in national {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(code: &str, trunk_prefix: &str, national_digits: u32) -> DeclaredTenant {
        DeclaredTenant {
            name: "north".into(),
            dbid: Some(101),
            country_code: Some(code.into()),
            trunk_prefix: Some(trunk_prefix.into()),
            national_digits: Some(national_digits),
        }
    }

    #[test]
    fn international_and_national_forms_are_the_same_number() {
        let (germany, america) = (tenant("49", "0", 0), tenant("1", "", 10));
        let table: [(&DeclaredTenant, &str, &[&str]); 12] = [
            (&germany, "+493012345", &["03012345"]),
            (&germany, "03012345", &["+493012345"]),
            (&germany, "493012345", &[]),
            (&germany, "3012345", &[]),
            (&germany, "+4312345", &[]),
            (&germany, "0", &[]),
            (&america, "+12125550100", &["12125550100", "2125550100"]),
            (&america, "12125550100", &["+12125550100", "2125550100"]),
            (&america, "2125550100", &["+12125550100", "12125550100"]),
            (&america, "+1212555010", &[]),
            (&america, "5550100", &[]),
            (&america, "a@b.example", &[]),
        ];
        for (tenant, canonical, others) in table {
            let forms = forms_declared(canonical, Some(tenant));
            assert_eq!(forms[0], canonical);
            assert_eq!(forms[1..], *others, "{canonical}");
        }
    }

    #[test]
    fn a_tenant_that_declares_no_country_has_one_form_of_a_number() {
        for tenant in [None, Some(&tenant("", "0", 0))] {
            assert_eq!(forms_declared("03012345", tenant), ["03012345"]);
            assert_eq!(international("03012345", tenant), None);
            assert_eq!(international("+493012345", tenant).as_deref(), Some("+493012345"));
        }
        assert_eq!(forms_declared("03012345", Some(&tenant("49", "", 0))), ["03012345"]);
    }

    #[test]
    fn the_international_form_begins_with_the_code_of_the_country() {
        let (germany, america) = (tenant("49", "0", 0), tenant("1", "", 10));
        for (tenant, canonical, wanted) in [
            (&germany, "03012345", Some("+493012345")),
            (&germany, "+12125550100", Some("+12125550100")),
            (&germany, "3012345", None),
            (&america, "2125550100", Some("+12125550100")),
            (&america, "12125550100", Some("+12125550100")),
            (&america, "+", None),
            (&america, "", None),
            (&america, "someone@b.example", None),
        ] {
            assert_eq!(international(canonical, Some(tenant)).as_deref(), wanted, "{canonical}");
        }
    }
}
