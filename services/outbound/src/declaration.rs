//! Declarations (spec 11): tenants, time zones, calendars, treatments, lists, campaigns, groups, limits.
//!
//! A declaration is data without behaviour, so the wire's messages are the domain's types too: a file, a command and the state
//! share one shape. `records` checks and applies them.

pub use ocs_proto::outbound::{
    CampaignList, CampaignLists, Declaration, DeclaredCalendar, DeclaredCampaign, DeclaredDay, DeclaredField,
    DeclaredGroup, DeclaredHours, DeclaredLimit, DeclaredList, DeclaredNames, DeclaredOption, DeclaredPair,
    DeclaredPairs, DeclaredPrefix, DeclaredResults, DeclaredSubscription, DeclaredTenant, DeclaredTreatment,
    DeclaredZone,
};

/// The kinds of actions of a treatment (spec 9, Treatments): canonical name and aliases.
pub const ACTIONS: [(&str, &[&str]); 10] = [
    ("RetryIn", &[]),
    ("Cycle", &["Redial"]),
    ("RetryAtDate", &[]),
    ("NextInChain", &[]),
    ("NextInChainAfter", &[]),
    ("NextInChainAtDate", &[]),
    ("AssignToGroup", &[]),
    ("MarkAsAgentError", &[]),
    ("MarkDB", &["UpdateRecord"]),
    ("MarkAllChain", &["UpdateChain"]),
];

/// The canonical name of an action's name or alias, in any case.
pub fn action(name: &str) -> Option<&'static str> {
    let is = |word: &str| word.eq_ignore_ascii_case(name.trim());
    ACTIONS.iter().find(|(canonical, aliases)| is(canonical) || aliases.iter().any(|alias| is(alias))).map(|row| row.0)
}

/// The name of the default tenant in files and queries; rows name it "".
pub const DEFAULT_TENANT: &str = "default";
