//! Answers about the state as messages of the link, within the bounds of the client: its tenant, its lists, its page.

use ocs_proto::{
    control::AuditEntries,
    link::api_answer::Told,
    outbound::{Declaration, DeclaredCampaign},
};
use outbound::{
    Answer, DoNotCallEntry, GroupInfo, ListInfo, Refusal, RefusalCode, Reply, Value, declaration::DEFAULT_TENANT,
    wire::records_to_wire,
};
use pair::StateReader;
use prost::Message;

use super::questions::Bounds;
use crate::to_wire;

/// A page of things is closed at this many bytes, far below the largest frame of the link.
const PAGE_BYTES: usize = 1 << 20;
/// Bytes of the numbers of a thing, roughly.
const NUMBERS_BYTES: usize = 64;

/// A tenant that a client names, and its campaigns.
pub(super) struct OfTenant {
    /// As rows have the name; empty: the default tenant.
    name: String,
    /// DBIDs.
    campaigns: Vec<u32>,
}

impl OfTenant {
    /// The tenant of a name that is not empty. As long as no tenant is declared, any name means the default one (spec 2).
    ///
    /// # Errors
    /// TENANT_NOT_FOUND: tenants are declared, and none of this name.
    pub(super) fn named(name: &str, declaration: &Declaration) -> Result<Self, Reply> {
        let is_known = declaration.tenants.iter().any(|tenant| tenant.name == name);
        let own = match name {
            DEFAULT_TENANT => "",
            _ if declaration.tenants.is_empty() => "",
            _ if is_known => name,
            _ => {
                let refusal = Refusal::new(RefusalCode::TenantNotFound, format!("There is no tenant {name:?}"));
                return Err(refusal.with("tenant", Value::text(name)).into());
            }
        };
        let campaigns = declaration.campaigns.iter().filter(|campaign| tenant_of(campaign) == own);
        Ok(Self { name: own.to_owned(), campaigns: campaigns.filter_map(|campaign| campaign.dbid).collect() })
    }
}

/// The tenant of a campaign as rows have the name.
fn tenant_of(campaign: &DeclaredCampaign) -> &str {
    campaign.tenant.as_deref().filter(|own| *own != DEFAULT_TENANT).unwrap_or_default()
}

/// The message of an answer, and the place behind its page.
pub(super) fn told(answer: Answer, bounds: &Bounds, state: &dyn StateReader) -> Result<(Told, Vec<u8>), Reply> {
    let whole = |told| Ok((told, Vec::new()));
    match answer {
        Answer::Records(page) => {
            let next = page.next.map(|cursor| cursor.0).unwrap_or_default();
            Ok((Told::Records(records_to_wire(page.rows)), next))
        }
        Answer::Lists(page) => {
            let lists = visible(page.rows, bounds).into_iter().map(to_wire::list);
            let (lists, next) = paged(lists, |list| (list.dbid, list.encoded_len()), bounds)?;
            if lists.is_empty() && !bounds.name.is_empty() {
                return Err(not_found(RefusalCode::ListNotFound, "calling list", &bounds.name));
            }
            Ok((Told::Lists(ocs_proto::control::ShowListReply { lists }), next))
        }
        Answer::Declaration { declaration, .. } => campaigns(*declaration, bounds),
        Answer::Groups(mut groups) => {
            let is_visible = |group: &GroupInfo| {
                bounds.tenant.as_ref().is_none_or(|tenant| tenant.campaigns.contains(&group.campaign_dbid))
            };
            groups.retain(is_visible);
            groups.iter_mut().for_each(|group| group.held = Vec::new()); // the interface tells their number alone
            if groups.is_empty() && !bounds.name.is_empty() {
                return Err(not_found(RefusalCode::GroupNotFound, "campaign group", &bounds.name));
            }
            let size = |group: &GroupInfo| group.name.len() + group.campaign.len() + NUMBERS_BYTES;
            let (groups, next) = paged(groups, |group: &GroupInfo| (group.dbid, size(group)), bounds)?;
            to_wire::groups(Answer::Groups(groups)).map(|groups| (Told::Groups(groups), next)).ok_or_else(unfit)
        }
        Answer::DoNotCall { forms, mut page } => {
            page.rows.retain(|entry| is_of_tenant(entry, bounds, state));
            let entries = to_wire::do_not_call(Answer::DoNotCall { forms, page }).ok_or_else(unfit)?;
            whole(Told::DoNotCall(entries))
        }
        _ => Err(unfit()),
    }
}

