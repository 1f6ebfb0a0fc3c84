//! `export-config`: the file that would declare what the group has. Never leaves a half-written file under the name that was
//! asked for, and never replaces a file unasked.

use std::{io::Write, path::Path, time::Duration};

use declarations::to_toml;
use ocs_proto::{control::ShowDeclarationRequest, outbound::Declaration};

use super::list_export::{is_format, is_standard};
use crate::{
    cli::{ExportConfigArgs, Format, FormatArg},
    cluster::{Client, Cluster},
    failure::Failure,
    output_file::{OutputFile, Readers},
    print,
};

/// How long to look for a node that answers, over a failover.
const RETRY_FOR: Duration = Duration::from_secs(15);
/// The file of a group that declares nothing.
const NOTHING: &str = "# nothing is declared\n";

/// Writes to standard output or to a file. `format` is the option before the verb.
pub(crate) async fn run(cluster: &Cluster, format: FormatArg, args: &ExportConfigArgs) -> Result<(), Failure> {
    if format.format == Some(Format::Json) || args.output.as_deref().is_some_and(is_format) {
        let line = "an export is TOML, and -o names its file here: ./json is a file of that name";
        return Err(Failure::Usage(line.to_owned()));
    }
    let to_file = |path: &&Path| !is_standard(path);
    let Some(path) = args.output.as_deref().filter(to_file) else {
        return print::line(text(cluster).await?.trim_end());
    };
    let file = OutputFile::create(path, args.force, Readers::Umask)?; // first: a place that cannot be written needs no node
    let text = text(cluster).await?;
    file.file().write_all(text.as_bytes()).map_err(|error| file.failed(error))?;
    file.finish()?;
    eprintln!("written to {}", path.display());
    Ok(())
}

async fn text(cluster: &Cluster) -> Result<String, Failure> {
    let ask = |mut client: Client| async move {
        let reply = client.show_declaration(ShowDeclarationRequest {}).await?.into_inner();
        Ok(reply.declaration.unwrap_or_default())
    };
    let declaration: Declaration = cluster.on_any(RETRY_FOR, ask).await?;
    let text = to_toml(&declaration);
    Ok(if text.is_empty() { NOTHING.to_owned() } else { text })
}
