//! The URL of a backup or of a folder of backups in a bucket, and the names of backups. Pure.

use std::path::Path;

use jiff::Timestamp;
use store::ArchiveHead;

use crate::failure::Failure;

/// How such a URL begins.
const SCHEME: &str = "s3://";
/// The end of the name of a backup.
pub(crate) const ENDING: &str = ".ocsbackup";
/// The end of the object beside a backup that was read back.
pub(crate) const SUM_ENDING: &str = ".ocsbackup.sha256";
/// As in `20261126T101500Z`.
const TIME_FORM: &str = "%Y%m%dT%H%M%SZ";
const TIME_CHARS: usize = 16;

/// A folder of a bucket, and a backup there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    bucket: String,
    /// Without slashes at its ends; empty: the bucket itself.
    folder: String,
    /// None: the URL ends with a slash, or names the bucket alone.
    name: Option<String>,
}

impl Place {
    /// The place of a URL; none: the text is another name of a file.
    ///
    /// # Errors
    /// A URL that makes no sense.
    pub(crate) fn of(text: &Path) -> Result<Option<Self>, Failure> {
        let Some(rest) = text.to_str().and_then(|text| text.strip_prefix(SCHEME)) else { return Ok(None) };
        let wrong = |why: &str| Failure::Usage(format!("{}: {why}", text.display()));
        let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
        let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
        if bucket.is_empty() || !bucket.chars().all(is_of_name) {
            return Err(wrong("s3://BUCKET/FOLDER/ names a bucket and a folder"));
        }
        if path.contains("//") || path.starts_with('/') {
            return Err(wrong("a folder has a name between its slashes"));
        }
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let name = Some(name.to_owned()).filter(|name| !name.is_empty());
        Ok(Some(Self { bucket: bucket.to_owned(), folder: folder.to_owned(), name }))
    }

    /// The place of a URL, where nothing else makes sense.
    ///
    /// # Errors
    /// Another text, or a URL that makes no sense.
    pub(crate) fn required(text: &Path) -> Result<Self, Failure> {
        let other = || Failure::Usage(format!("{}: give a URL of the form s3://BUCKET/FOLDER/", text.display()));
        Self::of(text)?.ok_or_else(other)
    }

    /// The same place as a folder: a name without an ending of backups is that of a folder.
    pub(crate) fn into_folder(self) -> Self {
        match self.name {
            Some(name) if self.folder.is_empty() => Self { folder: name, name: None, ..self },
            Some(name) => Self { folder: format!("{}/{name}", self.folder), name: None, bucket: self.bucket },
            None => self,
        }
    }

    /// The bucket.
    pub(crate) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The folder; empty: the bucket itself.
    pub(crate) fn folder(&self) -> &str {
        &self.folder
    }

    /// The name of the backup, if the URL has one.
    ///
    /// # Errors
    /// A name under which no list would show the backup.
    pub(crate) fn name(&self) -> Result<Option<&str>, Failure> {
        match &self.name {
            Some(name) if !name.ends_with(ENDING) => {
                let url = self.url(name);
                Err(Failure::Usage(format!("{url}: a backup ends in {ENDING}, and a folder in /")))
            }
            name => Ok(name.as_deref()),
        }
    }

    /// The key of an object of the folder.
    pub(crate) fn key(&self, name: &str) -> String {
        if self.folder.is_empty() { name.to_owned() } else { format!("{}/{name}", self.folder) }
    }

    /// The URL of an object of the folder; of the folder where the name is empty.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("{SCHEME}{}/{}", self.bucket, self.key(name))
    }
}

/// The name of a backup with this head, as nodes name their files.
pub(crate) fn name_of(head: &ArchiveHead) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
    let cluster: String = head.cluster_id.chars().map(plain).collect();
    let created = i64::try_from(head.created_us).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
    format!("{cluster}-{}{ENDING}", created.unwrap_or_default().strftime(TIME_FORM))
}

/// The cluster of a name that a node or this tool gave; none: a name of another kind.
pub(crate) fn cluster_of(name: &str) -> Option<&str> {
    let stem = name.strip_suffix(ENDING)?;
    let (cluster, time) = stem.split_at_checked(stem.len().checked_sub(TIME_CHARS)?)?;
    let place = |(at, byte): (usize, u8)| match at {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    let cluster = cluster.strip_suffix('-')?;
    time.bytes().enumerate().all(place).then_some(cluster)
}
