//! `dnc list`, `dnc check`, `dnc remove` and `dnc export`: Do-Not-Call entries, as a node streams them from one state.
//!
//! Never compares phones itself: the node decides which spellings are the same phone. Never changes a record.

use std::{
    io::{self, BufWriter, Write},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use ocs_proto::{
    control::{DoNotCallEntries, DoNotCallEntry, DoNotCallRequest},
    outbound::{Done, Refusal, RemoveDoNotCall, value::Kind},
};
use serde::Serialize;
use tonic::{Code, Streaming};

use super::list_export::is_format;
use crate::{
    call::{self, CallError},
    cli::{DncExportArgs, DncListArgs, DncRemoveArgs},
    cluster::{Client, Cluster},
    failure::Failure,
    output_file::{OutputFile, Readers},
    print::{self, Out},
};

/// How long to look for a node that answers, over a failover.
const RETRY_FOR: Duration = Duration::from_secs(15);
/// How long a node may pause between two messages.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);
/// Columns of an export.
const COLUMNS: [&str; 7] = ["phone", "given", "since", "list", "list_dbid", "kind", "message"];

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct EntryView {
    /// The form in which the phone is compared.
    phone: String,
    /// The phone as given when the entry was made.
    given: String,
    /// RFC 3339, UTC.
    since: String,
    /// The list for which the entry holds; none: all lists.
    list_dbid: Option<u32>,
    /// Its name; none: all lists, or the list is deleted.
    list: Option<String>,
    /// `phone` or `customer`.
    kind: &'static str,
    /// The message of the last request that gave one, if any.
    message: Option<String>,
}

#[derive(Debug, Serialize)]
struct CheckView {
    phone: String,
    listed: bool,
    /// The forms in which the phone is compared: one, or two until all rows stand under the newest form.
    forms: Vec<String>,
    entries: Vec<EntryView>,
}

#[derive(Debug, Serialize)]
struct RemovedView {
    phone: String,
    /// Entries of other scopes that go on stopping calls.
    left: Vec<EntryView>,
}

/// Entries in flight from a node.
#[derive(Debug)]
struct Entries {
    forms: Vec<String>,
    next: Option<Vec<DoNotCallEntry>>,
    stream: Streaming<DoNotCallEntries>,
}

impl Entries {
    async fn begin(cluster: &Cluster, phone: &str, entries_max: u64) -> Result<Self, Failure> {
        let request = DoNotCallRequest { phone: phone.to_owned(), entries_max };
        cluster.on_any(RETRY_FOR, |client| Self::open(client, request.clone())).await
    }

    async fn open(mut client: Client, request: DoNotCallRequest) -> Result<Self, CallError> {
        let mut stream = client.do_not_call(request).await?.into_inner();
        let first = message(&mut stream).await?.ok_or(CallError::Malformed)?;
        Ok(Self { forms: first.forms, next: Some(first.entries), stream })
    }

    /// The next entries; none at the end.
    async fn more(&mut self) -> Result<Option<Vec<EntryView>>, Failure> {
        let entries = match self.next.take() {
            Some(entries) => Some(entries),
            None => {
                let more = message(&mut self.stream).await.map_err(|error| error.into_failure("dnc"))?;
                more.map(|message| message.entries)
            }
        };
        Ok(entries.map(|entries| entries.into_iter().map(view).collect()))
    }

    async fn all(&mut self) -> Result<Vec<EntryView>, Failure> {
        let mut all = Vec::new();
        while let Some(more) = self.more().await? {
            all.extend(more);
        }
        Ok(all)
    }
}

async fn message(stream: &mut Streaming<DoNotCallEntries>) -> Result<Option<DoNotCallEntries>, CallError> {
    let message = tokio::time::timeout(MESSAGE_TIMEOUT, stream.message()).await;
    Ok(message.map_err(|_| CallError::TimedOut)??)
}

fn view(entry: DoNotCallEntry) -> EntryView {
    EntryView {
        phone: entry.form,
        given: entry.given,
        since: print::time(entry.since_us),
        list_dbid: (entry.list_dbid != 0).then_some(entry.list_dbid),
        list: (!entry.list.is_empty()).then_some(entry.list),
        kind: if entry.customer { "customer" } else { "phone" },
        message: (!entry.message.is_empty()).then_some(entry.message),
    }
}

/// All entries, or the first ones.
pub(crate) async fn list(cluster: &Cluster, out: Out, args: &DncListArgs) -> Result<(), Failure> {
    let entries = Entries::begin(cluster, "", args.limit.unwrap_or_default()).await?.all().await?;
    out.show(&entries, |entries| table(entries))
}

fn table(entries: &[EntryView]) -> String {
    // few entries have a message, and a column takes room
    let has_messages = entries.iter().any(|entry| entry.message.is_some());
    let headers = ["phone", "since", "holds for", "given as", "message"];
    let shown = if has_messages { headers.len() } else { headers.len() - 1 };
    let row = |entry: &EntryView| {
        let message = entry.message.as_deref().unwrap_or_default();
        let texts: [&str; 5] = [&entry.phone, &entry.since, &scope(entry), &entry.given, message];
        texts.map(|text| print::visible(text).into_owned()).into_iter().take(shown)
    };
    print::table(&headers[..shown], entries.iter().map(row))
}

/// The scope of an entry.
fn scope(entry: &EntryView) -> String {
    match (entry.list_dbid, &entry.list) {
        (None, _) => "all lists".to_owned(),
        (Some(_), Some(list)) => format!("list {list}"),
        (Some(dbid), None) => format!("list {dbid}, deleted"),
    }
}

/// The entries of one phone.
pub(crate) async fn check(cluster: &Cluster, out: Out, phone: &str) -> Result<(), Failure> {
    not_empty(phone)?;
    let mut entries = Entries::begin(cluster, phone, 0).await?;
    let found = entries.all().await?;
    let view = CheckView { phone: phone.to_owned(), listed: !found.is_empty(), forms: entries.forms, entries: found };
    out.show(&view, check_table)
}

/// Without a phone a node would give all entries.
fn not_empty(phone: &str) -> Result<(), Failure> {
    if phone.trim().is_empty() { Err(Failure::Usage("the phone is empty".to_owned())) } else { Ok(()) }
}

fn check_table(view: &CheckView) -> String {
    let (phone, forms) = (print::visible(&view.phone), view.forms.join(" and "));
    let compared = format!("compared as {}", print::visible(&forms));
    if view.listed {
        format!("{phone} is on the Do-Not-Call list, {compared}\n\n{}", table(&view.entries))
    } else {
        format!("{phone} is not on the Do-Not-Call list, {compared}")
    }
}

/// Takes one entry back, and names the other entries that still stop calls. A node refuses a text that is neither a phone nor
/// the phone of an entry, and changes nothing then.
pub(crate) async fn remove(cluster: &Cluster, out: Out, args: &DncRemoveArgs) -> Result<(), Failure> {
    not_empty(&args.phone)?;
    let list = args.list.clone().unwrap_or_default();
    let request = RemoveDoNotCall { phone: args.phone.clone(), list: list.clone() };
    let removal = take_back(cluster, request).await?;
    let left = entries_left(cluster, &args.phone).await;
    let others_stay = left.as_ref().is_ok_and(|left| !left.is_empty());
    let phone = print::visible(&args.phone);
    let left = match removal {
        Removal::Done => left.unwrap_or_else(|failure| {
            eprintln!("ocsctl: the entry is taken back, and entries of other scopes are not known: {failure}");
            Vec::new()
        }),
        Removal::Refused(refusal) if !others_stay => return Err(CallError::Refused(refusal).into_failure("dnc")),
        Removal::NoEntry | Removal::Refused(_) => {
            let whose =
                if list.is_empty() { "all lists".to_owned() } else { format!("list {}", print::visible(&list)) };
            return Err(Failure::Refused(format!("{phone} has no Do-Not-Call entry for {whose}{}", others(&left?))));
        }
    };
    let view = RemovedView { phone: args.phone.clone(), left };
    out.show(&view, |view| {
        format!("{phone} is taken off the Do-Not-Call list; records stay as they are{}", others(&view.left))
    })
}

/// The entries of a phone; none where a node refuses the look-up: a text that is no number is refused once its last entry is
/// gone.
async fn entries_left(cluster: &Cluster, phone: &str) -> Result<Vec<EntryView>, Failure> {
    let request = DoNotCallRequest { phone: phone.to_owned(), entries_max: 0 };
    let open = |client: Client| {
        let request = request.clone();
        async move {
            match Entries::open(client, request).await {
                Err(CallError::Status(status)) if status.code() == Code::InvalidArgument => Ok(None),
                entries => entries.map(Some),
            }
        }
    };
    match cluster.on_any(RETRY_FOR, open).await? {
        Some(mut entries) => entries.all().await,
        None => Ok(Vec::new()),
    }
}

/// The answer to a removal.
enum Removal {
    Done,
    /// The phone has no entry of this scope.
    NoEntry,
    /// The value is refused: the text is no number, and has no entry of this scope.
    Refused(Refusal),
}

/// After an attempt of unknown outcome, "there is none" means that the attempt had succeeded.
async fn take_back(cluster: &Cluster, request: RemoveDoNotCall) -> Result<Removal, Failure> {
    let maybe_ours = AtomicBool::new(false);
    let attempt = |mut client: Client| {
        let (request, maybe_ours) = (request.clone(), &maybe_ours);
        async move {
            let result = match client.remove_do_not_call(request).await {
                Ok(reply) => call::done(reply.into_inner().reply),
                Err(status) => Err(CallError::from(status)),
            };
            let none = |removal| if maybe_ours.load(Relaxed) { Removal::Done } else { removal };
            match result {
                Ok(done) if was_removed(&done) => Ok(Removal::Done),
                Ok(_) => Ok(none(Removal::NoEntry)),
                Err(CallError::Refused(refusal)) if refusal.code == "BAD_VALUE" => Ok(none(Removal::Refused(refusal))),
                Err(error) => {
                    maybe_ours.fetch_or(error.maybe_applied(), Relaxed);
                    Err(error)
                }
            }
        }
    };
    cluster.on_any(RETRY_FOR, attempt).await
}

fn was_removed(done: &Done) -> bool {
    let removed = done.attributes.iter().find(|pair| pair.key == "removed");
    let kind = removed.and_then(|pair| pair.value.as_ref()?.kind.as_ref());
    matches!(kind, Some(Kind::Int(number)) if *number > 0)
}

fn others(left: &[EntryView]) -> String {
    if left.is_empty() {
        return String::new();
    }
    let scopes: Vec<String> = left.iter().map(scope).collect();
    let scopes = scopes.join(", ");
    format!("; an entry stays for {}: `dnc remove --list` takes that of one list back", print::visible(&scopes))
}

/// Writes to standard output or to a file, which appears once complete.
pub(crate) async fn export(cluster: &Cluster, args: &DncExportArgs) -> Result<(), Failure> {
    if args.output.as_deref().is_some_and(is_format) {
        let line = "an export is CSV, and -o names its file here: ./json is a file of that name";
        return Err(Failure::Usage(line.to_owned()));
    }
    let begin = Entries::begin(cluster, "", 0);
    let Some(path) = &args.output else {
        let visible = print::to_terminal();
        return write(begin.await?, visible, BufWriter::new(io::stdout()), print::cannot_write).await.map(|_| ());
    };
    let file = OutputFile::create(path, args.force, Readers::Owner)?; // first: a place that cannot be written needs no node
    let rows = write(begin.await?, false, BufWriter::new(file.file()), |error| file.failed(error)).await?;
    file.finish()?;
    eprintln!("{rows} entries written to {}", path.display());
    Ok(())
}

/// Returns the number of rows.
async fn write(
    mut entries: Entries,
    visible: bool,
    to: impl Write,
    fault: impl Fn(csv::Error) -> Failure,
) -> Result<u64, Failure> {
    let mut writer = csv::Writer::from_writer(to);
    writer.write_record(COLUMNS).map_err(&fault)?;
    let mut count = 0;
    while let Some(more) = entries.more().await? {
        for entry in more {
            let cells = cells(entry).map(|cell| if visible { print::visible(&cell).into_owned() } else { cell });
            writer.write_record(cells).map_err(&fault)?;
            count += 1;
        }
    }
    writer.flush().map_err(|error| fault(error.into()))?;
    Ok(count)
}

fn cells(entry: EntryView) -> [String; COLUMNS.len()] {
    let dbid = entry.list_dbid.map(|dbid| dbid.to_string());
    let [list, dbid, message] = [entry.list, dbid, entry.message].map(Option::unwrap_or_default);
    [entry.phone, entry.given, entry.since, list, dbid, entry.kind.to_owned(), message]
}
