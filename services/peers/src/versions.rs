//! The versions of formats and rules that this release knows (R13 versions-are-replicated): each head and each greeting names
//! them.

use consensus::{FORMATS, Versions};
use outbound::{RULES_FIRST, RULES_NEWEST};

/// The newest versions that this release knows.
pub const NEWEST: Versions = Versions { formats: FORMATS.1, rules: RULES_NEWEST };
/// Rules versions that this release decides, lowest and highest.
pub const RULES: (u32, u32) = (RULES_FIRST, RULES_NEWEST);
