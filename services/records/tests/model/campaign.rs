//! States of campaign groups (spec 9, Campaign groups).

use outbound::{Verb, key};

use crate::{
    config::FIRST_GROUP,
    model::{Answer, Model, State, int},
    readings,
};

impl Model {
    pub fn campaign(&mut self, verb: Verb, group: usize) -> Answer {
        use State::{Loaded, NotLoaded, Running, Stopped, Unloading};
        let state = self.states[group];
        let held = self.holds(group).count() as u64;
        let unloading = if held == 0 { NotLoaded } else { Unloading };
        // the table of the specification, a row a request
        let next = match (verb, state) {
            (Verb::CampaignStatusRequest, state) => Some(state),
            (Verb::LoadCampaign, NotLoaded) => Some(Loaded),
            (Verb::LoadCampaign, Unloading) => None,
            (Verb::LoadCampaign, state) => Some(state),
            (Verb::StartDialing, NotLoaded | Unloading) => None,
            (Verb::StartDialing, _) => Some(Running),
            (Verb::StopDialing, NotLoaded | Unloading) => None,
            (Verb::StopDialing, _) => Some(Stopped),
            (Verb::UnloadCampaign, NotLoaded | Unloading) => Some(state),
            (Verb::UnloadCampaign, _) => Some(unloading),
            (Verb::ForceUnloadCampaign, _) => Some(NotLoaded),
            (verb, _) => panic!("{verb:?} is no request of a campaign"),
        };
        let Some(next) = next else { return Answer::Refused(vec!["CONFLICT"]) };
        if verb == Verb::ForceUnloadCampaign {
            self.give_all_back(group);
        }
        self.set_state(group, next);
        let event = match (verb, next) {
            (Verb::LoadCampaign, _) | (Verb::CampaignStatusRequest, Loaded) => "CampaignLoaded",
            (Verb::StartDialing, _) => "DialingStarted",
            (Verb::StopDialing, _) => "DialingStopped",
            (Verb::CampaignStatusRequest, Running) => "CampaignStarted",
            (Verb::CampaignStatusRequest, Stopped) => "CampaignStopped",
            (_, Unloading) => "CampaignUnloading",
            _ => "CampaignUnloaded",
        };
        let mut keys = vec![(key::CAMPAIGN_GROUP_DBID, int(u64::from(FIRST_GROUP) + group as u64))];
        if verb == Verb::CampaignStatusRequest && next == Unloading {
            keys.push((key::RECORDS, int(held)));
        }
        Answer::Done(event, keys, Vec::new())
    }

    pub fn set_state(&mut self, group: usize, state: State) {
        if state == State::NotLoaded && readings::UNLOADING_FORGETS_THE_ROUND_ROBIN {
            self.weights.retain(|(of, _), _| *of != group);
        }
        self.states[group] = state;
    }

    fn give_all_back(&mut self, group: usize) {
        let holds = |held: &crate::record::Held| held.group == group;
        for record in self.records.iter_mut().filter(|record| record.held.as_ref().is_some_and(holds)) {
            record.give_back();
        }
    }
}