/// A page of the audit, of a state that a quorum confirmed, and the place behind the page.
pub(super) fn audit(answer: Answer) -> Result<(Told, Vec<u8>), Reply> {
    let Answer::Audit(mut page) = answer else { return Err(unfit()) };
    let next = page.next.take().map(|cursor| cursor.0).unwrap_or_default();
    let entries = to_wire::audit(Answer::Audit(page)).ok_or_else(unfit)?;
    Ok((Told::Audit(AuditEntries { confirmed: true, ..entries }), next))
}

fn unfit() -> Reply {
    Refusal::new(RefusalCode::Internal, "The state gave another kind of answer").into()
}

fn not_found(code: RefusalCode, what: &str, name: &str) -> Reply {
    Refusal::new(code, format!("There is no {what} {name:?}")).into()
}

/// The lists that the client may see.
fn visible(lists: Vec<ListInfo>, bounds: &Bounds) -> Vec<ListInfo> {
    let reached = &bounds.client.lists;
    let is_visible = |list: &ListInfo| {
        bounds.tenant.as_ref().is_none_or(|tenant| tenant.name == list.tenant)
            && (reached.is_empty() || reached.binary_search(&list.dbid).is_ok())
    };
    lists.into_iter().filter(is_visible).collect()
}

fn campaigns(declaration: Declaration, bounds: &Bounds) -> Result<(Told, Vec<u8>), Reply> {
    let mut campaigns = declaration.campaigns;
    let is_named = campaigns.iter().any(|campaign| campaign.name == bounds.name);
    campaigns.retain(|campaign| {
        let is_meant = match bounds.name.as_str() {
            "" => true,
            name if is_named => campaign.name == name,
            dbid => campaign.dbid.is_some_and(|own| own.to_string() == dbid),
        };
        is_meant && bounds.tenant.as_ref().is_none_or(|tenant| tenant.name == tenant_of(campaign))
    });
    if campaigns.is_empty() && !bounds.name.is_empty() {
        return Err(not_found(RefusalCode::BadResource, "campaign", &bounds.name));
    }
    campaigns.sort_by_key(|campaign| campaign.dbid);
    let place = |campaign: &DeclaredCampaign| (campaign.dbid.unwrap_or_default(), campaign.encoded_len());
    let (campaigns, next) = paged(campaigns, place, bounds)?;
    Ok((Told::Campaigns(Declaration { campaigns, ..Declaration::default() }), next))
}

/// Whether an entry is the tenant's: its own, or of one of its lists or campaigns.
fn is_of_tenant(entry: &DoNotCallEntry, bounds: &Bounds, state: &dyn StateReader) -> bool {
    let Some(tenant) = &bounds.tenant else { return true };
    match (entry.list_dbid, entry.campaign_dbid) {
        (0, 0) => entry.tenant == tenant.name,
        (0, campaign) => tenant.campaigns.contains(&campaign),
        _ => state.lists(Some(&entry.list)).first().is_some_and(|list| list.tenant == tenant.name),
    }
}

/// The things behind the cursor, by DBID, as many as the page has, and no more than its bytes; the place behind them. `place`: DBID and
/// bytes of a thing.
fn paged<T>(
    things: impl IntoIterator<Item = T>,
    place: impl Fn(&T) -> (u32, usize),
    bounds: &Bounds,
) -> Result<(Vec<T>, Vec<u8>), Reply> {
    if bounds.limit == 0 {
        return Ok((things.into_iter().collect(), Vec::new()));
    }
    let unknown = || Refusal::new(RefusalCode::BadValue, "The cursor is none that a page of this kind gave");
    let after = match bounds.cursor.as_slice() {
        [] => None,
        bytes => Some(u32::from_be_bytes(bytes.try_into().map_err(|_| unknown())?)),
    };
    let (mut page, mut bytes, mut last) = (Vec::new(), 0, 0);
    for thing in things {
        let (dbid, size) = place(&thing);
        if after.is_some_and(|after| dbid <= after) {
            continue;
        }
        if page.len() == bounds.limit as usize || bytes >= PAGE_BYTES {
            return Ok((page, u32::to_be_bytes(last).to_vec()));
        }
        (bytes, last) = (bytes + size, dbid);
        page.push(thing);
    }
    Ok((page, Vec::new()))
}

