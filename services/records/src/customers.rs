//! The customer of a record: the value of its list's customer field (spec 9, The record).
//!
//! Pure. Called by the turn, and by bringing up for the records that are there.

use crate::{
    fields::{field_of_column, user_value},
    rules::CUSTOMER_BYTES_MAX,
    tables::{ListRow, RecordRow},
};

/// The customer of a record, without spaces at both ends; empty: the list has no customer field, or the record no value in it.
pub(crate) fn value_of(list: &ListRow, record: &RecordRow) -> String {
    let value = field_of_column(list, &list.customer_column).map(|at| user_value(list, record, at).trim());
    value.filter(|value| value.len() <= CUSTOMER_BYTES_MAX).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::FieldRow;

    fn list(customer_column: &str) -> ListRow {
        let field = |column: &str, default: &str| FieldRow {
            column: column.to_owned(),
            kind: "varchar(5000)".to_owned(),
            default: default.to_owned(),
            send_attribute: String::new(),
        };
        let fields = vec![field("AGE", "1"), field("CLIENT_ID", " none ")];
        ListRow { fields, customer_column: customer_column.to_owned(), ..ListRow::default() }
    }

    #[test]
    fn a_customer_is_the_fields_value_without_spaces_at_both_ends() {
        let [longest, too_long] = [CUSTOMER_BYTES_MAX, CUSTOMER_BYTES_MAX + 1].map(|bytes| "c".repeat(bytes));
        for (column, value, customer) in [
            ("CLIENT_ID", " C 1\t", "C 1"),
            ("client_id", "C1", "C1"),
            ("CLIENT_ID", "   ", ""),
            ("CLIENT_ID", longest.as_str(), longest.as_str()),
            ("CLIENT_ID", too_long.as_str(), ""),
            ("", "C1", ""),
            ("GONE", "C1", ""),
        ] {
            let record = RecordRow { user: vec!["2".to_owned(), value.to_owned()], ..RecordRow::default() };
            assert_eq!(value_of(&list(column), &record), customer, "{column:?} {value:?}");
        }
    }

    #[test]
    fn a_record_without_a_value_has_the_default_of_the_field() {
        assert_eq!(value_of(&list("CLIENT_ID"), &RecordRow::default()), "none");
    }
}
