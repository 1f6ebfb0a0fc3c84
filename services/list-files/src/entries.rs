//! Rows of a file as Do-Not-Call entries: the meaning of its columns, and of each row. Called by `source`, which rejects rows without
//! a meaning, and by the import that sends them.

use ocs_proto::outbound::DoNotCallRow;

use crate::moment::moment;

/// Letters of a cell that can be a moment or that a reason shows, at most.
const LETTERS_MAX: usize = 64;

/// The scope of all entries of a file, as the command line names it; empty texts: not named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EntryScope {
    /// The tenant.
    pub tenant: String,
    /// The campaign, or its DBID.
    pub campaign: String,
    /// The list, or its DBID.
    pub list: String,
}

/// The columns of a file of entries.
#[derive(Debug, Clone)]
pub struct EntryColumns {
    phone: Option<usize>,
    customer: Option<usize>,
    message: Option<usize>,
    expires: Option<usize>,
    /// Columns of an export that say for what each entry holds, with the name that the command line gives.
    scope: Vec<(usize, &'static str, String)>,
    /// Names of columns without a meaning.
    ignored: Vec<String>,
}

impl EntryColumns {
    /// Of a header, in any order and any case.
    pub(crate) fn of(columns: &[String], scope: &EntryScope) -> Self {
        let named = |name: &str| columns.iter().position(|column| column.eq_ignore_ascii_case(name));
        let [phone, customer, message, expires] = ["phone", "customer_id", "message", "expires"].map(named);
        let of_scope = [("tenant", &scope.tenant), ("campaign", &scope.campaign), ("list", &scope.list)];
        let scope: Vec<_> =
            of_scope.into_iter().filter_map(|(name, wanted)| Some((named(name)?, name, wanted.clone()))).collect();
        let known = |at: &usize| {
            [phone, customer, message, expires].contains(&Some(*at)) || scope.iter().any(|(of, ..)| of == at)
        };
        let is_ignored = |(at, _): &(usize, &String)| !known(at);
        let ignored = columns.iter().enumerate().filter(is_ignored).map(|(_, name)| name.clone()).collect();
        Self { phone, customer, message, expires, scope, ignored }
    }

    /// Names of columns that the import leaves out.
    pub(crate) fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// The entry of a row. A node judges phones and lengths.
    ///
    /// # Errors
    /// The reason for the rejection of the row.
    pub fn row(&self, values: &[String]) -> Result<DoNotCallRow, String> {
        let cell = |at: Option<usize>| at.and_then(|at| values.get(at)).cloned().unwrap_or_default();
        for (at, name, wanted) in &self.scope {
            let of_row = cell(Some(*at));
            let of_row = of_row.trim();
            if !of_row.is_empty() && of_row != wanted && !(*name == "tenant" && is_default(of_row, wanted)) {
                let shown: String = of_row.chars().take(LETTERS_MAX).collect();
                return Err(format!("{name}: the entry holds for {shown:?}: an import with --{name} enters such rows"));
            }
        }
        let expires = cell(self.expires);
        let expires_s = match expires.trim() {
            "" => None,
            text if text.chars().nth(LETTERS_MAX).is_some() => {
                return Err(format!("expires: a moment has at most {LETTERS_MAX} letters, and this cell has more"));
            }
            text => Some(moment(text).map_err(|why| format!("expires: {why}"))?),
        };
        let [phone, customer, message] = [self.phone, self.customer, self.message].map(cell);
        Ok(DoNotCallRow { phone, customer, message, expires_s })
    }
}

/// Whether both names are those of the default tenant.
fn is_default(of_row: &str, wanted: &str) -> bool {
    of_row == "default" && wanted.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(header: &str, scope: &EntryScope) -> EntryColumns {
        let names: Vec<String> = header.split(',').map(str::to_owned).collect();
        EntryColumns::of(&names, scope)
    }

    fn values(line: &str) -> Vec<String> {
        line.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn columns_are_found_in_any_order_and_others_are_left_out() {
        let columns = columns("Expires,area,PHONE,message,customer_id", &EntryScope::default());
        assert_eq!(columns.ignored(), ["area"]);
        let row = columns.row(&values("2027-01-31,7,+49 30 1,asked twice,")).unwrap();
        assert_eq!((row.phone.as_str(), row.message.as_str()), ("+49 30 1", "asked twice"));
        assert_eq!((row.customer.as_str(), row.expires_s), ("", Some(1_801_353_600)));
        assert_eq!(columns.row(&values(",,,,c7")).unwrap().customer, "c7");
        assert!(columns.row(&values("soon,,+1,,")).unwrap_err().starts_with("expires: \"soon\" is no moment"));
        let long = format!("{},,+1,,", "9".repeat(100_000));
        assert!(columns.row(&values(&long)).unwrap_err().starts_with("expires: a moment has at most 64 letters"));
    }

    #[test]
    fn a_row_of_an_export_is_taken_only_with_the_scope_that_it_names() {
        let demo = EntryScope { list: "demo".to_owned(), ..EntryScope::default() };
        for (scope, line, is_taken) in [
            (&EntryScope::default(), "+1,,,", true),
            (&EntryScope::default(), "+1,default,,", true),
            (&EntryScope::default(), "+1,north,,", false),
            (&EntryScope::default(), "+1,,,demo", false),
            (&demo, "+1,,,demo", true),
            (&demo, "+1,,,other", false),
            (&demo, "+1,,Renewals,", false),
        ] {
            let taken = columns("phone,tenant,campaign,list", scope).row(&values(line));
            assert_eq!(taken.is_ok(), is_taken, "{line}: {taken:?}");
        }
    }
}
