//! `/<resource-type>/<identifier>` (spec 2). Called by `from_http` alone.

use outbound::{Refusal, RefusalCode, Resource, ResourceType};
use percent_encoding::percent_decode_str;

/// The type that a path names, and the resource itself or why there is no such one.
///
/// The outer error is for a path of another shape. In a path `%2B` is `+` and a bare `+` stays `+`.
pub(super) fn resource(path: &str) -> Result<(ResourceType, Result<Resource, Refusal>), Refusal> {
    let (word, identifier) = segments(path).ok_or_else(|| unknown(path))?;
    let kind = ResourceType::parse(word).ok_or_else(|| unknown(path))?;
    let identifier = percent_decode_str(identifier).decode_utf8();
    let identifier = identifier.map_err(|_| refuse("the identifier in the path is not UTF-8"))?;
    Ok((kind, named(kind, &identifier)))
}

/// Exactly two segments, neither empty.
fn segments(path: &str) -> Option<(&str, &str)> {
    let (word, identifier) = path.strip_prefix('/')?.split_once('/')?;
    (!identifier.is_empty() && !identifier.contains('/')).then_some((word, identifier))
}

fn named(kind: ResourceType, identifier: &str) -> Result<Resource, Refusal> {
    let digits = !identifier.is_empty() && identifier.bytes().all(|byte| byte.is_ascii_digit());
    Resource::new(kind, identifier).ok_or_else(|| {
        if digits {
            Refusal::new(RefusalCode::RecordNotFound, format!("no record has the handle {identifier}"))
        } else {
            refuse("a record is named by its handle, in decimal digits")
        }
    })
}

fn unknown(path: &str) -> Refusal {
    let shown: String = path.chars().take(80).collect();
    let words: Vec<_> = ResourceType::ALL.iter().map(|kind| kind.word()).collect();
    refuse(&format!("{shown:?} is no resource; these are: /<type>/<identifier> with one of {}", words.join(", ")))
}

fn refuse(message: &str) -> Refusal {
    Refusal::new(RefusalCode::BadResource, message)
}
