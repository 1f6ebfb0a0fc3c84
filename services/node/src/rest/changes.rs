//! Commands of the REST interface that are no client's requests: declarations of one thing, Do-Not-Call entries, and their removal.
//!
//! The head of each command names the client.

use ocs_proto::{
    link::{ApiDeclare, api_call::Asked},
    outbound::DoNotCallBatch,
};
use outbound::{
    AccessScope, Answer, ApplyDeclaration, Body, Origin, Query, Refusal, RefusalCode, Reply, ReplyBody,
    declaration::Declaration,
    token_hash,
    wire::{entries_from_wire, remove_from_wire},
};
use prost::Message;
use rand::Rng;

use super::{Answered, Calling, Rest, done, unreadable};
use crate::credentials::{AdmittedCall, CallReach, Judge, WantedCall};

/// How often a declaration is applied again after another declaration came first.
const ATTEMPTS_MAX: u32 = 5;
/// The attribute of the refusal of a declaration that was read before another one.
const REVISION: &str = "revision";
/// Bytes of the id of a batch.
const ID_BYTES: usize = 32;

impl Rest {
    pub(super) async fn change(&self, judge: &Judge, calling: &Calling, asked: Asked) -> Answered {
        let (name, scope, reach) = match &asked {
            Asked::Declare(_) => ("a declaration", AccessScope::Admin, CallReach::Group),
            Asked::Remove(_) => ("a removal from Do-Not-Call", AccessScope::Admin, CallReach::All),
            _ => ("entries of Do-Not-Call", AccessScope::Update, CallReach::All),
        };
        let client = judge.admit_call(&calling.shown, &WantedCall { name, scope, tenant: &calling.tenant, reach })?;
        let reply = match asked {
            Asked::Declare(declare) => self.declare(calling, &client, declare).await?,
            Asked::Remove(mut remove) => {
                remove.tenant = in_scope(&client, !remove.list.is_empty() || !remove.campaign.is_empty())?;
                self.command(calling, &client, Body::RemoveDoNotCall(remove_from_wire(remove))).await?
            }
            Asked::Enter(mut batch) => {
                batch.tenant = in_scope(&client, !batch.list.is_empty() || !batch.campaign.is_empty())?;
                batch.import_id = import_id(&client, &calling.idempotency_key, &batch).into();
                self.command(calling, &client, Body::DoNotCallBatch(entries_from_wire(batch))).await?
            }
            _ => return Err(unreadable()),
        };
        Ok((done(reply), Vec::new()))
    }

    async fn command(&self, calling: &Calling, client: &AdmittedCall, body: Body) -> Result<Reply, Reply> {
        self.check_version(body.rules_min())?;
        let update = calling.update(body).by(&client.principal);
        Ok(self.door.answer_update(update, Origin::Control, calling.deadline).await)
    }

    /// Applies one thing as `ocsctl apply` would, against the present revision; another declaration in between has the thing read
    /// and applied again.
    async fn declare(&self, calling: &Calling, client: &AdmittedCall, asked: ApiDeclare) -> Result<Reply, Reply> {
        let mut declaration = asked.declaration.ok_or_else(unreadable)?;
        let mut attempt = 1;
        loop {
            let Answer::Declaration { revision, declaration: present } = self.ask(Query::Declaration).await? else {
                return Err(unreadable());
            };
            if !asked.makes {
                put_names(&mut declaration, &present);
            }
            check_presence(&declaration, &present, asked.makes)?;
            let apply = ApplyDeclaration { declaration: declaration.clone(), revision, prune: false };
            let reply = self.command(calling, client, Body::ApplyDeclaration(Box::new(apply))).await?;
            if attempt == ATTEMPTS_MAX || !is_overtaken(&reply) {
                return Ok(reply);
            }
            attempt += 1;
            self.door.wait_until_readable(calling.deadline).await?;
        }
    }
}

/// The tenant of an entry. A client of one tenant names neither lists nor campaigns, which may be another's.
fn in_scope(client: &AdmittedCall, is_narrowed: bool) -> Result<String, Reply> {
    if is_narrowed && !client.tenant.is_empty() {
        let message = "An entry of a list or of a campaign is made without a tenant";
        return Err(Refusal::new(RefusalCode::BadValue, message).into());
    }
    Ok(client.tenant.clone())
}

fn is_overtaken(reply: &Reply) -> bool {
    match &reply.body {
        ReplyBody::Refused(refusal) => {
            refusal.code == RefusalCode::Conflict && refusal.attributes.iter().any(|(name, _)| name == REVISION)
        }
        _ => false,
    }
}

/// Puts names in the place of DBIDs: a path means a thing by its DBID where no thing bears that name (spec 2).
fn put_names(asked: &mut Declaration, present: &Declaration) {
    let lists: Vec<_> = present.lists.iter().map(|list| (&list.name, list.dbid)).collect();
    asked.lists.iter_mut().for_each(|list| put_name(&mut list.name, &lists));
    let campaigns: Vec<_> = present.campaigns.iter().map(|campaign| (&campaign.name, campaign.dbid)).collect();
    asked.campaigns.iter_mut().for_each(|campaign| put_name(&mut campaign.name, &campaigns));
}

