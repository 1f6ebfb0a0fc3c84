//! Answers about the state as messages of the link, within the bounds of the client: its tenant, its lists, its page.

use ocs_proto::{control::AuditEntries, link::api_answer::Told, outbound::Declaration};
use outbound::{
    Answer, DoNotCallEntry, GroupInfo, ListInfo, Refusal, RefusalCode, Reply, declaration::DEFAULT_TENANT,
    wire::records_to_wire,
};
use pair::StateReader;

use super::questions::Bounds;
use crate::to_wire;

/// The message of an answer, and the place behind its page.
pub(super) fn told(answer: Answer, bounds: &Bounds, state: &dyn StateReader) -> Result<(Told, Vec<u8>), Reply> {
    let whole = |told| Ok((told, Vec::new()));
    match answer {
        Answer::Records(page) => {
            let next = page.next.map(|cursor| cursor.0).unwrap_or_default();
            Ok((Told::Records(records_to_wire(page.rows)), next))
        }
        Answer::Lists(page) => {
            let (lists, next) = paged(visible(page.rows, bounds), |list| list.dbid, bounds)?;
            if lists.is_empty() && !bounds.name.is_empty() {
                return Err(not_found(RefusalCode::ListNotFound, "calling list", &bounds.name));
            }
            let lists = lists.into_iter().map(to_wire::list).collect();
            Ok((Told::Lists(ocs_proto::control::ShowListReply { lists }), next))
        }
        Answer::Declaration { declaration, .. } => campaigns(*declaration, bounds),
        Answer::Groups(groups) => {
            let (groups, next) = paged(groups, |group: &GroupInfo| group.dbid, bounds)?;
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

/// The name of a tenant as rows have it; none: the client names none.
fn tenant(bounds: &Bounds) -> Option<&str> {
    match bounds.client.tenant.as_str() {
        "" => None,
        DEFAULT_TENANT => Some(""),
        name => Some(name),
    }
}

/// The lists that the client may see. As long as no list has a tenant, every name means the default one.
fn visible(lists: Vec<ListInfo>, bounds: &Bounds) -> Vec<ListInfo> {
    let has_tenants = lists.iter().any(|list| !list.tenant.is_empty());
    let named = tenant(bounds).filter(|_| has_tenants);
    let reached = &bounds.client.lists;
    let is_visible = |list: &ListInfo| {
        named.is_none_or(|named| named == list.tenant)
            && (reached.is_empty() || reached.binary_search(&list.dbid).is_ok())
    };
    lists.into_iter().filter(is_visible).collect()
}

fn campaigns(declaration: Declaration, bounds: &Bounds) -> Result<(Told, Vec<u8>), Reply> {
    let mut campaigns = declaration.campaigns;
    let named = tenant(bounds).filter(|_| !declaration.tenants.is_empty());
    campaigns.retain(|campaign| {
        let own = campaign.tenant.as_deref().filter(|own| *own != DEFAULT_TENANT).unwrap_or_default();
        let is_meant = bounds.name.is_empty()
            || campaign.name == bounds.name
            || campaign.dbid.is_some_and(|dbid| bounds.name == dbid.to_string());
        is_meant && named.is_none_or(|named| named == own)
    });
    if campaigns.is_empty() && !bounds.name.is_empty() {
        return Err(not_found(RefusalCode::BadResource, "campaign", &bounds.name));
    }
    campaigns.sort_by_key(|campaign| campaign.dbid);
    let (campaigns, next) = paged(campaigns, |campaign| campaign.dbid.unwrap_or_default(), bounds)?;
    Ok((Told::Campaigns(Declaration { campaigns, ..Declaration::default() }), next))
}

/// Whether an entry is the tenant's: its own, or of one of its lists. Entries of campaigns are shown where no tenant is named.
fn is_of_tenant(entry: &DoNotCallEntry, bounds: &Bounds, state: &dyn StateReader) -> bool {
    let Some(named) = tenant(bounds) else { return true };
    match (entry.list_dbid, entry.campaign_dbid) {
        (0, 0) => entry.tenant == named,
        (0, _) => false,
        _ => state.lists(Some(&entry.list)).first().is_some_and(|list| list.tenant == named),
    }
}

/// The things behind the cursor, by DBID, as many as the page has; the place behind them.
fn paged<T>(things: Vec<T>, dbid: impl Fn(&T) -> u32, bounds: &Bounds) -> Result<(Vec<T>, Vec<u8>), Reply> {
    if bounds.limit == 0 {
        return Ok((things, Vec::new()));
    }
    let unknown = || Refusal::new(RefusalCode::BadValue, "The cursor is none that a page of this kind gave");
    let after = match bounds.cursor.as_slice() {
        [] => None,
        bytes => Some(u32::from_be_bytes(bytes.try_into().map_err(|_| unknown())?)),
    };
    let behind = things.into_iter().filter(|thing| after.is_none_or(|after| dbid(thing) > after));
    let mut page: Vec<T> = behind.take(bounds.limit as usize + 1).collect();
    let more = page.len() > bounds.limit as usize;
    page.truncate(bounds.limit as usize);
    let last = page.last().filter(|_| more).map(|thing| dbid(thing).to_be_bytes().to_vec());
    Ok((page, last.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::AdmittedCall;

    fn bounds(limit: u32, cursor: &[u8]) -> Bounds {
        Bounds { client: AdmittedCall::default(), limit, cursor: cursor.to_vec(), name: String::new() }
    }

    #[test]
    fn a_page_of_things_goes_on_behind_its_last_dbid_and_ends_with_the_last_thing() {
        let dbid = |number: &u32| *number;
        let (first, next) = paged(vec![101, 102, 105], dbid, &bounds(2, &[])).unwrap();
        assert_eq!((first, next.clone()), (vec![101, 102], 102_u32.to_be_bytes().to_vec()));
        let (second, end) = paged(vec![101, 103, 105], dbid, &bounds(2, &next)).unwrap();
        assert_eq!((second, end), (vec![103, 105], Vec::new()));
        assert!(paged(vec![101], dbid, &bounds(2, &[1])).is_err());
    }

    #[test]
    fn a_client_sees_the_lists_of_its_tenant_and_of_its_token_alone() {
        let list = |dbid, tenant: &str| ListInfo { dbid, tenant: tenant.into(), ..ListInfo::default() };
        let all = || vec![list(101, ""), list(102, "north"), list(103, "north")];
        let seen = |tenant: &str, lists: &[u32]| {
            let client = AdmittedCall { tenant: tenant.into(), lists: lists.to_vec(), ..AdmittedCall::default() };
            let bounds = Bounds { client, ..bounds(0, &[]) };
            visible(all(), &bounds).iter().map(|list| list.dbid).collect::<Vec<_>>()
        };
        assert_eq!(seen("", &[]), [101, 102, 103]);
        assert_eq!(seen("north", &[]), [102, 103]);
        assert_eq!(seen("default", &[]), [101]);
        assert_eq!(seen("north", &[101, 103]), [103]);
    }
}
