//! The options of the rules over the control API: shown as the state has them, set by a command through the primary.
//!
//! Never contains a rule: `records` decides which values an option takes. Called by the control API.

use std::sync::Arc;

use dispatch::too_early;
use ocs_proto::{
    control::ShowSettingsReply,
    outbound::{self as wire, Setting as WireSetting},
};
use outbound::{
    Body, RULES_FIRST, RULES_WITH_SETTINGS, RefusalCode, Setting,
    wire::{reply_into_wire, settings_from_wire, settings_to_wire},
};
use pair::Door;
use tokio::time::Instant;

use super::acting::Acting;

/// Under rules version 1 each node's own file decides: `own` is this node's.
pub(super) async fn show(door: &Arc<Door>, node: &str, own: &[Setting], deadline: Instant) -> ShowSettingsReply {
    let confirmed = door.wait_until_readable(deadline).await.is_ok();
    let stand = door.engine().state().settings();
    let (version, options) = match &stand {
        Some(settings) => (settings.rules_version(), settings.values()),
        None => (RULES_FIRST, own),
    };
    ShowSettingsReply {
        node: node.to_owned(),
        rules_version: version,
        replicated: stand.is_some(),
        settings: to_wire(options),
        confirmed,
    }
}

fn to_wire(options: &[Setting]) -> Vec<WireSetting> {
    settings_to_wire(options.to_vec()).settings
}

/// Refused before the group decides by a version that has settings: the primary may run a release that cannot read the request.
/// The raise takes longer than seconds, so a retry is not worth its cost.
pub(super) async fn set(door: &Acting, settings: wire::SetSettings, deadline: Instant) -> wire::Reply {
    let version = door.engine().state().rules_version();
    if version < RULES_WITH_SETTINGS {
        return reply_into_wire(too_early(version, RULES_WITH_SETTINGS, RefusalCode::Conflict));
    }
    let body = Body::SetSettings(settings_from_wire(settings));
    reply_into_wire(door.order(body, deadline).await)
}
