//! Scopes of Do-Not-Call entries as requests and operators name them: a tenant, a list or a campaign.
//!
//! Never writes. Called by the verbs of Do-Not-Call.

use std::sync::Arc;

use outbound::{
    DoNotCallScope, Refusal, RefusalCode, Request,
    declaration::{DEFAULT_TENANT, DeclaredCampaign},
    key,
};

use crate::{
    given, lookup,
    tables::{DncScope, ListRow},
    tenants,
    turn::Turn,
    verbs::target,
    view::View,
};

/// A scope, with the tenant by whose numbers its phones go.
pub(in crate::verbs) struct Scoped {
    pub(in crate::verbs) scope: DncScope,
    pub(in crate::verbs) tenant: String,
}

impl Scoped {
    fn of_tenant(tenant: String) -> Self {
        Self { scope: DncScope::Tenant(tenant.clone()), tenant }
    }

    fn of_list(dbid: u32, list: &ListRow) -> Self {
        Self { scope: DncScope::List(dbid), tenant: list.tenant.clone() }
    }

    fn of_campaign(campaign: &DeclaredCampaign) -> Option<Self> {
        let tenant = row_name(campaign.tenant.as_deref().unwrap_or_default()).to_owned();
        Some(Self { scope: DncScope::Campaign(campaign.dbid?), tenant })
    }
}

/// The scope of a request by phone or customer: the tenant of `tenant=`, without it the default tenant (spec 2); or the list that the
/// body names, with its row.
///
/// # Errors
/// TENANT_NOT_FOUND; LIST_NOT_FOUND, for a list of another tenant too.
pub(super) fn of_request<V: View>(
    request: &Request,
    turn: &Turn<'_, '_, V>,
) -> Result<(Scoped, Option<Arc<ListRow>>), Refusal> {
    let tenant = tenants::of_request(request, turn.overlay.declared())?.unwrap_or_default();
    let given_dbid = given::int(request, key::CALLING_LIST_DBID, 0, i64::MAX)?;
    let name = given::text(request, key::CALLING_LIST, usize::MAX)?;
    let Some(identifier) = name.or_else(|| given_dbid.map(|dbid| dbid.to_string())) else {
        return Ok((Scoped::of_tenant(tenant), None));
    };
    let (dbid, list) = target::find_list(turn.overlay, &identifier)?;
    if !tenants::is_visible(Some(&tenant), &list.tenant) {
        return Err(target::unknown_list(&identifier));
    }
    if given_dbid.is_some_and(|given| given != i64::from(dbid)) {
        let why = format!("is not {dbid}, the DBID of {:?}", list.name);
        return Err(given::bad_value(key::CALLING_LIST_DBID, &why));
    }
    Ok((Scoped::of_list(dbid, &list), Some(list)))
}

/// The scope of entries to make, as an operator names it.
///
/// # Errors
/// TENANT_NOT_FOUND, LIST_NOT_FOUND; CONFLICT: the list is being deleted; BAD_VALUE: there is no such campaign, or a list and a
/// campaign are named.
pub(in crate::verbs) fn to_make<V: View>(asked: &DoNotCallScope, turn: &Turn<'_, '_, V>) -> Result<Scoped, Refusal> {
    let tenant = known_tenant(&asked.tenant, turn)?;
    let scoped = match (asked.campaign.as_str(), asked.list.as_str()) {
        ("", "") => return Ok(Scoped::of_tenant(tenant)),
        ("", list) => target::find_list(turn.overlay, list).map(|(dbid, list)| Scoped::of_list(dbid, &list))?,
        (campaign, "") => known_campaign(campaign, turn).ok_or_else(|| unknown_campaign(campaign))?,
        _ => return Err(both()),
    };
    of_tenant(asked, &tenant, scoped)
}

/// The scope of an entry to take back: an entry outlives its list and its campaign, whose DBID still names the scope.
///
/// # Errors
/// As [`to_make`], but for a list that is being deleted.
pub(in crate::verbs) fn to_take_back<V: View>(
    asked: &DoNotCallScope,
    turn: &Turn<'_, '_, V>,
) -> Result<Scoped, Refusal> {
    let tenant = known_tenant(&asked.tenant, turn)?;
    let dbid = |identifier: &str| identifier.parse::<u32>().ok();
    let gone = |scope| Scoped { scope, tenant: tenant.clone() };
    let scoped = match (asked.campaign.as_str(), asked.list.as_str()) {
        ("", "") => return Ok(Scoped::of_tenant(tenant)),
        ("", list) => match lookup::find_list(turn.overlay, list) {
            Some((dbid, list)) => Scoped::of_list(dbid, &list),
            None => return dbid(list).map(|dbid| gone(DncScope::List(dbid))).ok_or_else(|| target::unknown_list(list)),
        },
        (campaign, "") => match known_campaign(campaign, turn) {
            Some(scoped) => scoped,
            None => {
                let scope = dbid(campaign).map(DncScope::Campaign);
                return scope.map(gone).ok_or_else(|| unknown_campaign(campaign));
            }
        },
        _ => return Err(both()),
    };
    of_tenant(asked, &tenant, scoped)
}

/// Names of lists and campaigns are unique over all tenants: a tenant that is named beside them must be theirs.
fn of_tenant(asked: &DoNotCallScope, tenant: &str, scoped: Scoped) -> Result<Scoped, Refusal> {
    match asked.list.as_str() {
        _ if asked.tenant.is_empty() || scoped.tenant == tenant => Ok(scoped),
        "" => Err(unknown_campaign(&asked.campaign)),
        list => Err(target::unknown_list(list)),
    }
}

/// The name of a tenant in rows.
fn known_tenant<V: View>(name: &str, turn: &Turn<'_, '_, V>) -> Result<String, Refusal> {
    let row = row_name(name);
    if row.is_empty() || turn.overlay.declared().tenant(row).is_some() {
        return Ok(row.to_owned());
    }
    Err(Refusal::new(RefusalCode::TenantNotFound, format!("There is no tenant {name:?}")))
}

fn row_name(name: &str) -> &str {
    if name == DEFAULT_TENANT { "" } else { name }
}

fn known_campaign<V: View>(identifier: &str, turn: &Turn<'_, '_, V>) -> Option<Scoped> {
    turn.overlay.declared().find_campaign(identifier).and_then(Scoped::of_campaign)
}

fn unknown_campaign(identifier: &str) -> Refusal {
    Refusal::new(RefusalCode::BadValue, format!("There is no campaign {identifier:?}"))
}

fn both() -> Refusal {
    Refusal::new(RefusalCode::BadValue, "An entry is for one list or for one campaign, not for both")
}
