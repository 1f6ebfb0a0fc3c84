//! Metrics of previews: hand-outs by group and class, empty answers, and records that previews passed over.

use pair::PreviewCounts;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::store;

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

    pub(super) fn refresh(&self, counts: &PreviewCounts) {
        for ((group, class), count) in &counts.handed_out {
            store(&self.handed_out.get_or_create(&HandOutLabels { group: *group, class: class.word() }), *count);
        }
        for (group, count) in &counts.empty {
            store(&self.empty.get_or_create(&GroupLabel { group: *group }), *count);
        }
        store(&self.met_on_do_not_call, counts.met_on_do_not_call);
        store(&self.held_back, counts.held_back);
    }
}
