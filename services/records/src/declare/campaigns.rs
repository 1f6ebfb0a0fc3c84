//! Campaigns and campaign groups (spec 9, Campaign groups).

use std::collections::BTreeSet;

use outbound::declaration::{CampaignLists, DeclaredCampaign, DeclaredGroup};

use super::{
    Faults,
    item::{Item, Pairs, Shown, number, path, set, tenant, text},
};
use crate::declared::{WEIGHT_BY_DEFAULT, group_name};

/// Lists of a campaign, at most: a preview may look at each.
const LISTS_MAX: usize = 1_000;
/// Highest weight of a list.
const WEIGHT_MAX: u32 = 1_000_000;
/// Highest count of records that an agent may hold.
const CHAINS_MAX: u32 = 10_000;

impl Shown for DeclaredCampaign {
    const WORD: &'static str = "campaign";

    fn name(&self) -> String {
        self.name.clone()
    }

    fn pairs(&self) -> Pairs {
        let lists = self.lists.iter().flat_map(|lists| &lists.lists);
        let lists: Vec<String> = lists.map(|list| format!("{} {}", list.list, text(&list.weight))).collect();
        vec![("dbid", text(&self.dbid)), ("tenant", text(&self.tenant)), ("lists", lists.join(", "))]
    }
}

impl Item for DeclaredCampaign {
    const KIND: &'static str = "campaigns";

    fn take(&mut self, named: Self) {
        set(&mut self.dbid, named.dbid);
        set(&mut self.tenant, named.tenant);
        set(&mut self.lists, named.lists);
    }

    fn complete(&mut self, faults: &mut Faults) {
        self.tenant = tenant(self.tenant.take());
        let mut lists = self.lists.take().unwrap_or_default().lists;
        if lists.len() > LISTS_MAX {
            faults.add(path(self, "lists"), format!("has more than {LISTS_MAX} lists"));
        }
        let mut names = BTreeSet::new();
        for list in &mut lists {
            list.weight = number(self, "lists", list.weight, WEIGHT_BY_DEFAULT, (0, WEIGHT_MAX), faults);
            if !names.insert(list.list.clone()) {
                faults.add(path(self, "lists"), format!("has {:?} twice", list.list));
            }
        }
        self.lists = Some(CampaignLists { lists });
    }

    fn dbid(&self) -> Option<u32> {
        self.dbid
    }

    fn set_dbid(&mut self, dbid: u32) {
        self.dbid = Some(dbid);
    }
}

impl Shown for DeclaredGroup {
    const WORD: &'static str = "campaign group";

    fn name(&self) -> String {
        group_name(self)
    }

    fn pairs(&self) -> Pairs {
        vec![("dbid", text(&self.dbid)), ("desktop_chains_limit", text(&self.desktop_chains_limit))]
    }
}

impl Item for DeclaredGroup {
    const KIND: &'static str = "campaign_groups";

    fn take(&mut self, named: Self) {
        set(&mut self.dbid, named.dbid);
        set(&mut self.desktop_chains_limit, named.desktop_chains_limit);
    }

    fn complete(&mut self, faults: &mut Faults) {
        let limit = self.desktop_chains_limit;
        self.desktop_chains_limit = number(self, "desktop_chains_limit", limit, 0, (0, CHAINS_MAX), faults);
        if self.group.is_empty() || self.group.contains('@') {
            // Campaign@Group would have two readings
            faults.add(path(self, "group"), "is a name without @");
        }
    }

    fn dbid(&self) -> Option<u32> {
        self.dbid
    }

    fn set_dbid(&mut self, dbid: u32) {
        self.dbid = Some(dbid);
    }
}
