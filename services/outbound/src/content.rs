//! The content of a request or of a command: a repeat has the same content as its first request (spec 6, Exactly once).

use prost::Message;
use sha2::{Digest, Sha256};

use crate::{
    AcknowledgeEffects, ApplyDeclaration, ApplyDoNotCall, Audited, Body, CreateToken, DeleteRecords, DoNotCallBatch,
    DoNotCallScope, DueSwitchover, ImportBatch, NewList, RaiseRules, RemoveDoNotCall, Request, RewritePhones,
    RoleChange, ScheduleSwitchover, Setting, Value,
};

/// SHA-256 of name, resource and sorted attributes, cut to 16 bytes.
pub type ContentHash = [u8; 16];

impl Request {
    /// The hash of this request's content, without tenant, principal and idempotency key.
    pub fn content(&self) -> ContentHash {
        let mut hasher = Sha256::new();
        field(&mut hasher, self.verb.name().as_bytes());
        field(&mut hasher, self.resource.kind().word().as_bytes());
        field(&mut hasher, self.resource.identifier().as_bytes());
        for (key, value) in self.attributes.iter() {
            field(&mut hasher, key.as_bytes());
            match value {
                Value::Int(number) => field(&mut hasher, &[&[0], number.to_be_bytes().as_slice()].concat()),
                Value::Str(text) => field(&mut hasher, &[&[1], text.as_bytes()].concat()),
            }
        }
        for version in &self.attributes.sent.if_match {
            texts(&mut hasher, ["If-Match", version]);
        }
        cut(hasher)
    }

    /// The hash of this request's content together with a name.
    pub fn content_under(&self, name: &[u8]) -> ContentHash {
        content_under(&self.content(), name)
    }
}

/// The hash of a content together with a name, such as a load balancer's key.
pub fn content_under(content: &ContentHash, name: &[u8]) -> ContentHash {
    let mut hasher = Sha256::new();
    field(&mut hasher, content);
    field(&mut hasher, name);
    cut(hasher)
}

impl Body {
    /// The hash of a command's content: a request's content, or every field of a body from the control API and the nodes.
    pub fn content(&self) -> ContentHash {
        let mut hasher = Sha256::new();
        match self {
            Self::Request(request) => return request.content(),
            Self::CreateList(list) => hash_list(&mut hasher, list),
            Self::ImportBatch(batch) => hash_batch(&mut hasher, batch),
            Self::RoleChange(change) => hash_change(&mut hasher, change),
            Self::RaiseRules(raise) => hash_raise(&mut hasher, raise),
            Self::SetSettings(settings) => hash_settings(&mut hasher, settings),
            Self::RewritePhones(rewrite) => hash_rewrite(&mut hasher, *rewrite),
            Self::DeleteList(list) => texts(&mut hasher, ["DeleteList", list]),
            Self::DeleteRecords(delete) => hash_delete(&mut hasher, *delete),
            Self::RemoveDoNotCall(remove) => hash_removal(&mut hasher, remove),
            Self::AcknowledgeEffects(effects) => hash_acknowledgement(&mut hasher, *effects),
            Self::ApplyDeclaration(apply) => hash_apply(&mut hasher, apply),
            Self::DoNotCallBatch(batch) => hash_entries(&mut hasher, batch),
            Self::ApplyDoNotCall(apply) => hash_application(&mut hasher, apply),
            Self::Due(due) => hash_rows(&mut hasher, "Due", due.rows_max),
            Self::BringUp(rows) => hash_rows(&mut hasher, "BringUp", rows.rows_max),
            Self::CreateToken(token) => hash_token(&mut hasher, token),
            Self::RevokeToken(token) => texts(&mut hasher, ["RevokeToken", &token.id]),
            Self::Audited(order) => hash_order(&mut hasher, order),
            Self::ScheduleSwitchover(asked) => hash_schedule(&mut hasher, asked),
            Self::CancelSwitchover => texts(&mut hasher, ["CancelSwitchover"]),
            Self::DueSwitchover(due) => hash_due_switchover(&mut hasher, due),
        }
        cut(hasher)
    }
}

fn hash_list(hasher: &mut Sha256, list: &NewList) {
    texts(hasher, ["CreateList", &list.name, &list.time_zone]);
    for of_list in &list.fields {
        texts(hasher, [&of_list.column, &of_list.kind, &of_list.default, &of_list.send_attribute].map(String::as_str));
    }
}

fn hash_batch(hasher: &mut Sha256, batch: &ImportBatch) {
    texts(hasher, ["ImportBatch", &batch.list]);
    field(hasher, &batch.import_id);
    number(hasher, batch.first_row);
    number(hasher, batch.columns.len() as u64);
    texts(hasher, batch.columns.iter().map(String::as_str));
    for row in &batch.rows {
        number(hasher, row.values.len() as u64);
        texts(hasher, row.values.iter().map(String::as_str));
    }
}

