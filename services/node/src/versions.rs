//! The nodes that keep the group from raising the versions of formats and rules to those that this release knows
//! (R13 versions-are-replicated). Pure. Called by the duty that raises them and the control API.

use std::time::Duration;

use consensus::{Kind, PeerStatus, Status, Versions};
pub use peers::{NEWEST, RULES};

use crate::role::Roster;

/// A member heard within this time counts as present.
const HEARD: Duration = Duration::from_millis(1500);

/// Why a node whose release knows these versions cannot take part in the group; none: the node can. A witness decides nothing.
pub fn too_old(status: &Status, kind: Kind, known: Versions) -> Option<String> {
    let rules_known = kind == Kind::Witness || known.rules >= status.rules_wanted;
    if known.formats >= status.formats && rules_known {
        return None;
    }
    Some(format!(
        "the group writes formats {} and decides by rules {}, and its release knows formats up to {} and rules up to {}; install \
         release {} or a newer one there",
        status.formats,
        status.rules_wanted,
        known.formats,
        known.rules,
        env!("CARGO_PKG_VERSION")
    ))
}

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
        } else if peer.unconfirmed {
            Some(format!("{name}'s start is not confirmed by every voter yet"))
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
