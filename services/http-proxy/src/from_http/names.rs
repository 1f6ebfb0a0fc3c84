//! Request names: the verb of a `req` on a resource, and the refusal of a name that does not work there (spec 5).
//!
//! `outbound`'s table of verbs holds the names that this version answers; this file adds the names that are only recognised.

use outbound::{Refusal, RefusalCode, ResourceType, Verb};

use super::shown;

/// Names of spec 5 that this version does not answer yet, aliases included.
const NOT_YET: &[&str] = &[
    "RecordReschedule",
    "RescheduleRecord",
    "ScheduledRecordReschedule",
    "RequestRecordCancel",
    "RecordCancel",
    "CancelRecord",
    "RecordCancelRequest",
    "RecordReject",
    "ChainedRecordRequest",
    "PreviewRecordRequest",
    "GetPreviewRecord",
    "CampaignStatusRequest",
    "GetCampaignStatus",
    "LoadCampaign",
    "StartDialing",
    "StopDialing",
    "UnloadCampaign",
];

/// Messages of an agent's session, without meaning for an HTTP client.
const SESSION: &[&str] = &["LogOut", "ReadyTime", "PreviewDialingModeStart", "PreviewDialingModeOver"];

/// The verb that a name means on a resource type.
pub(super) fn verb(kind: ResourceType, name: &str) -> Result<Verb, Refusal> {
    let name = name.trim();
    let verb = Verb::parse(name).filter(|verb| *verb != Verb::GetRecord);
    match verb {
        Some(verb) if verb.on().contains(&kind) => Ok(verb),
        Some(verb) => Err(refuse(kind, &format!("{} does not work on {}", verb.name(), kind.word()))),
        None if name.is_empty() => Err(absent(kind)),
        None if is_one_of(SESSION, name) => {
            Err(refuse(kind, &format!("{name} belongs to an agent's session and has no meaning over HTTP")))
        }
        None if is_one_of(NOT_YET, name) => {
            Err(refuse(kind, &format!("{name} is known, but this version does not answer it yet")))
        }
        None => Err(refuse(kind, &format!("{:?} is not a valid request name", shown(name)))),
    }
}

/// No `req` at all.
pub(super) fn absent(kind: ResourceType) -> Refusal {
    refuse(kind, "Missing query parameter `req`")
}

fn is_one_of(names: &[&str], name: &str) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// The refusal that names the problem and the request names accepted on this resource.
fn refuse(kind: ResourceType, problem: &str) -> Refusal {
    let names = Verb::names_on(kind);
    let accepted = if names.is_empty() {
        format!("this version answers no request on {}", kind.word())
    } else {
        format!("accepted on {}: {}", kind.word(), names.join(", "))
    };
    Refusal::new(RefusalCode::BadRequestName, format!("{problem}; {accepted}"))
}
