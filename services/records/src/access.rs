//! The lists that a request reaches: an entrance that bounds a client to some lists asks before a request is taken.
//!
//! Never decides whether the client may. Called by the node's entrance for HTTP, on this node's last state.

use outbound::{Request, Resource, key};

use crate::{declared::lists_of, given, lookup, view::View};

/// The lists that a request reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// These lists, by DBID: the list of the path or of the record, the list that narrows a request by phone or customer, or the
    /// lists of a campaign.
    Lists(Vec<u32>),
    /// Every list: a request by phone or customer that no list narrows.
    All,
    /// The state has no such record or campaign group. A node that lags may not have it yet.
    Unknown,
}

/// The lists that a request reaches. A list that the state lacks is no list: no client was ever bound to it.
pub fn reach(request: &Request, view: &impl View) -> Reach {
    match &request.resource {
        Resource::Record(handle) => match lookup::record(view, *handle) {
            Some(record) => Reach::Lists(vec![record.list]),
            None => Reach::Unknown,
        },
        Resource::List(identifier) => of_list(identifier, view),
        Resource::Phone(_) | Resource::Customer(_) => match narrowed(request) {
            Some(identifier) => of_list(&identifier, view),
            None => Reach::All,
        },
        Resource::CampaignGroup(identifier) => of_group(identifier, view),
    }
}

fn of_list(identifier: &str, view: &impl View) -> Reach {
    // DBID 0 is no list's
    Reach::Lists(vec![lookup::find_list(view, identifier).map_or(0, |(dbid, _)| dbid)])
}

/// The list that a request by phone or customer names; as the verbs read it.
fn narrowed(request: &Request) -> Option<String> {
    let named = |key| given::text(request, key, usize::MAX).ok().flatten();
    named(key::CALLING_LIST).or_else(|| named(key::CALLING_LIST_DBID))
}

fn of_group(identifier: &str, view: &impl View) -> Reach {
    let declared = lookup::declared(view);
    let campaign = declared.find_group(identifier).and_then(|group| declared.find_campaign(&group.campaign));
    let Some(campaign) = campaign else { return Reach::Unknown };
    let dbid = |(name, _): (&str, u32)| lookup::find_list(view, name).map(|(dbid, _)| dbid);
    Reach::Lists(lists_of(campaign).filter_map(dbid).collect())
}