#[cfg(test)]
mod tests {
    use outbound::{ReplyBody, declaration::DeclaredTenant};
    use pair::fakes::Reader;

    use super::*;
    use crate::credentials::AdmittedCall;

    fn bounds(limit: u32, cursor: &[u8]) -> Bounds {
        let (client, name) = (AdmittedCall::default(), String::new());
        Bounds { client, limit, cursor: cursor.to_vec(), name, tenant: None }
    }

    fn declaration(tenants: &[&str], campaigns: &[(u32, &str, &str)]) -> Declaration {
        let tenant = |name: &&str| DeclaredTenant { name: (*name).to_owned(), ..DeclaredTenant::default() };
        let campaign = |(dbid, name, tenant): &(u32, &str, &str)| DeclaredCampaign {
            name: (*name).to_owned(),
            dbid: Some(*dbid),
            tenant: Some((*tenant).to_owned()),
            ..DeclaredCampaign::default()
        };
        Declaration {
            tenants: tenants.iter().map(tenant).collect(),
            campaigns: campaigns.iter().map(campaign).collect(),
            ..Declaration::default()
        }
    }

    fn of_tenant(name: &str, declaration: &Declaration) -> Bounds {
        Bounds { tenant: Some(OfTenant::named(name, declaration).unwrap()), ..bounds(0, &[]) }
    }

