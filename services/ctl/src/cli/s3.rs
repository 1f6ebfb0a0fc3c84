//! The command line of `backup` for an S3-compatible storage. Its keys are never on a command line, where every process sees them.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::FormatArg;

/// How an S3-compatible storage is reached; the keys are in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
#[derive(Debug, Default, Args)]
pub(crate) struct S3Args {
    /// URL of the storage [default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, else AWS itself]; http:// for tests alone
    #[arg(long, value_name = "URL", help_heading = "S3")]
    pub(crate) s3_endpoint: Option<String>,
    /// Region of the bucket [default: AWS_REGION, AWS_DEFAULT_REGION, else us-east-1]
    #[arg(long, value_name = "NAME", help_heading = "S3")]
    pub(crate) s3_region: Option<String>,
    /// Where a URL has the bucket [default: path]; with `virtual` the endpoint contains the bucket's name
    #[arg(long, value_enum, help_heading = "S3")]
    pub(crate) s3_style: Option<S3Style>,
}

/// See [`S3Args`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum S3Style {
    /// Behind the host: `https://host/bucket/key`
    Path,
    /// In the host: `https://bucket.host/key`
    Virtual,
}

/// `backup fetch`
#[derive(Debug, Args)]
pub(crate) struct BackupFetchArgs {
    /// The backup, s3://BUCKET/FOLDER/NAME.ocsbackup; s3://BUCKET/FOLDER/: the newest there
    pub(crate) from: PathBuf,
    /// The file, which appears once complete
    pub(crate) file: PathBuf,
    /// Replace a file that exists
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) s3: S3Args,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `backup list`
#[derive(Debug, Args)]
pub(crate) struct BackupListArgs {
    /// The folder, s3://BUCKET/FOLDER/
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) s3: S3Args,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}

/// `backup prune`
#[derive(Debug, Args)]
pub(crate) struct BackupPruneArgs {
    /// The folder, s3://BUCKET/FOLDER/
    pub(crate) folder: PathBuf,
    /// Backups of each cluster that stay: the newest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) keep: u32,
    /// Remove nothing: show the names that would go
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) s3: S3Args,
    #[command(flatten)]
    pub(crate) format: FormatArg,
}
