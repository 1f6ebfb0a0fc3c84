//! The declaration (spec 11) as decisions read it: tenants, zones, calendars, prefixes, treatments, campaigns, groups, limits.
//!
//! Lists and options stand in rows of their own. Every item has its name in the row of its declaration, so look-ups are short
//! searches: a site declares tens of things. Called by the verbs and by the node's questions.

use outbound::declaration::{
    CampaignList, DEFAULT_TENANT, Declaration, DeclaredCalendar, DeclaredCampaign, DeclaredGroup, DeclaredLimit,
    DeclaredPrefix, DeclaredTenant, DeclaredTreatment, DeclaredZone,
};
use prost::Message;

/// The row of the declaration; as [`Declared`].
#[derive(Clone, PartialEq, Eq, Message)]
pub struct DeclaredRow {
    /// Grows with each applied file that changed something.
    #[prost(uint64, tag = "1")]
    pub revision: u64,
    /// Without options and lists, which have rows of their own; every key has its value.
    #[prost(message, optional, tag = "2")]
    pub declaration: Option<Declaration>,
    /// Last DBID given, by kind; 0: none yet.
    #[prost(uint32, tag = "3")]
    pub last_tenant: u32,
    #[prost(uint32, tag = "4")]
    #[allow(missing_docs)] // as last_tenant
    pub last_zone: u32,
    #[prost(uint32, tag = "5")]
    #[allow(missing_docs)] // as last_tenant
    pub last_treatment: u32,
    #[prost(uint32, tag = "6")]
    #[allow(missing_docs)] // as last_tenant
    pub last_campaign: u32,
    #[prost(uint32, tag = "7")]
    #[allow(missing_docs)] // as last_tenant
    pub last_group: u32,
    /// Some list sends default columns under keys of their own: requests look their list up for such keys only then.
    #[prost(bool, tag = "8")]
    pub sends_columns: bool,
}

/// The declaration beside lists and options; the default: no items.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declared {
    row: DeclaredRow,
    declaration: Declaration,
}

impl From<DeclaredRow> for Declared {
    fn from(row: DeclaredRow) -> Self {
        let declaration = row.declaration.clone().unwrap_or_default();
        Self { row, declaration }
    }
}

impl Declared {
    /// As the state holds it.
    pub fn row(&self) -> &DeclaredRow {
        &self.row
    }

    /// Everything, with its values.
    pub fn declaration(&self) -> &Declaration {
        &self.declaration
    }

    /// Grows with each applied file that changed something.
    pub fn revision(&self) -> u64 {
        self.row.revision
    }

    /// Whether `tenant=` of a request means anything (spec 2).
    pub fn has_tenants(&self) -> bool {
        !self.declaration.tenants.is_empty()
    }

    /// The tenant of a row's name, "" for the default tenant; none: the default tenant is not declared.
    pub fn tenant(&self, name: &str) -> Option<&DeclaredTenant> {
        let name = if name.is_empty() { DEFAULT_TENANT } else { name };
        self.declaration.tenants.iter().find(|tenant| tenant.name == name)
    }

    /// The configured zone of a name, in any case.
    pub fn zone(&self, name: &str) -> Option<&DeclaredZone> {
        self.declaration.time_zones.iter().find(|zone| zone.name.eq_ignore_ascii_case(name))
    }

    /// The configured zone of a DBID.
    pub fn zone_of_dbid(&self, dbid: i64) -> Option<&DeclaredZone> {
        self.declaration.time_zones.iter().find(|zone| zone.dbid.map(i64::from) == Some(dbid))
    }

    /// The calendar of a name.
    pub fn calendar(&self, name: &str) -> Option<&DeclaredCalendar> {
        self.declaration.calendars.iter().find(|calendar| calendar.name == name)
    }

    /// The longest declared prefix with which an international form begins.
    pub fn prefix(&self, international: &str) -> Option<&DeclaredPrefix> {
        let begins = self.declaration.zone_prefixes.iter().filter(|prefix| international.starts_with(&prefix.prefix));
        begins.max_by_key(|prefix| prefix.prefix.len())
    }

    /// The treatment of a name.
    pub fn treatment(&self, name: &str) -> Option<&DeclaredTreatment> {
        self.declaration.treatments.iter().find(|treatment| treatment.name == name)
    }

    /// The campaign of a DBID.
    pub fn campaign(&self, dbid: u32) -> Option<&DeclaredCampaign> {
        self.declaration.campaigns.iter().find(|campaign| campaign.dbid == Some(dbid))
    }

    /// The campaign of a name, else of a decimal DBID.
    pub fn find_campaign(&self, identifier: &str) -> Option<&DeclaredCampaign> {
        let named = self.declaration.campaigns.iter().find(|campaign| campaign.name == identifier);
        named.or_else(|| self.campaign(identifier.parse().ok()?))
    }

    /// The campaigns that have a list, with its weight.
    pub fn campaigns_of(&self, list: &str) -> impl Iterator<Item = (&DeclaredCampaign, u32)> {
        let weight =
            move |campaign: &DeclaredCampaign| lists_of(campaign).find(|(name, _)| *name == list).map(|found| found.1);
        self.declaration.campaigns.iter().filter_map(move |campaign| Some((campaign, weight(campaign)?)))
    }

    /// All campaign groups.
    pub fn groups(&self) -> &[DeclaredGroup] {
        &self.declaration.campaign_groups
    }

    /// The campaign group of a DBID.
    pub fn group(&self, dbid: u32) -> Option<&DeclaredGroup> {
        self.groups().iter().find(|group| group.dbid == Some(dbid))
    }

    /// The campaign group of a path: digits are always a DBID, else `Campaign@Group` (spec 2).
    pub fn find_group(&self, identifier: &str) -> Option<&DeclaredGroup> {
        if !identifier.is_empty() && identifier.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.group(identifier.parse().ok()?);
        }
        self.groups().iter().find(|group| group_name(group) == identifier)
    }

    /// All contact limits.
    pub fn limits(&self) -> &[DeclaredLimit] {
        &self.declaration.contact_limits
    }
}

/// The name of a campaign group, `Campaign@Group`.
pub fn group_name(group: &DeclaredGroup) -> String {
    format!("{}@{}", group.campaign, group.group)
}

/// The lists of a campaign by name, with their weights.
pub fn lists_of(campaign: &DeclaredCampaign) -> impl Iterator<Item = (&str, u32)> {
    let weight = |list: &CampaignList| list.weight.unwrap_or(WEIGHT_BY_DEFAULT);
    let lists = campaign.lists.iter().flat_map(|lists| &lists.lists);
    lists.map(move |list| (list.list.as_str(), weight(list)))
}

/// The weight of a list that a campaign names without one (spec 9, Campaign groups).
pub(crate) const WEIGHT_BY_DEFAULT: u32 = 10;
