//! The subject of an entry: a phone under each form that the state may have, or a customer.

use crate::{phone::add_national, rules::CUSTOMER_BYTES_MAX, tables::DncSubject, turn::Turn, view::View};

/// A phone in all its forms, or a customer.
#[derive(Debug, Clone)]
pub(crate) struct Subjects {
    given: String,
    forms: Vec<DncSubject>,
}

impl Subjects {
    /// A phone in the forms of a tenant.
    pub(crate) fn of_phone<V: View>(phone: &str, tenant: &str, turn: &Turn<'_, '_, V>) -> Self {
        let forms = forms(phone, tenant, turn).into_iter().map(DncSubject::Phone).collect();
        Self { given: phone.to_owned(), forms }
    }

    /// A customer id, without spaces at both ends.
    pub(crate) fn of_customer(customer: &str) -> Self {
        let given = customer.trim().to_owned();
        Self { forms: vec![DncSubject::Customer(given.clone())], given }
    }

    /// # Errors
    /// Why no entry can be about this customer id, in words that follow the name of a column or key.
    pub(crate) fn check_customer(customer: &str) -> Result<(), String> {
        let customer = customer.trim();
        if !(1..=CUSTOMER_BYTES_MAX).contains(&customer.len()) {
            return Err(format!("must have 1 to {CUSTOMER_BYTES_MAX} bytes, and not white space alone"));
        }
        match customer.chars().find(|letter| letter.is_control()) {
            Some(letter) => Err(format!("has the control character U+{:04X}", u32::from(letter))),
            None => Ok(()),
        }
    }

    /// The phone or customer as given.
    pub(crate) fn given(&self) -> &str {
        &self.given
    }

    /// Every form under which an entry or a record may stand, that of new entries first.
    pub(crate) fn forms(&self) -> &[DncSubject] {
        &self.forms
    }
}

/// The forms under which the state may have a phone, that of the command's rules version first: its first and its canonical form
/// until all rows are rewritten, and the national forms that a tenant declares (spec 9, The record).
pub(super) fn forms<V: View>(phone: &str, tenant: &str, turn: &Turn<'_, '_, V>) -> Vec<String> {
    let mut forms = turn.forms_of(phone);
    add_national(&mut forms, turn.overlay.declared().tenant(tenant));
    forms
}