fn hash_change(hasher: &mut Sha256, change: &RoleChange) {
    texts(hasher, ["RoleChange", &change.to, &change.reason]);
    number(hasher, change.term);
    number(hasher, change.pause_ms);
    if let Some(order) = &change.ordered {
        hash_order(hasher, order);
    }
}

fn hash_order(hasher: &mut Sha256, order: &Audited) {
    texts(hasher, ["Audited", &order.node, &order.what, &order.about, &order.details, &order.outcome]);
    number(hasher, order.at_us);
    number(hasher, order.after_us);
}

fn hash_schedule(hasher: &mut Sha256, asked: &ScheduleSwitchover) {
    texts(hasher, ["ScheduleSwitchover", &asked.to]);
    number(hasher, asked.at_s);
}

fn hash_due_switchover(hasher: &mut Sha256, due: &DueSwitchover) {
    texts(hasher, ["DueSwitchover", &due.node, &due.why]);
    number(hasher, due.at_s);
    number(hasher, due.term);
}

fn hash_raise(hasher: &mut Sha256, raise: &RaiseRules) {
    texts(hasher, ["RaiseRules", &raise.release]);
    number(hasher, raise.to.into());
    hash_settings(hasher, &raise.settings);
}

fn hash_settings(hasher: &mut Sha256, settings: &[Setting]) {
    texts(hasher, ["SetSettings"]);
    for setting in settings {
        texts(hasher, [setting.key.as_str(), setting.value.as_str()]);
    }
}

fn hash_rewrite(hasher: &mut Sha256, rewrite: RewritePhones) {
    texts(hasher, ["RewritePhones"]);
    number(hasher, rewrite.rows_max.into());
}

fn hash_delete(hasher: &mut Sha256, delete: DeleteRecords) {
    texts(hasher, ["DeleteRecords"]);
    number(hasher, delete.list.into());
    number(hasher, delete.rows_max.into());
}

/// Fields of rules version 5 are left out where they are empty, so that earlier content keeps its hash.
fn hash_removal(hasher: &mut Sha256, remove: &RemoveDoNotCall) {
    texts(hasher, ["RemoveDoNotCall", &remove.phone, &remove.list]);
    let later = [remove.customer.as_str(), &remove.tenant, &remove.campaign];
    if later.iter().any(|text| !text.is_empty()) {
        texts(hasher, later);
    }
}

/// The bytes of a declaration are canonical: its messages have no maps and no floats.
fn hash_apply(hasher: &mut Sha256, apply: &ApplyDeclaration) {
    texts(hasher, ["ApplyDeclaration"]);
    number(hasher, apply.revision);
    number(hasher, apply.prune.into());
    field(hasher, &apply.declaration.encode_to_vec());
}

fn hash_entries(hasher: &mut Sha256, batch: &DoNotCallBatch) {
    let DoNotCallScope { tenant, campaign, list } = &batch.scope;
    texts(hasher, ["DoNotCallBatch", tenant, campaign, list, &batch.source]);
    field(hasher, &batch.import_id);
    number(hasher, batch.first_row);
    for row in &batch.rows {
        texts(hasher, [row.phone.as_str(), &row.customer, &row.message]);
        number(hasher, row.expires_s.is_some().into());
        number(hasher, row.expires_s.unwrap_or(0).cast_unsigned());
    }
}

fn hash_application(hasher: &mut Sha256, apply: &ApplyDoNotCall) {
    texts(hasher, ["ApplyDoNotCall", &apply.list]);
    number(hasher, apply.from_record_id);
    number(hasher, apply.rows_max.into());
}

fn hash_rows(hasher: &mut Sha256, what: &str, rows_max: u32) {
    texts(hasher, [what]);
    number(hasher, rows_max.into());
}

fn hash_token(hasher: &mut Sha256, token: &CreateToken) {
    texts(hasher, ["CreateToken", &token.name, &token.note, &token.tenant]);
    field(hasher, &token.hash);
    for words in [&token.scopes, &token.lists] {
        number(hasher, words.len() as u64);
        texts(hasher, words.iter().map(String::as_str));
    }
    number(hasher, token.expires_s.is_some().into());
    number(hasher, token.expires_s.unwrap_or(0).cast_unsigned());
}

fn hash_acknowledgement(hasher: &mut Sha256, effects: AcknowledgeEffects) {
    texts(hasher, ["AcknowledgeEffects"]);
    number(hasher, effects.up_to);
}

fn texts<'a>(hasher: &mut Sha256, texts: impl IntoIterator<Item = &'a str>) {
    texts.into_iter().for_each(|text| field(hasher, text.as_bytes()));
}

fn number(hasher: &mut Sha256, number: u64) {
    hasher.update(number.to_be_bytes());
}

fn cut(hasher: Sha256) -> ContentHash {
    let digest = hasher.finalize();
    let mut hash = [0; 16];
    hash.copy_from_slice(&digest[..16]);
    hash
}

/// Length first: different sequences of fields never hash the same bytes.
fn field(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}
