//! The versions of formats and rules that this release knows, and which nodes keep the group from going to them (R13,
//! versions-are-replicated). Pure. Called by the duty that raises them, the control API and the peers' guard.

use std::time::Duration;

use consensus::{FORMATS, Kind, PeerStatus, Status, Versions};
use outbound::{RULES_FIRST, RULES_NEWEST};

use crate::role::Roster;

/// The newest versions that this release knows.
pub const NEWEST: Versions = Versions { formats: FORMATS.1, rules: RULES_NEWEST };
/// Rules versions that this release decides, lowest and highest.
pub const RULES: (u32, u32) = (RULES_FIRST, RULES_NEWEST);
/// A member heard within this time is there.
const HEARD: Duration = Duration::from_millis(1500);

/// Whether the group already writes and decides by the newest versions that this release knows.
pub fn is_newest(status: &Status) -> bool {
    status.formats >= NEWEST.formats && status.rules_wanted >= NEWEST.rules
}

/// The nodes that keep the group from the newest versions, and why, a line each; empty: every voter and learner knows them.
pub fn holding_up(status: &Status, roster: &Roster) -> Vec<String> {
    let reason = |peer: &PeerStatus| {
        let name = roster.name_of(peer.id);
        let there = !peer.lost && peer.heard.is_some_and(|heard| heard.elapsed() < HEARD);
        let knows_rules = peer.versions.rules >= NEWEST.rules || peer.kind == Kind::Witness;
        if !there {
            Some(format!("{name} is not heard"))
        } else if peer.versions.formats < NEWEST.formats {
            Some(format!("{name} runs a release that knows formats up to {}", peer.versions.formats))
        } else if !knows_rules {
            Some(format!("{name} runs a release that knows rules up to version {}", peer.versions.rules))
        } else {
            None
        }
    };
    let missing = roster.members().iter().filter(|member| {
        let of_member = |peer: &&PeerStatus| roster.name_of(peer.id) == member.name;
        member.name != roster.own().name && !status.peers.iter().any(|peer| of_member(&peer))
    });
    let absent = missing.map(|member| format!("{} is no member now", member.name));
    status.peers.iter().filter_map(reason).chain(absent).collect()
}