    #[track_caller]
    fn code(refused: Result<(Told, Vec<u8>), Reply>) -> RefusalCode {
        match refused {
            Err(Reply { body: ReplyBody::Refused(refusal), .. }) => refusal.code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_page_of_things_goes_on_behind_its_last_dbid_and_ends_with_the_last_thing() {
        let dbid = |number: &u32| (*number, 0);
        let (first, next) = paged(vec![101, 102, 105], dbid, &bounds(2, &[])).unwrap();
        assert_eq!((first, next.clone()), (vec![101, 102], 102_u32.to_be_bytes().to_vec()));
        let (second, end) = paged(vec![101, 103, 105], dbid, &bounds(2, &next)).unwrap();
        assert_eq!((second, end), (vec![103, 105], Vec::new()));
        assert!(paged(vec![101], dbid, &bounds(2, &[1])).is_err());
    }

    #[test]
    fn a_page_of_large_things_is_closed_by_its_bytes_and_goes_on_behind_them() {
        let large = |number: &u32| (*number, PAGE_BYTES / 2);
        let (first, next) = paged(vec![101, 102, 103], large, &bounds(100, &[])).unwrap();
        assert_eq!((first, next.clone()), (vec![101, 102], 102_u32.to_be_bytes().to_vec()));
        assert_eq!(paged(vec![101, 102, 103], large, &bounds(100, &next)).unwrap(), (vec![103], Vec::new()));
        let larger = |number: &u32| (*number, 3 * PAGE_BYTES);
        assert_eq!(paged(vec![101, 102], larger, &bounds(100, &[])).unwrap().0, [101], "a page has one thing at least");
    }

    #[test]
    fn a_group_tells_how_many_records_are_held_and_not_which() {
        let held = vec![outbound::HeldRecord::default(); 1000];
        let group = GroupInfo { dbid: 7, held, held_total: 1000, ..GroupInfo::default() };
        match told(Answer::Groups(vec![group]), &bounds(100, &[]), &Reader::at(outbound::RULES_NEWEST)) {
            Ok((Told::Groups(found), _)) => {
                assert_eq!((found.groups[0].held.len(), found.groups[0].held_total), (0, 1000));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_client_sees_the_lists_of_its_tenant_and_of_its_token_alone() {
        let list = |dbid, tenant: &str| ListInfo { dbid, tenant: tenant.into(), ..ListInfo::default() };
        let all = || vec![list(101, ""), list(102, "north"), list(103, "north")];
        let declared = declaration(&["north", "south"], &[]);
        let seen = |tenant: &str, lists: &[u32]| {
            let client = AdmittedCall { tenant: tenant.into(), lists: lists.to_vec(), ..AdmittedCall::default() };
            let tenant = (!tenant.is_empty()).then(|| OfTenant::named(tenant, &declared).unwrap());
            let bounds = Bounds { client, tenant, ..bounds(0, &[]) };
            visible(all(), &bounds).iter().map(|list| list.dbid).collect::<Vec<_>>()
        };
        assert_eq!(seen("", &[]), [101, 102, 103]);
        assert_eq!(seen("north", &[]), [102, 103]);
        assert_eq!(seen("default", &[]), [101]);
        assert_eq!(seen("north", &[101, 103]), [103]);
        assert!(seen("south", &[]).is_empty(), "the lists of the default tenant are no other tenant's");
    }

    #[test]
    fn a_name_means_a_tenant_once_tenants_are_declared() {
        let named = |name: &str, tenants: &[&str]| match OfTenant::named(name, &declaration(tenants, &[])) {
            Ok(tenant) => Ok(tenant.name),
            Err(reply) => Err(code(Err(reply))),
        };
        assert_eq!(named("anybody", &[]), Ok(String::new()));
        assert_eq!(named("default", &["north"]), Ok(String::new()));
        assert_eq!(named("north", &["north"]), Ok("north".to_owned()));
        assert_eq!(named("anybody", &["north"]), Err(RefusalCode::TenantNotFound));
    }

    #[test]
    fn a_client_sees_the_campaigns_the_groups_and_the_entries_of_its_tenant_alone() {
        let declared = declaration(&["north"], &[(101, "spring", ""), (102, "autumn", "north"), (103, "101", "north")]);
        let state = Reader::at(outbound::RULES_NEWEST);
        let campaigns = |bounds: &Bounds| match campaigns(declared.clone(), bounds) {
            Ok((Told::Campaigns(found), _)) => found.campaigns.into_iter().map(|campaign| campaign.name).collect(),
            other => vec![format!("{other:?}")],
        };
        assert_eq!(campaigns(&of_tenant("north", &declared)), ["autumn", "101"]);
        assert_eq!(campaigns(&Bounds { name: "101".into(), ..bounds(0, &[]) }), ["101"], "a name goes before a DBID");
        assert_eq!(campaigns(&Bounds { name: "102".into(), ..bounds(0, &[]) }), ["autumn"]);
        let group = |campaign_dbid: u32| GroupInfo { dbid: campaign_dbid + 100, campaign_dbid, ..GroupInfo::default() };
        let groups = |groups: Vec<GroupInfo>, bounds: &Bounds| told(Answer::Groups(groups), bounds, &state);
        let seen: Vec<u32> = match groups(vec![group(101), group(102)], &of_tenant("north", &declared)) {
            Ok((Told::Groups(found), _)) => found.groups.into_iter().map(|group| group.dbid).collect(),
            other => panic!("{other:?}"),
        };
        assert_eq!(seen, [202]);
        let of_another = Bounds { name: "201".into(), ..of_tenant("north", &declared) };
        assert_eq!(code(groups(vec![group(101)], &of_another)), RefusalCode::GroupNotFound);
        let entry = |tenant: &str, campaign_dbid| DoNotCallEntry {
            tenant: tenant.into(),
            campaign_dbid,
            ..DoNotCallEntry::default()
        };
        let is_shown = |entry: &DoNotCallEntry| is_of_tenant(entry, &of_tenant("north", &declared), &state);
        assert!(is_shown(&entry("north", 0)) && is_shown(&entry("", 102)));
        assert!(!is_shown(&entry("", 0)) && !is_shown(&entry("", 101)));
    }
}
