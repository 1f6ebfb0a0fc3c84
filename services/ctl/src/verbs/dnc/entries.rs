//! Entries as a node streams them from one state, and as they are shown. Called by the verbs of `dnc`.

use std::time::Duration;

use ocs_proto::control::{DoNotCallEntries, DoNotCallEntry, DoNotCallRequest};
use serde::Serialize;
use tonic::Streaming;

use super::{RETRY_FOR, about::About};
use crate::{
    call::CallError,
    cluster::{Client, Cluster},
    failure::Failure,
    print,
};

/// How long a node may pause between two messages.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct EntryView {
    /// The form in which the phone is compared; none: the entry is about a customer.
    pub(super) phone: Option<String>,
    pub(super) customer_id: Option<String>,
    /// The message of the last request that gave one, if any.
    pub(super) message: Option<String>,
    /// From when on the entry counts as absent, RFC 3339, UTC; none: never.
    pub(super) expires: Option<String>,
    /// The tenant for which the entry holds; none: the default tenant, or that of the list or campaign.
    pub(super) tenant: Option<String>,
    /// The campaign for which the entry holds; none: no campaign alone, or the campaign is gone.
    pub(super) campaign: Option<String>,
    pub(super) campaign_dbid: Option<u32>,
    /// The list for which the entry holds; none: no list alone, or the list is deleted.
    pub(super) list: Option<String>,
    pub(super) list_dbid: Option<u32>,
    /// The origin of the entry; none: a client's request.
    pub(super) source: Option<String>,
    /// RFC 3339, UTC.
    pub(super) since: String,
    /// The phone or customer as given when the entry was made.
    pub(super) given: String,
    /// `phone` or `customer`.
    pub(super) kind: &'static str,
}

impl From<DoNotCallEntry> for EntryView {
    fn from(entry: DoNotCallEntry) -> Self {
        let text = |text: String| (!text.is_empty()).then_some(text);
        let dbid = |dbid: u32| (dbid != 0).then_some(dbid);
        let us = |seconds: i64| u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000);
        let (phone, customer_id, kind) = match entry.customer {
            false => (Some(entry.form), None, "phone"),
            true => (None, Some(entry.form), "customer"),
        };
        Self {
            phone,
            customer_id,
            message: text(entry.message),
            expires: entry.expires_s.map(|seconds| print::time(us(seconds))),
            tenant: text(entry.tenant),
            campaign: text(entry.campaign),
            campaign_dbid: dbid(entry.campaign_dbid),
            list: text(entry.list),
            list_dbid: dbid(entry.list_dbid),
            source: text(entry.source),
            since: print::time(entry.since_us),
            given: entry.given,
            kind,
        }
    }
}

impl EntryView {
    /// For what the entry holds, in words.
    pub(super) fn holds_for(&self) -> String {
        match (self.list_dbid, self.campaign_dbid, &self.tenant) {
            (Some(_), ..) => format!("list {}", self.list_shown()),
            (None, Some(_), _) => format!("campaign {}", self.campaign_shown()),
            (None, None, Some(tenant)) => format!("all lists of tenant {tenant}"),
            (None, None, None) => "all lists".to_owned(),
        }
    }

    fn list_shown(&self) -> String {
        named(self.list.as_ref(), self.list_dbid, "deleted")
    }

    fn campaign_shown(&self) -> String {
        named(self.campaign.as_ref(), self.campaign_dbid, "removed")
    }

    fn given_otherwise(&self) -> String {
        let form = self.phone.as_ref().or(self.customer_id.as_ref());
        if form == Some(&self.given) { String::new() } else { self.given.clone() }
    }
}

/// A name, or the DBID of a list or campaign that is gone; empty: the entry holds for none alone.
fn named(name: Option<&String>, dbid: Option<u32>, gone: &str) -> String {
    match (name, dbid) {
        (Some(name), _) => name.clone(),
        (None, Some(dbid)) => format!("{dbid}, {gone}"),
        (None, None) => String::new(),
    }
}

