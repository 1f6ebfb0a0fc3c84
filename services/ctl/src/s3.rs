//! Backups in an S3-compatible storage: where they are, how they get there, and which of them stay.
//!
//! A backup is two objects: the file, and beside it NAME.sha256, which is written after the file has been read back. A file without that
//! object is no backup, so that an upload that broke off is never taken for one. Memory is bounded by two parts of an upload. Never
//! asks a node. Called by the verbs of `backup`.

mod place;
mod shelf;
#[cfg(test)]
mod tests;
mod upload;

use std::{env, sync::Arc, time::Duration};

use object_store::{
    BackoffConfig, ClientOptions, Error, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    path::Path,
};
use tokio_rustls::rustls::crypto::ring;

pub(crate) use self::{
    place::{Place, name_of},
    shelf::{Kept, surplus},
    upload::begun,
};
use crate::{
    cli::{S3Args, S3Style},
    failure::Failure,
};

/// Attempts of a request beside the first one.
const RETRIES_MAX: usize = 5;
/// After so long no further attempt of a request begins.
const RETRY_TIMEOUT: Duration = Duration::from_secs(120);
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for the next bytes of an answer; a part that is being sent has no answer yet.
const READ_TIMEOUT: Duration = Duration::from_secs(300);

/// The folder of a bucket, through its storage.
#[derive(Debug)]
pub(crate) struct Storage {
    store: Arc<dyn ObjectStore>,
    place: Place,
    /// Bytes of every part of an upload but the last.
    part_bytes: usize,
}

impl Storage {
    /// Prepares the way to a place. Opens no connection.
    ///
    /// # Errors
    /// Options or environment that make no sense.
    pub(crate) fn open(place: Place, args: &S3Args) -> Result<Self, Failure> {
        // the client of the storage speaks TLS by the provider of the process
        let _ = ring::default_provider().install_default(); // an earlier provider is the same
        let unfit = |error: Error| Failure::Usage(format!("{}: {}", place.url(""), line(&error)));
        let store = builder(place.bucket(), args, |name| env::var(name).ok()).build().map_err(unfit)?;
        Ok(Self { store: Arc::new(store), place, part_bytes: upload::PART_BYTES })
    }

    /// The place.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The key of an object in the folder.
    fn key(&self, name: &str) -> Result<Path, Failure> {
        let unfit = |error: object_store::path::Error| Failure::Usage(format!("{}: {error}", self.place.url(name)));
        Path::parse(self.place.key(name)).map_err(unfit)
    }

    /// The failure of a request about an object of the folder.
    fn failed(&self, name: &str, error: &Error) -> Failure {
        let url = self.place.url(name);
        match error {
            Error::NotFound { .. } => Failure::Refused(format!("{url}: there is no such object or bucket")),
            error => Failure::Refused(format!("{url}: {}", line(error))),
        }
    }
}

/// Keys, endpoint and region: of the options first, else of the environment, under the names that tools for AWS read.
fn builder(bucket: &str, args: &S3Args, environment: impl Fn(&str) -> Option<String>) -> AmazonS3Builder {
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(RetryConfig {
        max_retries: RETRIES_MAX,
        retry_timeout: RETRY_TIMEOUT,
        backoff: BackoffConfig::default(),
    });
    if let Some(endpoint) = &args.s3_endpoint {
        builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, endpoint);
    }
    if let Some(region) = args.s3_region.clone().or_else(|| environment("AWS_REGION")) {
        builder = builder.with_region(region); // AWS_DEFAULT_REGION counts only without AWS_REGION
    }
    if let Some(style) = args.s3_style {
        builder = builder.with_virtual_hosted_style_request(style == S3Style::Virtual);
    }
    let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
    let endpoint = endpoint.iter().find_map(|key| builder.get_config_value(key));
    // a whole request may take as long as a part takes on a slow line
    let options = ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_read_timeout(READ_TIMEOUT)
        .with_allow_http(endpoint.is_some_and(|endpoint| endpoint.starts_with("http://")));
    builder.with_client_options(options)
}

/// An error as one line, with its causes.
fn line(error: &Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
