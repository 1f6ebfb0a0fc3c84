//! `group load`, `start`, `stop`, `unload` and `unload-now`: the requests of clients that control a campaign group, from an
//! operator. Repeating a request changes nothing.

use std::time::Duration;

use ocs_proto::{
    control::ControlGroupRequest,
    outbound::{Done, value::Kind},
};

use super::record_get::view;
use crate::{
    call::{self, CallError},
    cli::GroupArgs,
    cluster::{Client, Cluster},
    failure::Failure,
    print::{self, Out},
};

/// How long to look for a node that answers, over a failover.
const RETRY_FOR: Duration = Duration::from_secs(15);

/// Names of requests (spec 5).
pub(crate) const LOAD: &str = "LoadCampaign";
/// See [`LOAD`].
pub(crate) const START: &str = "StartDialing";
/// See [`LOAD`].
pub(crate) const STOP: &str = "StopDialing";
/// See [`LOAD`].
pub(crate) const UNLOAD: &str = "UnloadCampaign";
/// See [`LOAD`].
pub(crate) const UNLOAD_NOW: &str = "ForceUnloadCampaign";

/// Any data node forwards the request to the primary.
pub(crate) async fn run(cluster: &Cluster, out: Out, args: &GroupArgs, request: &str) -> Result<(), Failure> {
    let asked = ControlGroupRequest { group: args.group.clone(), request: request.to_owned() };
    let ask = |mut client: Client| {
        let asked = asked.clone();
        async move {
            let reply = client.control_group(asked).await.map_err(CallError::from)?;
            call::done(reply.into_inner().reply)
        }
    };
    let done = cluster.on_any(RETRY_FOR, ask).await?;
    let sentence = sentence(&args.group, &done);
    out.show(&view(done), |_| sentence)
}

/// The state of the group by its acknowledging event (spec 5).
fn sentence(group: &str, done: &Done) -> String {
    let group = print::visible(group);
    match done.event.as_str() {
        "CampaignLoaded" => format!("{group} is loaded"),
        "DialingStarted" => format!("{group} is started"),
        "DialingStopped" => format!("{group} is stopped"),
        "CampaignUnloaded" => format!("{group} is unloaded"),
        "CampaignUnloading" => format!("{group} is unloading: agents still hold {} records", held(done)),
        event => format!("{group}: {}", print::visible(event)),
    }
}

fn held(done: &Done) -> i64 {
    let records = done.attributes.iter().find(|pair| pair.key == "GSW_RECORDS");
    match records.and_then(|pair| pair.value.as_ref()?.kind.as_ref()) {
        Some(Kind::Int(records)) => *records,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use ocs_proto::outbound::{Attribute, Value};

    use super::*;

    #[test]
    fn every_event_is_the_state_of_the_group() {
        let records = Attribute { key: "GSW_RECORDS".into(), value: Some(Value { kind: Some(Kind::Int(3)) }) };
        for (event, words) in [
            ("CampaignLoaded", "A@B is loaded"),
            ("DialingStarted", "A@B is started"),
            ("DialingStopped", "A@B is stopped"),
            ("CampaignUnloaded", "A@B is unloaded"),
            ("CampaignUnloading", "A@B is unloading: agents still hold 3 records"),
            ("SomethingElse", "A@B: SomethingElse"),
        ] {
            let done = Done { event: event.into(), attributes: vec![records.clone()], records: None };
            assert_eq!(sentence("A@B", &done), words);
        }
    }
}
