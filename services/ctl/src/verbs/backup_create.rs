//! `backup create`: the state of a data node as a file or as an object of a storage, while the group serves. Never leaves half a file under
//! the name that was asked for: the bytes are checked on arrival, and the file appears after its trailer.

use std::{
    io::{self, Write},
    path::PathBuf,
    time::Duration,
};

use futures::{StreamExt, stream};
use ocs_proto::control::{BackupBytes, CreateBackupRequest};
use store::{ArchiveHead, ArchiveTail, Checker};
use tonic::Streaming;

use crate::{
    backup::{STANDARD, View},
    call::CallError,
    cli::BackupCreateArgs,
    cluster::{Client, Cluster, Node},
    failure::Failure,
    group::{self, GroupAnswers},
    output_file::{OutputFile, Readers},
    print::{self, Out},
    s3::{Place, Storage, begun, name_of},
};

/// Until a node begins: its state must have every acknowledged update.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long a node may pause between two messages.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(60);

/// Writes to standard output or to a file.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &BackupCreateArgs) -> Result<(), Failure> {
    if let Some(place) = Place::of(&args.file)? {
        return upload(cluster, out, args, place).await;
    }
    let group = group::survey(cluster).await;
    if args.file.as_os_str() == STANDARD {
        let bytes = begin(cluster, &group, args).await?;
        let (head, tail, length) = copy(bytes, io::stdout(), print::cannot_write).await?;
        eprintln!("{}", View::whole(&args.file, &head, &tail, length).table());
        return Ok(());
    }
    let file = OutputFile::create(&args.file, args.force, Readers::Owner)?; // first: a place that cannot be written needs no node
    let bytes = begin(cluster, &group, args).await?;
    let (head, tail, length) = copy(bytes, file.file(), |error| file.failed(error)).await?;
    file.finish()?;
    out.show(&View::whole(&args.file, &head, &tail, length), View::table)
}

/// Writes into an S3-compatible storage, under the name that nodes give their files where the place names a folder.
async fn upload(cluster: &Cluster, out: Out, args: &BackupCreateArgs, place: Place) -> Result<(), Failure> {
    let named = place.name()?.map(str::to_owned);
    let storage = Storage::open(place, &args.s3)?;
    if let Some(name) = &named {
        refuse_existing(&storage, name, args.force).await?; // first: a name that is taken needs no node
    }
    let group = group::survey(cluster).await;
    let from = begin(cluster, &group, args).await?;
    let mut bytes = Box::pin(stream::unfold(from, |mut from| async move {
        next(&mut from).await.transpose().map(|bytes| (bytes, from))
    }));
    let (head, read) = begun(&mut bytes).await?;
    let name = match named {
        Some(name) => name,
        None => {
            let name = name_of(&head);
            refuse_existing(&storage, &name, args.force).await?;
            name
        }
    };
    let stop =
        chassis::stop::signal().map_err(|error| Failure::Refused(format!("cannot listen for signals: {error}")))?;
    let bar = print::bytes_counter();
    let all = stream::iter([Ok(read)]).chain(bytes);
    let sent = storage.put(&name, all, stop, |bytes| bar.set_position(bytes)).await;
    bar.finish_and_clear();
    let sent = sent?;
    let url = PathBuf::from(storage.place().url(&name));
    out.show(&View::whole(&url, &sent.head, &sent.tail, sent.bytes), View::table)
}

async fn refuse_existing(storage: &Storage, name: &str, force: bool) -> Result<(), Failure> {
    if force || !storage.has(name).await? {
        return Ok(());
    }
    let url = storage.place().url(name);
    Err(Failure::Refused(format!("{url}: an object of this name exists; --force replaces it")))
}

/// The bytes as one node sends them.
struct Bytes<'a> {
    stream: Streaming<BackupBytes>,
    node: &'a Node,
}

/// Begins at the named node, or at the first data node that can: the backup first, since the primary has more work.
async fn begin<'a>(
    cluster: &Cluster,
    group: &'a GroupAnswers<'_>,
    args: &BackupCreateArgs,
) -> Result<Bytes<'a>, Failure> {
    let mut refusal = None;
    for node in candidates(group, args.node.as_deref())? {
        let request = CreateBackupRequest { stale: args.stale };
        match node.call(cluster.timeout_or(TIMEOUT), |client| open(client, request)).await {
            Ok(stream) => return Ok(Bytes { stream, node }),
            Err(error) if error.retry() => refusal = Some(error.into_failure(&node.address)),
            Err(error) => return Err(error.into_failure(&node.address)),
        }
    }
    Err(refusal.unwrap_or_else(|| Failure::Unreachable("no data node answers".to_owned())))
}

fn candidates<'a>(group: &'a GroupAnswers<'_>, name: Option<&str>) -> Result<Vec<&'a Node>, Failure> {
    let Some(name) = name else {
        let primary = group.primary().map(|seen| &seen.node.address);
        let mut nodes: Vec<&Node> = group.data_nodes().map(|(seen, _)| seen.node).collect();
        nodes.sort_by_key(|node| Some(&node.address) == primary);
        if nodes.is_empty() {
            group.require_primary()?;
        }
        return Ok(nodes);
    };
    group.required(name).map(|seen| vec![seen.node])
}

async fn open(mut client: Client, request: CreateBackupRequest) -> Result<Streaming<BackupBytes>, CallError> {
    Ok(client.create_backup(request).await?.into_inner())
}

/// Writes and checks the bytes of a backup; returns its head, its trailer and its length.
async fn copy(
    mut from: Bytes<'_>,
    mut to: impl Write,
    fault: impl Fn(io::Error) -> Failure,
) -> Result<(ArchiveHead, ArchiveTail, u64), Failure> {
    let (bar, mut checker, mut length) = (print::bytes_counter(), Checker::new(), 0);
    while let Some(data) = next(&mut from).await? {
        checker.push(&data, |_, _| {}).map_err(|error| broken(from.node, error.to_string()))?;
        to.write_all(&data).map_err(&fault)?;
        length += data.len() as u64;
        bar.set_position(length);
    }
    to.flush().map_err(&fault)?;
    bar.finish_and_clear();
    let (head, tail) = checker.finish().map_err(|_| broken(from.node, "the node broke it off"))?;
    Ok((head, tail, length))
}

async fn next(from: &mut Bytes<'_>) -> Result<Option<Vec<u8>>, Failure> {
    let message = tokio::time::timeout(MESSAGE_TIMEOUT, from.stream.message()).await;
    let message = message.unwrap_or(Ok(None)).map_err(|status| broken(from.node, CallError::from(status)))?;
    Ok(message.map(|message| message.data))
}

fn broken(node: &Node, why: impl std::fmt::Display) -> Failure {
    Failure::Refused(format!("{}: the backup is not whole and was not kept: {why}", node.address))
}
