//! Request names: the verb of a `req` on a resource, and the refusal of a name that does not work there (spec 5).
//!
//! `outbound`'s table of verbs holds the names that are answered; this file adds the names that are only recognised.

use outbound::{Refusal, RefusalCode, ResourceType, Verb};

use super::shown;

/// Messages of an agent's session, without meaning for an HTTP client.
const SESSION: &[&str] = &["LogOut", "ReadyTime", "PreviewDialingModeStart", "PreviewDialingModeOver"];

/// The verb that a name means on a resource type.
pub(super) fn verb(kind: ResourceType, name: &str) -> Result<Verb, Refusal> {
    let name = name.trim();
    let verb = Verb::parse(name).filter(|verb| verb.has_request_name());
    match verb {
        Some(verb) if verb.on().contains(&kind) => Ok(verb),
        Some(verb) => Err(refuse(kind, &format!("{} does not work on {}", verb.name(), kind.word()))),
        None if name.is_empty() => Err(absent(kind)),
        None if SESSION.iter().any(|message| message.eq_ignore_ascii_case(name)) => {
            Err(refuse(kind, &format!("{name} belongs to an agent's session and has no meaning for an HTTP client")))
        }
        None => Err(refuse(kind, &format!("{:?} is not a valid request name", shown(name)))),
    }
}

/// No `req` at all.
pub(super) fn absent(kind: ResourceType) -> Refusal {
    refuse(kind, "Missing query parameter `req`")
}

/// The refusal that names the problem and the request names accepted on this resource.
fn refuse(kind: ResourceType, problem: &str) -> Refusal {
    let accepted = Verb::names_on(kind).join(", ");
    Refusal::new(RefusalCode::BadRequestName, format!("{problem}; accepted on {}: {accepted}", kind.word()))
}
