//! Metrics of previews: hand-outs by group and class, empty answers, and records that previews passed over.

use std::collections::BTreeSet;

use pair::PreviewCounts;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use records::HandOutClass;

use super::store;

/// All classes of hand-outs.
const CLASSES: [HandOutClass; 3] = [HandOutClass::Personal, HandOutClass::Callback, HandOutClass::General];

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct GroupLabel {
    /// DBID.
    group: u32,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct HandOutLabels {
    /// DBID.
    group: u32,
    class: &'static str,
}

#[derive(Debug, Default)]
pub(super) struct Previews {
    handed_out: Family<HandOutLabels, Counter>,
    empty: Family<GroupLabel, Counter>,
    met_on_do_not_call: Counter,
    held_back: Counter,
}

impl Previews {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let previews = Self::default();
        let help = "Records handed out, by DBID of the campaign group and class";
        registry.register("handed_out", help, previews.handed_out.clone());
        let help = "Previews that found no record, by DBID of the campaign group";
        registry.register("previews_empty", help, previews.empty.clone());
        let help = "Records that previews met on Do-Not-Call: each became NoCall";
        registry.register("met_on_do_not_call", help, previews.met_on_do_not_call.clone());
        let help = "Records that previews met and a contact limit held back";
        registry.register("held_back", help, previews.held_back.clone());
        previews
    }

    /// All counts of a campaign group begin with its first preview, at 0 where they have no event yet.
    pub(super) fn refresh(&self, counts: &PreviewCounts) {
        let groups: BTreeSet<u32> =
            counts.handed_out.keys().map(|(group, _)| *group).chain(counts.empty.keys().copied()).collect();
        for group in groups {
            for class in CLASSES {
                let count = counts.handed_out.get(&(group, class)).copied().unwrap_or_default();
                store(&self.handed_out.get_or_create(&HandOutLabels { group, class: class.word() }), count);
            }
            let empty = counts.empty.get(&group).copied().unwrap_or_default();
            store(&self.empty.get_or_create(&GroupLabel { group }), empty);
        }
        store(&self.met_on_do_not_call, counts.met_on_do_not_call);
        store(&self.held_back, counts.held_back);
    }
}
