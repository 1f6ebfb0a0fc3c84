//! A storage that answers as much of S3 as `backup fetch`, `backup list` and `backup prune --dry-run` ask for: the list of a folder, and
//! its objects.
//!
//! Never takes an object, and checks no signature. Called by the test of the outputs.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use bytes::Bytes;
use chassis::tasks::{AtEnd, Tasks};
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

/// The URL of the folder.
pub(super) const FOLDER: &str = "s3://bucket/a/";
/// The key of the folder.
const PREFIX: &str = "a/";
/// The path of the folder's objects over HTTP.
const PATH: &str = "/bucket/a/";

/// Objects by their name in the folder.
type Objects = BTreeMap<String, Vec<u8>>;

/// The storage, stopped on drop.
pub(super) struct Storage {
    pub(super) url: String,
    tasks: Tasks,
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.tasks.stop();
    }
}

impl Storage {
    /// Serves a backup with its sum, and a later one without, as of an upload that broke off.
    pub(super) async fn with(backup: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (tasks, objects) = (Tasks::new(), Arc::new(objects(backup)));
        let connections = tasks.clone();
        tasks.spawn("storage", AtEnd::Quiet, async move {
            let stopping = connections.stopping();
            while let Some(Ok((stream, _))) = stopping.run_until_cancelled(listener.accept()).await {
                let (objects, stopping) = (objects.clone(), stopping.clone());
                connections.spawn("connection", AtEnd::Quiet, async move {
                    let service = service_fn(|request| answer(objects.clone(), request));
                    let server = hyper::server::conn::http1::Builder::new();
                    let connection = server.serve_connection(TokioIo::new(stream), service);
                    let _ = stopping.run_until_cancelled(connection).await; // a cut connection ends in an error
                });
            }
        });
        Self { url, tasks }
    }
}

fn objects(backup: Vec<u8>) -> Objects {
    let [whole, broken] = ["1", "2"].map(|day| format!("demo-2026010{day}T000000Z.ocsbackup"));
    let sum: String = Sha256::digest(&backup).iter().map(|byte| format!("{byte:02x}")).collect();
    let marker = (format!("{whole}.sha256"), format!("{sum}  {whole}\n").into_bytes());
    Objects::from([(whole, backup), marker, (broken, Vec::new())])
}

async fn answer(objects: Arc<Objects>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let Some(name) = request.uri().path().strip_prefix(PATH) else {
        return Ok(Response::new(list(&objects).into()));
    };
    let none = || Response::builder().status(404).body(Full::default()).unwrap();
    Ok(objects.get(name).map_or_else(none, |content| Response::new(content.clone().into())))
}

fn list(objects: &Objects) -> String {
    let entry = |(name, content): (&String, &Vec<u8>)| {
        let (size, time) = (content.len(), "2026-01-03T00:00:00.000Z");
        format!("<Contents><Key>{PREFIX}{name}</Key><Size>{size}</Size><LastModified>{time}</LastModified></Contents>")
    };
    let entries: String = objects.iter().map(entry).collect();
    format!("<ListBucketResult>{entries}</ListBucketResult>")
}
