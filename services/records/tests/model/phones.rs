//! Phones (spec 9, The record): two spellings are one number where a tenant's country gives both the same international form.

use crate::{
    config::{CODE, Country},
    model::Model,
};

/// A phone without its punctuation.
pub fn form(phone: &str) -> String {
    let kept: String = phone.chars().filter(|letter| letter.is_ascii_digit() || *letter == '+').collect();
    kept.strip_prefix("00").map_or(kept.clone(), |rest| format!("+{rest}"))
}

impl Model {
    /// Whether two phones are one number for a tenant.
    pub fn is_same_number(&self, one: &str, other: &str, tenant: &str) -> bool {
        self.number(one, tenant) == self.number(other, tenant)
    }

    /// The international form of a phone; the plain form where the tenant's country gives none.
    fn number(&self, phone: &str, tenant: &str) -> String {
        let plain = form(phone);
        let national = match self.config.country(tenant) {
            _ if plain.starts_with('+') => None,
            Country::Undeclared => None,
            Country::Trunk(prefix) => plain.strip_prefix(prefix).filter(|rest| !rest.is_empty()),
            Country::Digits(count) if plain.len() == count => Some(plain.as_str()),
            Country::Digits(count) => plain.strip_prefix(CODE).filter(|rest| rest.len() == count),
        };
        national.map_or_else(|| plain.clone(), |national| format!("+{CODE}{national}"))
    }
}
