//! `backup fetch`, `backup list` and `backup prune`: backups in an S3-compatible storage. No verb here asks a node.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::{
    backup::View,
    cli::{BackupFetchArgs, BackupListArgs, BackupPruneArgs, BackupVerb, FormatArg},
    failure::Failure,
    output_file::{OutputFile, Readers},
    print::{self, Out},
    s3::{Kept, Place, Storage, surplus},
};

/// Runs a verb of this kind; none: the verb is another one.
pub(crate) async fn run(before: FormatArg, verb: &BackupVerb) -> Option<Result<(), Failure>> {
    let out = |behind| Out::new(before, behind);
    match verb {
        BackupVerb::Fetch(args) => Some(fetch(out(args.format), args).await),
        BackupVerb::List(args) => Some(list(out(args.format), args).await),
        BackupVerb::Prune(args) => Some(prune(out(args.format), args).await),
        BackupVerb::Create(_) | BackupVerb::Verify(_) | BackupVerb::Restore(_) => None,
    }
}

async fn fetch(out: Out, args: &BackupFetchArgs) -> Result<(), Failure> {
    let place = Place::required(&args.from)?;
    let named = place.name()?.map(str::to_owned);
    let storage = Storage::open(place, &args.s3)?;
    let file = OutputFile::create(&args.file, args.force, Readers::Owner)?;
    let name = match named {
        Some(name) => name,
        None => storage.newest().await?,
    };
    let bar = print::bytes_counter();
    let fetched = storage.fetch(&name, file.file(), |error| file.failed(error), |bytes| bar.set_position(bytes)).await;
    bar.finish_and_clear();
    let (head, tail, length) = fetched?;
    file.finish()?;
    out.show(&View::whole(&args.file, &head, &tail, length), View::table)
}

/// A backup of a folder.
#[derive(Debug, Serialize)]
struct KeptView {
    name: String,
    url: String,
    bytes: u64,
    /// RFC 3339.
    uploaded: String,
}

#[derive(Debug, Serialize)]
struct ListView {
    backups: Vec<KeptView>,
    /// Uploads under way, or broken off: none of them is a backup.
    incomplete: Vec<KeptView>,
}

async fn list(out: Out, args: &BackupListArgs) -> Result<(), Failure> {
    let storage = Storage::open(Place::required(&args.folder)?.into_folder(), &args.s3)?;
    let (marked, unmarked): (Vec<Kept>, Vec<Kept>) = storage.list().await?.into_iter().partition(|kept| kept.is_marked);
    let view = |kept: Kept| KeptView {
        url: storage.place().url(&kept.name),
        name: kept.name,
        bytes: kept.bytes,
        uploaded: print::time_s(u64::try_from(kept.uploaded_s).unwrap_or_default()),
    };
    let views = |kept: Vec<Kept>| kept.into_iter().map(view).collect::<Vec<_>>();
    out.show(&ListView { backups: views(marked), incomplete: views(unmarked) }, table)
}

fn table(view: &ListView) -> String {
    let row = |one: &KeptView| [one.uploaded.clone(), print::grouped(one.bytes), one.name.clone()];
    let mut lines = match view.backups.is_empty() {
        true => vec!["there is no backup".to_owned()],
        false => vec![print::table(&["uploaded", "bytes", "name"], view.backups.iter().map(row))],
    };
    let incomplete = view.incomplete.iter();
    lines
        .extend(incomplete.map(|one| print::paragraph(&format!("no backup: {} is uploading, or broke off", one.name))));
    lines.join("\n")
}

#[derive(Debug, Serialize)]
struct PrunedView {
    dry_run: bool,
    removed: Vec<String>,
}

async fn prune(out: Out, args: &BackupPruneArgs) -> Result<(), Failure> {
    let storage = Storage::open(Place::required(&args.folder)?.into_folder(), &args.s3)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_s = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let keep = usize::try_from(args.keep).unwrap_or(usize::MAX);
    let removed = surplus(&storage.list().await?, keep, now_s);
    for name in removed.iter().filter(|_| !args.dry_run) {
        storage.remove(name).await?;
    }
    out.show(&PrunedView { dry_run: args.dry_run, removed }, pruned)
}

fn pruned(view: &PrunedView) -> String {
    if view.removed.is_empty() {
        return "nothing is beyond the number to be kept".to_owned();
    }
    let what = if view.dry_run { "would be removed" } else { "removed" };
    let lines = view.removed.iter().map(|name| format!("{what}: {name}"));
    lines.collect::<Vec<_>>().join("\n")
}
