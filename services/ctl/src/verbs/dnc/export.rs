//! `dnc export`: all entries of one state as CSV, which `dnc import` reads.

use std::io::{self, BufWriter, Write};

use super::entries::{Entries, EntryView};
use crate::{
    cli::DncExportArgs,
    cluster::Cluster,
    failure::Failure,
    output_file::{OutputFile, Readers},
    print,
    verbs::list_export::is_format,
};

/// Columns of an export.
const COLUMNS: [&str; 9] =
    ["phone", "customer_id", "message", "expires", "tenant", "campaign", "list", "source", "since"];

/// Writes to standard output or to a file, which appears once complete.
pub(super) async fn run(cluster: &Cluster, args: &DncExportArgs) -> Result<(), Failure> {
    if args.output.as_deref().is_some_and(is_format) {
        let line = "an export is CSV, and -o names its file here: ./json is a file of that name";
        return Err(Failure::Usage(line.to_owned()));
    }
    let begin = Entries::begin(cluster, 0);
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

/// A list or campaign that is gone has its DBID.
fn cells(entry: EntryView) -> [String; COLUMNS.len()] {
    let dbid = |dbid: Option<u32>| dbid.map(|dbid| dbid.to_string());
    let (campaign, list) =
        (entry.campaign.or_else(|| dbid(entry.campaign_dbid)), entry.list.or_else(|| dbid(entry.list_dbid)));
    let optional = [entry.phone, entry.customer_id, entry.message, entry.expires, entry.tenant, campaign, list];
    let [phone, customer_id, message, expires, tenant, campaign, list] = optional.map(Option::unwrap_or_default);
    let source = entry.source.unwrap_or_default();
    [phone, customer_id, message, expires, tenant, campaign, list, source, entry.since]
}
