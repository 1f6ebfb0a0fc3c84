//! A data node starts with nonsense in the files of its state: see `docs/drills/corrupted-store.md`. Called by `drill`.

use ocs_ha_tests::{
    disk::spoil,
    drill::{Drill, Plain, Round, Stage},
};

pub(crate) const DRILL: Drill =
    Drill { name: "corrupted-store", bar: None, network: false, scenario: || Box::new(Plain(round)) };

fn round(stage: &mut Stage) -> Round {
    let (primary, backup) = stage.roles();
    let spoilt = [backup, primary][stage.number as usize % 2];
    stage.kill(spoilt);
    stage.cluster.kill(spoilt); // reaps the process
    spoil(&stage.cluster.settings().data(spoilt).join("state"));
    stage.more(stage.cluster.other(spoilt), 30);
    stage.cluster.start_node(spoilt, &[]);
    stage.back(spoilt);
    assert!(stage.said(spoilt).contains("it is moved aside"), "{spoilt} did not say that its state is bad");
    Round::of(format!("spoil the state of {spoilt}"))
}