/// A column of a table.
type Column = (&'static str, fn(&EntryView) -> String);

/// The columns of a table.
const COLUMNS: [Column; 10] = [
    ("phone", |entry| entry.phone.clone().unwrap_or_default()),
    ("customer_id", |entry| entry.customer_id.clone().unwrap_or_default()),
    ("message", |entry| entry.message.clone().unwrap_or_default()),
    ("expires", |entry| entry.expires.clone().unwrap_or_default()),
    ("tenant", |entry| entry.tenant.clone().unwrap_or_default()),
    ("campaign", EntryView::campaign_shown),
    ("list", EntryView::list_shown),
    ("source", |entry| entry.source.clone().unwrap_or_default()),
    ("since", |entry| entry.since.clone()),
    ("given as", EntryView::given_otherwise),
];

/// Entries for a person. A column takes room, and is shown only where an entry has a value there.
pub(super) fn table(entries: &[EntryView]) -> String {
    let has_values = |(name, cell): &&Column| match *name {
        "phone" => entries.is_empty() || entries.iter().any(|entry| entry.phone.is_some()),
        "since" => true,
        _ => entries.iter().any(|entry| !cell(entry).is_empty()),
    };
    let columns: Vec<&Column> = COLUMNS.iter().filter(has_values).collect();
    let headers: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let row = |entry: &EntryView| -> Vec<String> {
        columns.iter().map(|(_, cell)| print::visible(&cell(entry)).into_owned()).collect()
    };
    print::row_table(&headers, entries.iter().map(row))
}

/// Entries in flight from a node.
#[derive(Debug)]
pub(super) struct Entries {
    /// The forms under which a phone was looked up.
    pub(super) forms: Vec<String>,
    next: Option<Vec<DoNotCallEntry>>,
    stream: Streaming<DoNotCallEntries>,
}

impl Entries {
    /// All entries, or the first ones; 0: all.
    pub(super) async fn begin(cluster: &Cluster, entries_max: u64) -> Result<Self, Failure> {
        let request = DoNotCallRequest { entries_max, ..DoNotCallRequest::default() };
        cluster.on_any(RETRY_FOR, |client| Self::open(client, request.clone())).await
    }

    /// The entries about one phone or customer.
    pub(super) async fn about(cluster: &Cluster, about: &About) -> Result<Self, Failure> {
        cluster.on_any(RETRY_FOR, |client| Self::open(client, asked(about))).await
    }

    pub(super) async fn open(mut client: Client, request: DoNotCallRequest) -> Result<Self, CallError> {
        let mut stream = client.do_not_call(request).await?.into_inner();
        let first = message(&mut stream).await?.ok_or(CallError::Malformed)?;
        Ok(Self { forms: first.forms, next: Some(first.entries), stream })
    }

    /// The next entries; none at the end.
    pub(super) async fn more(&mut self) -> Result<Option<Vec<EntryView>>, Failure> {
        let entries = match self.next.take() {
            Some(entries) => Some(entries),
            None => {
                let more = message(&mut self.stream).await.map_err(|error| error.into_failure("dnc"))?;
                more.map(|message| message.entries)
            }
        };
        Ok(entries.map(|entries| entries.into_iter().map(EntryView::from).collect()))
    }

    pub(super) async fn all(&mut self) -> Result<Vec<EntryView>, Failure> {
        let mut all = Vec::new();
        while let Some(more) = self.more().await? {
            all.extend(more);
        }
        Ok(all)
    }

    /// All entries about a phone or customer. A node of an older release gives every entry where a customer is asked for.
    pub(super) async fn all_about(&mut self, about: &About) -> Result<Vec<EntryView>, Failure> {
        let mut all = self.all().await?;
        if let About::Customer(customer) = about {
            all.retain(|entry| entry.customer_id.as_ref() == Some(customer));
        }
        Ok(all)
    }
}

/// The question about one phone or customer.
pub(super) fn asked(about: &About) -> DoNotCallRequest {
    DoNotCallRequest { phone: about.phone(), customer: about.customer(), entries_max: 0 }
}

async fn message(stream: &mut Streaming<DoNotCallEntries>) -> Result<Option<DoNotCallEntries>, CallError> {
    let message = tokio::time::timeout(MESSAGE_TIMEOUT, stream.message()).await;
    Ok(message.map_err(|_| CallError::TimedOut)??)
}