fn put_name(asked: &mut String, present: &[(&String, Option<u32>)]) {
    if present.iter().any(|(name, _)| name.as_str() == asked.as_str()) {
        return;
    }
    let is_meant = |dbid: &Option<u32>| dbid.is_some_and(|dbid| dbid.to_string() == *asked);
    let meant = present.iter().find(|(_, dbid)| is_meant(dbid)).map(|(name, _)| (*name).clone());
    if let Some(name) = meant {
        *asked = name;
    }
}

/// POST makes a thing that is not there, PATCH changes one that is.
fn check_presence(asked: &Declaration, present: &Declaration, makes: bool) -> Result<(), Reply> {
    let (mut code, mut what, mut there) = (RefusalCode::BadResource, String::new(), false);
    if let Some(list) = asked.lists.first() {
        (code, what) = (RefusalCode::ListNotFound, format!("calling list {:?}", list.name));
        there = present.lists.iter().any(|other| other.name == list.name);
    }
    if let Some(campaign) = asked.campaigns.first() {
        what = format!("campaign {:?}", campaign.name);
        there = present.campaigns.iter().any(|other| other.name == campaign.name);
    }
    if let Some(group) = asked.campaign_groups.first() {
        (code, what) = (RefusalCode::GroupNotFound, format!("campaign group {}@{}", group.campaign, group.group));
        let is = |other: &outbound::declaration::DeclaredGroup| {
            (&other.campaign, &other.group) == (&group.campaign, &group.group)
        };
        there = present.campaign_groups.iter().any(is);
    }
    match (makes, there) {
        (true, true) => Err(Refusal::new(RefusalCode::Conflict, format!("There is a {what} already")).into()),
        (false, false) => Err(Refusal::new(code, format!("There is no {what}")).into()),
        _ => Ok(()),
    }
}

/// The id under which the state remembers a batch: of client, key and content; without a key by chance. A key with other content is
/// another batch, so that no entry is passed over.
fn import_id(client: &AdmittedCall, key: &[u8], batch: &DoNotCallBatch) -> Vec<u8> {
    if key.is_empty() {
        let mut id = vec![0; ID_BYTES];
        rand::rng().fill(id.as_mut_slice());
        return id;
    }
    let content = batch.encode_to_vec();
    let parts = [client.principal.as_bytes(), &[0], key, &[0], &content].concat();
    token_hash(&parts).to_vec()
}

#[cfg(test)]
mod tests {
    use outbound::declaration::DeclaredList;

    use super::*;

    #[test]
    fn a_thing_is_made_once_and_changed_only_where_it_is() {
        let of = |name: &str| {
            let list = DeclaredList { name: name.into(), ..DeclaredList::default() };
            Declaration { lists: vec![list], ..Declaration::default() }
        };
        let code = |name: &str, makes| match check_presence(&of(name), &of("demo"), makes) {
            Ok(()) => None,
            Err(Reply { body: ReplyBody::Refused(refusal), .. }) => Some(refusal.code),
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(code("demo", true), Some(RefusalCode::Conflict));
        assert_eq!(code("other", false), Some(RefusalCode::ListNotFound));
        assert_eq!((code("other", true), code("demo", false)), (None, None));
    }

    #[test]
    fn a_path_means_a_thing_by_its_dbid_where_no_thing_bears_that_name() {
        let list = |name: &str, dbid| DeclaredList { name: name.into(), dbid, ..DeclaredList::default() };
        let present =
            Declaration { lists: vec![list("demo", Some(101)), list("102", Some(103))], ..Declaration::default() };
        for (asked, meant) in [("demo", "demo"), ("101", "demo"), ("102", "102"), ("103", "102"), ("104", "104")] {
            let mut declaration = Declaration { lists: vec![list(asked, None)], ..Declaration::default() };
            put_names(&mut declaration, &present);
            assert_eq!(declaration.lists[0].name, meant, "{asked}");
        }
    }

    #[test]
    fn a_batch_with_the_same_key_and_content_is_the_same_and_no_other() {
        let client = |name: &str| AdmittedCall { principal: name.into(), ..AdmittedCall::default() };
        let batch = |source: &str| DoNotCallBatch { source: source.into(), ..DoNotCallBatch::default() };
        let id = |name: &str, key: &[u8], source: &str| import_id(&client(name), key, &batch(source));
        assert_eq!(id("crm", b"k", "a"), id("crm", b"k", "a"));
        for other in [id("desk", b"k", "a"), id("crm", b"l", "a"), id("crm", b"k", "b"), id("crm", b"", "a")] {
            assert_ne!(id("crm", b"k", "a"), other);
        }
        assert_ne!(id("crm", b"", "a"), id("crm", b"", "a"));
    }
}
