//! `dnc add`: one entry. Never changes a record: `dnc apply` marks those of a list.

use list_files::EntryScope;
use ocs_proto::outbound::{DoNotCallBatch, DoNotCallRow, Imported};
use serde::Serialize;

use super::{
    RETRY_FOR,
    about::{About, holds_for, scope},
};
use crate::{
    call::{self, CallError},
    cli::DncAddArgs,
    cluster::{Client, Cluster},
    failure::Failure,
    import,
    print::Out,
};

/// The source of the entries of this verb.
const SOURCE: &str = "ocsctl";

#[derive(Debug, Serialize)]
struct AddedView {
    /// None: the entry is about a customer.
    phone: Option<String>,
    customer_id: Option<String>,
    /// False: an entry stands, and keeps its time.
    added: bool,
}

pub(super) async fn run(cluster: &Cluster, out: Out, args: &DncAddArgs) -> Result<(), Failure> {
    let (about, scope) = (About::new(&args.about)?, scope(&args.scope));
    let imported = enter(cluster, batch(&about, &scope, args)).await?;
    let who = about.shown();
    if let Some(rejected) = imported.rejected.first() {
        return Err(Failure::Refused(format!("{who} is not entered: {}", rejected.reason)));
    }
    let text = |text: String| (!text.is_empty()).then_some(text);
    let (phone, customer_id) = (text(about.phone()), text(about.customer()));
    let view = AddedView { phone, customer_id, added: imported.added > 0 };
    let whose = holds_for(&scope);
    out.show(&view, |view| match view.added {
        true => format!("{who} is on the Do-Not-Call list for {whose}; records stay as they are until `dnc apply`"),
        false => format!("{who} was on the Do-Not-Call list for {whose} already; the entry keeps its time, and stands until the later end of both"),
    })
}

/// One entry as a file of one row. The id is new, so that every attempt is the same entry, and each run another one.
fn batch(about: &About, scope: &EntryScope, args: &DncAddArgs) -> DoNotCallBatch {
    let EntryScope { tenant, campaign, list } = scope.clone();
    let message = args.message.clone().unwrap_or_default();
    let row = DoNotCallRow { phone: about.phone(), customer: about.customer(), message, expires_s: args.expires };
    let (import_id, source) = (import::new_id().into(), SOURCE.to_owned());
    DoNotCallBatch { tenant, campaign, list, import_id, first_row: 1, source, rows: vec![row] }
}

async fn enter(cluster: &Cluster, batch: DoNotCallBatch) -> Result<Imported, Failure> {
    let attempt = |mut client: Client| {
        let batch = batch.clone();
        async move {
            let reply = client.enter_do_not_call(batch).await.map_err(CallError::from)?;
            call::imported(reply.into_inner().reply)
        }
    };
    cluster.on_any(RETRY_FOR, attempt).await
}
