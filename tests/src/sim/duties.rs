//! The campaign's way through a run: an operator raises the rules version, declares and loads; the primary brings records up, and
//! does the changes that are due.
//!
//! Follows `node::duties` and `ocsctl apply`: each step is a command that a primary proposes while its state shows the step
//! undone, so that another primary goes on. Called by `world` and `callers`.

use outbound::{Body, BringUp, Due, RULES_WITH_CAMPAIGNS};
use records::{Key, MapView, Row, View, group_state};

use super::{
    callers::CampaignPlan,
    campaign::{self, GROUP, QUEUE_PHONE},
    event::Event,
    node::Waiter,
    upgrade,
    world::World,
};

/// Records of one command that brings records up: a few, so that there are several commands.
const BROUGHT_UP_ROWS: u32 = 5;
/// Records of one command that does due changes.
const DUE_ROWS: u32 = 3;

impl World {
    /// In some runs a campaign begins some time.
    pub(super) fn begin_campaign(&mut self) {
        if self.callers.plan.has_campaign() {
            let begins_us = self.callers.draw_us(100_000..2_000_000);
            self.after(begins_us, Event::Campaign);
            self.begin_callers();
        }
    }

    /// Every primary proposes its next step, and looks again a moment later.
    pub(super) fn look_after_campaign(&mut self) {
        if self.clients.quiet {
            return;
        }
        let pause_us = self.callers.draw_us(30_000..120_000);
        self.after(pause_us, Event::Campaign);
        for at in self.places() {
            let Some(body) = self.next_step(at) else { continue };
            let Some(life) = &mut self.nodes[at].life else { continue };
            let id = life.next_id(at);
            self.enqueue(at, id, body, Waiter::Nobody);
        }
    }

    /// The next step in the state of a primary; none: nothing is to be done here.
    fn next_step(&self, at: usize) -> Option<Body> {
        let node = &self.nodes[at];
        let life = node.life.as_ref().filter(|life| node.awake(self.now) && life.core.serving())?;
        let state = life.state.as_ref()?;
        let version = state.rules_version();
        if version < RULES_WITH_CAMPAIGNS {
            return Some(upgrade::raise(version + 1, Vec::new()));
        }
        step_of_operator(self.callers.plan, &state.map).or_else(|| step_of_primary(&state.map))
    }

    /// Whether the campaign is loaded and every record is brought up, in the state of the reference.
    pub(super) fn campaign_is_open(&self) -> bool {
        let map = &self.watch.reference.map;
        is_loaded(map) && records::bring_up(map).done
    }
}

/// The operator's next step. The queue is on Do-Not-Call before anything is handed out.
fn step_of_operator(plan: CampaignPlan, map: &MapView) -> Option<Body> {
    if records::declared(map).revision() == 0 {
        return Some(campaign::declaration(plan.limit));
    }
    if is_loaded(map) {
        return None;
    }
    if plan.has_queue && records::records_by_phone(map, QUEUE_PHONE, 1).is_empty() {
        return Some(campaign::queue());
    }
    if plan.has_queue && records::do_not_call_of(map, QUEUE_PHONE).1.is_empty() {
        return Some(campaign::entry(QUEUE_PHONE, b"queue"));
    }
    Some(campaign::load())
}

/// The next step that a primary takes by itself.
fn step_of_primary(map: &MapView) -> Option<Body> {
    if !records::bring_up(map).done {
        return Some(Body::BringUp(BringUp { rows_max: BROUGHT_UP_ROWS }));
    }
    // stamps are the only time here: clients' updates move them on
    records::is_due(map, records::last_stamp_us(map)).then_some(Body::Due(Due { rows_max: DUE_ROWS }))
}

fn is_loaded(map: &MapView) -> bool {
    matches!(map.get(&Key::Group(GROUP)), Some(Row::Group(row)) if row.state == group_state::LOADED)
}
