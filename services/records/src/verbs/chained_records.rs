//! ChainedRecordRequest: the other records of a record's chain, each as `GET` shows it (spec 5). Only reads.

use outbound::{CHAIN_RECORDS_MAX, Pairs, Refusal, Reply, Request};

use super::{
    get_record,
    target::{self, Target},
};
use crate::{
    acknowledge::Acknowledge,
    fields::{check_form, ignored_keys},
    lookup,
    view::View,
};

pub(crate) fn decide(request: &Request, view: &impl View) -> Result<Reply, Refusal> {
    let version = lookup::rules_version(view);
    let target = check(request, view, version)?;
    Ok(acknowledge(request, &target, view, version))
}

fn check(request: &Request, view: &impl View, version: u32) -> Result<Target, Refusal> {
    let target = target::record(request, view, || version)?;
    check_form(request, &target.list, version)?;
    target::check_list(request, target.record.list, &target.list)?;
    target::check_attempt(request, &target)?;
    Ok(target)
}

/// The others come by chain_n; of a longer chain as many as take part in dialling.
fn acknowledge(request: &Request, target: &Target, view: &impl View, version: u32) -> Reply {
    let chain = lookup::chain(view, target.record.list, target.record.chain_id);
    let others = chain.filter(|handle| *handle != target.handle);
    let records = others.filter_map(|handle| {
        let record = lookup::record(view, handle)?;
        Some(shown(&Target { handle, record, list: target.list.clone() }, view))
    });
    let records = records.take(usize::try_from(CHAIN_RECORDS_MAX).unwrap_or(usize::MAX)).collect();
    let begun = Acknowledge::to(request).record(&target.list.name, target.handle);
    let ignored = ignored_keys(request, &target.list, version);
    begun.ignored(&ignored, version).done_with("ChainedRecordsDataEnd", records)
}

fn shown(target: &Target, view: &impl View) -> Pairs {
    get_record::pairs(Acknowledge::of_record(), target, view).into_pairs()
}
