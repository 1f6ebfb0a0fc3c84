//! `dnc check`: the entries of one phone, in every form, or of one customer.

use serde::Serialize;

use super::{
    about::About,
    entries::{Entries, EntryView, table},
};
use crate::{
    cli::DncCheckArgs,
    cluster::Cluster,
    failure::Failure,
    print::{self, Out},
};

#[derive(Debug, Serialize)]
struct CheckView {
    /// None: a customer was asked for.
    phone: Option<String>,
    customer_id: Option<String>,
    listed: bool,
    /// The forms in which the phone is compared: one, and those that a tenant declares; two more until all rows stand under the
    /// newest form.
    forms: Vec<String>,
    entries: Vec<EntryView>,
}

pub(super) async fn run(cluster: &Cluster, out: Out, args: &DncCheckArgs) -> Result<(), Failure> {
    let about = About::new(&args.about)?;
    let mut entries = Entries::about(cluster, &about).await?;
    let found = entries.all_about(&about).await?;
    let text = |text: String| (!text.is_empty()).then_some(text);
    let view = CheckView {
        phone: text(about.phone()),
        customer_id: text(about.customer()),
        listed: !found.is_empty(),
        forms: entries.forms,
        entries: found,
    };
    out.show(&view, |view| shown(&about, view))
}

fn shown(about: &About, view: &CheckView) -> String {
    let compared = match about {
        About::Phone(_) => format!(", compared as {}", print::visible(&view.forms.join(" and "))),
        About::Customer(_) => String::new(),
    };
    let who = about.shown();
    if view.listed {
        format!("{who} is on the Do-Not-Call list{compared}\n\n{}", table(&view.entries))
    } else {
        format!("{who} is not on the Do-Not-Call list{compared}")
    }
}
