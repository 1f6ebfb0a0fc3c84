//! `dnc remove`: takes one entry back, and names the other entries that still stop calls. Never changes a record.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use list_files::EntryScope;
use ocs_proto::outbound::{Done, Refusal, RemoveDoNotCall};
use serde::Serialize;
use tonic::Code;

use super::{
    RETRY_FOR,
    about::{About, holds_for, scope},
    entries::{Entries, EntryView, asked},
};
use crate::{
    call::{self, CallError},
    cli::DncRemoveArgs,
    cluster::{Client, Cluster},
    failure::Failure,
    print::{self, Out},
};

#[derive(Debug, Serialize)]
struct RemovedView {
    /// None: the entry was about a customer.
    phone: Option<String>,
    customer_id: Option<String>,
    /// Entries of other scopes that go on stopping calls.
    left: Vec<EntryView>,
}

/// A node refuses a text that is neither a phone nor the phone of an entry, and changes nothing then.
pub(super) async fn run(cluster: &Cluster, out: Out, args: &DncRemoveArgs) -> Result<(), Failure> {
    let (about, scope) = (About::new(&args.about)?, scope(&args.scope));
    let EntryScope { tenant, campaign, list } = scope.clone();
    let request = RemoveDoNotCall { phone: about.phone(), customer: about.customer(), tenant, campaign, list };
    let removal = take_back(cluster, request).await?;
    let left = entries_left(cluster, &about).await;
    let others_stay = left.as_ref().is_ok_and(|left| !left.is_empty());
    let who = about.shown();
    let left = match removal {
        Removal::Done => left.unwrap_or_else(|failure| {
            eprintln!("ocsctl: the entry is taken back, and entries of other scopes are not known: {failure}");
            Vec::new()
        }),
        Removal::Refused(refusal) if !others_stay => return Err(CallError::Refused(refusal).into_failure("dnc")),
        Removal::NoEntry | Removal::Refused(_) => {
            let whose = holds_for(&scope);
            return Err(Failure::Refused(format!("{who} has no Do-Not-Call entry for {whose}{}", others(&left?))));
        }
    };
    let text = |text: String| (!text.is_empty()).then_some(text);
    let view = RemovedView { phone: text(about.phone()), customer_id: text(about.customer()), left };
    out.show(&view, |view| {
        format!("{who} is taken off the Do-Not-Call list; records stay as they are{}", others(&view.left))
    })
}

/// The entries that are left; none where a node refuses the look-up: a text that is no number is refused once its last entry is
/// gone.
async fn entries_left(cluster: &Cluster, about: &About) -> Result<Vec<EntryView>, Failure> {
    let open = |client: Client| {
        let request = asked(about);
        async move {
            match Entries::open(client, request).await {
                Err(CallError::Status(status)) if status.code() == Code::InvalidArgument => Ok(None),
                entries => entries.map(Some),
            }
        }
    };
    match cluster.on_any(RETRY_FOR, open).await? {
        Some(mut entries) => entries.all_about(about).await,
        None => Ok(Vec::new()),
    }
}

/// The answer to a removal.
enum Removal {
    Done,
    /// There is no entry of this scope.
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
    call::number(done, "removed").is_some_and(|number| number > 0)
}

fn others(left: &[EntryView]) -> String {
    if left.is_empty() {
        return String::new();
    }
    let scopes: Vec<String> = left.iter().map(EntryView::holds_for).collect();
    let scopes = scopes.join(", ");
    let way = "`dnc remove` with --list, --campaign or --tenant takes that of one scope back";
    format!("; an entry stays for {}: {way}", print::visible(&scopes))
}
