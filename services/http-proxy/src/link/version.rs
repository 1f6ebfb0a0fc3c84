//! Negotiates the version of the link: each end names a range, and the highest common version counts. Never refuses a mixture
//! that works.

use std::fmt;

/// The versions that this build speaks.
pub const LINK_VERSIONS: LinkVersions = LinkVersions { min: 1, max: 3 };
/// From this version on HTTP Proxy answers echoes and knows the settings of `Configure` from `format_max` on.
pub const LINK_WITH_ECHO: u32 = 2;
/// From this version on HTTP Proxy opens several ports and asks for certificates of clients. A node that wants either names no
/// lower version: an older HTTP Proxy would serve without them.
pub const LINK_WITH_LISTENERS: u32 = 3;

/// A range of versions, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkVersions {
    /// The lowest.
    pub min: u32,
    /// The highest.
    pub max: u32,
}

impl LinkVersions {
    /// The range that the other end named. An absent number is 0: an absent minimum means version 1, an absent maximum the
    /// minimum alone.
    pub fn named(min: u32, max: u32) -> Self {
        let min = min.max(1);
        Self { min, max: max.max(min) }
    }

    /// The highest version of both.
    pub fn common(self, other: Self) -> Option<u32> {
        let highest = self.max.min(other.max);
        (highest >= self.min.max(other.min)).then_some(highest)
    }
}

impl fmt::Display for LinkVersions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max { write!(out, "{}", self.min) } else { write!(out, "{} to {}", self.min, self.max) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_choose_the_highest_version_that_both_speak() {
        let table = [
            ((1, 2), (1, 2), Some(2)),
            ((1, 2), (0, 0), Some(1)), // a release without ranges
            ((1, 2), (1, 0), Some(1)),
            ((1, 2), (2, 7), Some(2)),
            ((1, 2), (3, 7), None),
            ((3, 3), (0, 0), None),
            ((2, 5), (3, 4), Some(4)),
            ((2, 5), (5, 9), Some(5)),
        ];
        for (ours, theirs, common) in table {
            let (ours, theirs) = (LinkVersions::named(ours.0, ours.1), LinkVersions::named(theirs.0, theirs.1));
            assert_eq!((ours.common(theirs), theirs.common(ours)), (common, common), "{ours} and {theirs}");
        }
    }

    #[test]
    fn a_range_is_named_as_a_person_would() {
        assert_eq!(LinkVersions::named(0, 0).to_string(), "1");
        assert_eq!(LinkVersions::named(1, 2).to_string(), "1 to 2");
    }
}
