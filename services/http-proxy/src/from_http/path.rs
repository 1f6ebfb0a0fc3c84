//! `/<resource-type>/<identifier>` (spec 2). Called by `from_http` alone.

use outbound::{Refusal, RefusalCode, Resource, ResourceType};
use percent_encoding::percent_decode_str;

use super::{IDENTIFIER_BYTES_MAX, shown};
use crate::health;

/// The resource type that a path names, and the resource itself or the refusal of its identifier.
///
/// The outer error is for a path of another shape. In a path `%2B` is `+` and a bare `+` stays `+`.
pub(super) fn resource(path: &str) -> Result<(ResourceType, Result<Resource, Refusal>), Refusal> {
    let (word, identifier) = segments(path).ok_or_else(unknown)?;
    let kind = ResourceType::parse(word).ok_or_else(unknown)?;
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
    if identifier.len() > IDENTIFIER_BYTES_MAX {
        let message = format!("the identifier in the path may have {IDENTIFIER_BYTES_MAX} bytes");
        return Err(Refusal::new(RefusalCode::Limit, message));
    }
    let digits = !identifier.is_empty() && identifier.bytes().all(|byte| byte.is_ascii_digit());
    Resource::new(kind, identifier).ok_or_else(|| {
        if digits {
            Refusal::new(RefusalCode::RecordNotFound, format!("no record has the handle {}", shown(identifier)))
        } else {
            refuse("a record is named by its handle, in decimal digits")
        }
    })
}

/// Offers every resource of this port.
fn unknown() -> Refusal {
    let resources = ResourceType::ALL.into_iter().map(|kind| format!("/{}/<{}>", kind.word(), identifier_of(kind)));
    let valid: Vec<_> = resources.chain(health::PATHS.map(str::to_owned)).collect();
    refuse(&format!("No such resource. Valid: {}", valid.join(", ")))
}

/// The placeholder of an identifier in messages.
fn identifier_of(kind: ResourceType) -> &'static str {
    match kind {
        ResourceType::Records => "handle",
        ResourceType::Phones => "phone",
        ResourceType::CustomerIds => "customer id",
        ResourceType::Lists => "name",
        ResourceType::CampaignGroups => "DBID",
    }
}

fn refuse(message: &str) -> Refusal {
    Refusal::new(RefusalCode::BadResource, message)
}
