//! Raises the group's rules version step by step at some moments of a run, and sets options of the rules from version 2 on, as
//! an operator does, the subscription of the outbox among them; acknowledges effects as a reader does. From the first raise on,
//! every node's own file has other options: no decision may use them. A campaign's operator raises faster (`duties`).
//!
//! In some runs a node gives an id a second time, to another request, which must never get the first request's answer. Called
//! by `world`.

use outbound::{
    AcknowledgeEffects, Body, RULES_NEWEST, RULES_WITH_PHONE_FORM, RULES_WITH_SETTINGS, RaiseRules, RequestId,
    RewritePhones, Setting,
};
use rand::{Rng, rngs::StdRng};
use records::Rules;

use super::{
    event::Event,
    node::{Life, PLACES_MAX, Waiter},
    state::{SimState, rules},
    world::World,
};

/// Replay windows that nodes' files ask for once they do not count any more, microseconds.
const OWN_WINDOWS_US: [u64; PLACES_MAX] = [0, 3_000_000, 100_000];
/// Replay windows that the group is set to, milliseconds.
const WINDOWS_MS: [u64; 4] = [0, 50, 500, 5_000];

/// Effects that the outbox keeps at most: more than one command of a client has, fewer than the campaign's queue.
const OUTBOX_ROWS: u64 = 30;

/// A seed's use of the rules version.
#[derive(Debug, Clone, Copy)]
pub(super) struct RulesPlan {
    /// The run raises the version.
    pub(super) raises: bool,
    /// The run gives ids twice, now and then.
    repeats_ids: bool,
}

impl RulesPlan {
    pub(super) fn draw(rng: &mut StdRng) -> Self {
        Self { raises: rng.random_ratio(1, 2), repeats_ids: rng.random_ratio(1, 3) }
    }
}

/// The options of a node's own file.
pub(super) fn own_file(at: usize, state: &SimState) -> Rules {
    match state.rules_version() {
        ..RULES_WITH_SETTINGS => rules(),
        _ => Rules { replay_window_us: OWN_WINDOWS_US[at], ..rules() },
    }
}

/// Raises the group to a rules version, with options for its first settings.
pub(super) fn raise(to: u32, settings: Vec<Setting>) -> Body {
    Body::RaiseRules(RaiseRules { to, settings, release: "sim".to_owned() })
}

/// The outbox keeps added and changed records.
fn subscription() -> Vec<Setting> {
    let setting = |key: &str, value: String| Setting { key: key.to_owned(), value };
    let effects = "record_added,record_changed".to_owned();
    vec![setting("outbox_effects", effects), setting("outbox_rows_max", OUTBOX_ROWS.to_string())]
}

impl Life {
    /// The rules version by which this node decides.
    pub(super) fn rules_version(&self) -> u32 {
        self.state.as_ref().map_or(1, SimState::rules_version)
    }

    /// The last number of the outbox, as this node knows the outbox.
    fn last_effect(&self) -> u64 {
        self.state.as_ref().map_or(0, SimState::last_effect)
    }

    /// The next id, as the group knows ids here.
    pub(super) fn next_id(&mut self, at: usize) -> RequestId {
        self.next_submission += 1;
        let token = if self.rules_version() < RULES_WITH_SETTINGS { 0 } else { self.token };
        RequestId { node: at as u32 + 1, incarnation: self.incarnation, token, counter: self.next_submission }
    }
}

impl World {
    /// Raises the rules version, or sets an option once the version is raised, at the primary of the moment; and again some
    /// time later.
    pub(super) fn change_rules(&mut self) {
        if self.clients.quiet {
            return;
        }
        let pause_us = self.rng.random_range(200_000..3_000_000);
        self.after(pause_us, Event::ChangeRules);
        let window_ms = WINDOWS_MS[self.rng.random_range(0..WINDOWS_MS.len())];
        let serves = |at: &usize| self.nodes[*at].life.as_ref().is_some_and(|life| life.core.serving());
        let Some(at) = self.places().find(serves) else { return };
        let Some(life) = &mut self.nodes[at].life else { return };
        let settings = vec![Setting { key: "replay_window_ms".to_owned(), value: window_ms.to_string() }];
        let raised = |to| raise(to, settings.clone());
        let body = match life.rules_version() {
            version if version < RULES_WITH_SETTINGS => raised(version + 1),
            version if version < RULES_NEWEST && self.rng.random_ratio(1, 2) => raised(version + 1),
            RULES_NEWEST => match self.rng.random_range(0..4) {
                0 => Body::RewritePhones(RewritePhones { rows_max: 2 }),
                1 => Body::SetSettings(subscription()),
                2 => Body::AcknowledgeEffects(AcknowledgeEffects { up_to: life.last_effect() }),
                _ => Body::SetSettings(settings),
            },
            RULES_WITH_PHONE_FORM.. if self.rng.random_ratio(1, 4) => {
                Body::RewritePhones(RewritePhones { rows_max: 2 })
            }
            _ => Body::SetSettings(settings),
        };
        let id = life.next_id(at);
        self.enqueue(at, id, body, Waiter::Nobody);
    }

    /// In some runs a fault of ours: an id that was given before, whose request is answered and no longer in flight.
    pub(super) fn draw_repeated_id(&mut self, at: usize) -> Option<RequestId> {
        if !self.plan.rules.repeats_ids || !self.rng.random_ratio(1, 20) {
            return None;
        }
        let settled = &self.nodes[at].life.as_ref()?.settled;
        let with_token: Vec<RequestId> = settled.iter().copied().filter(|id| id.token != 0).collect();
        (!with_token.is_empty()).then(|| with_token[self.rng.random_range(0..with_token.len())])
    }
}
