//! Cells that a spreadsheet would run as a formula, and the apostrophe that prevents it. Removing the apostrophe restores
//! every cell.
//! Called by `list export` and by `source` and `batches`, by the same option of export and import.

use std::borrow::Cow;

/// Characters with which a formula begins.
const BEGINNINGS: [char; 4] = ['=', '@', '+', '-'];

/// With an apostrophe before a formula, or before one that has apostrophes already. A negative integer is no formula.
pub fn guarded(cell: &str) -> Cow<'_, str> {
    let is_integer = cell.strip_prefix('-').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    if begins_formula(cell) && (!is_integer || cell == "-") { format!("'{cell}").into() } else { cell.into() }
}

/// Without the apostrophe of [`guarded`].
pub(crate) fn unguarded(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| begins_formula(rest)).unwrap_or(cell)
}

fn begins_formula(cell: &str) -> bool {
    cell.trim_start_matches('\'').starts_with(BEGINNINGS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_comes_back_as_it_was() {
        for (cell, wanted) in [
            ("=1+1", "'=1+1"),
            ("@SUM(1)", "'@SUM(1)"),
            ("+1555", "'+1555"),
            ("-1+2", "'-1+2"),
            ("-", "'-"),
            ("-12", "-12"),
            ("'=x", "''=x"),
            ("'tis", "'tis"),
            ("x=1", "x=1"),
            ("", ""),
        ] {
            assert_eq!(guarded(cell), wanted);
            assert_eq!(unguarded(&guarded(cell)), cell);
        }
    }
}
