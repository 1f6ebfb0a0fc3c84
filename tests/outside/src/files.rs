//! Files of an operator: `list import`, `dnc import`, `apply`.

use ocsctl::readers;

pub(super) fn records(bytes: &[u8]) -> bool {
    readers::records(bytes).is_ok()
}

pub(super) fn entries(bytes: &[u8]) -> bool {
    readers::entries(bytes).is_ok()
}

/// What `export-config` writes of a declaration is read as the same declaration.
pub(super) fn declarations(bytes: &[u8]) -> bool {
    let Ok(written) = readers::declaration(bytes) else { return false };
    let again = readers::declaration(written.as_bytes());
    assert_eq!(again.as_ref(), Ok(&written), "the written file is read as another declaration");
    true
}
