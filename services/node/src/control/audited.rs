//! Orders as the audit names them: subject, details and outcome, out of question and answer.
//!
//! Pure. A dry run is no order, and neither is an order that a node passes on to the primary by its answer. Called by the control API.

use ocs_proto::control::{
    DrainReply, ForcePrimaryReply, PauseReply, ProxyRestartReply, ReloadReply, SetModeReply, SwitchoverReply,
    TlsReloadReply, UpgradeReply,
};
use outbound::Refusal;

use crate::audit::{Order, Outcome};

/// The part of every answer by which a node names the primary in its place.
const ASK_THE_PRIMARY: &str = "is not the primary";

fn order(what: &'static str, about: impl Into<String>, outcome: Outcome, details: impl Into<String>) -> Order {
    Order { what, about: about.into(), details: details.into(), outcome }
}

/// An order with its answer; none: the answer only names the primary.
fn answered(what: &'static str, about: &str, done: bool, details: String, reason: &str) -> Option<Order> {
    match done {
        true => Some(order(what, about, Outcome::Done, details)),
        false => (!reason.contains(ASK_THE_PRIMARY)).then(|| order(what, about, Outcome::Refused, reason)),
    }
}

pub(super) fn switchover(dry_run: bool, reply: &SwitchoverReply) -> Option<Order> {
    let SwitchoverReply { done, from, to, duration_ms, reason, .. } = reply;
    let details = format!("from {from}, in {duration_ms} ms");
    if dry_run { None } else { answered("Switchover", to, *done, details, reason) }
}

pub(super) fn pause(paused: bool, reply: &PauseReply) -> Option<Order> {
    answered(if paused { "Pause" } else { "Resume" }, "", reply.done, String::new(), &reply.reason)
}

pub(super) fn upgrade(dry_run: bool, reply: &UpgradeReply) -> Option<Order> {
    let UpgradeReply { done, reason, formats, formats_newest, rules, rules_newest, .. } = reply;
    let details = format!("formats {formats} to {formats_newest}, rules {rules} to {rules_newest}");
    if dry_run { None } else { answered("Upgrade", "", *done, details, reason) }
}

/// An order that is taken enters the audit with the role of its node.
pub(super) fn force_primary(dry_run: bool, reply: &ForcePrimaryReply) -> Option<Order> {
    let is_refused = !dry_run && !reply.ordered;
    is_refused.then(|| order("ForcePrimary", &reply.node, Outcome::Refused, &reply.reason))
}

pub(super) fn set_mode(asked: &str, reply: &SetModeReply) -> Option<Order> {
    answered("SetMode", asked, reply.done, String::new(), &reply.reason)
}

pub(super) fn reload(reply: &ReloadReply) -> Order {
    let (outcome, lines) = if reply.done { (Outcome::Done, &reply.changes) } else { (Outcome::Refused, &reply.faults) };
    order("Reload", &reply.node, outcome, lines.join("; "))
}

pub(super) fn proxy_restart(reply: &ProxyRestartReply) -> Order {
    order("ProxyRestart", &reply.node, outcome(reply.done), &reply.reason)
}

pub(super) fn drain(undo: bool, reply: &DrainReply) -> Order {
    order(if undo { "Undrain" } else { "Drain" }, &reply.node, outcome(reply.done), &reply.reason)
}

pub(super) fn tls_reload(reply: &TlsReloadReply) -> Order {
    let changed = reply.certificates.iter().filter(|one| one.changed).count();
    let faults = reply.certificates.iter().filter(|one| !one.fault.is_empty());
    let faults: Vec<String> = faults.map(|one| format!("{}: {}", one.usage, one.fault)).collect();
    match faults.is_empty() {
        true => order("TlsReload", &reply.node, Outcome::Done, format!("{changed} changed")),
        false => order("TlsReload", &reply.node, Outcome::Refused, faults.join("; ")),
    }
}

/// The node notes the begin of a backup: its client may take hours for the bytes.
pub(super) fn backup(node: &str, begun: Result<(), &tonic::Status>) -> Order {
    match begun {
        Ok(()) => order("CreateBackup", node, Outcome::Begun, ""),
        Err(status) => order("CreateBackup", node, Outcome::Refused, status.message()),
    }
}

/// A backup into the node's own directory, which a schedule or an order writes to its end.
pub(super) fn made_backup(node: &str, refused: Option<&Refusal>) -> Order {
    match refused {
        None => order("CreateBackup", node, Outcome::Begun, "into backup.directory"),
        Some(refusal) => order("CreateBackup", node, Outcome::Refused, &refusal.message),
    }
}

/// `refused`: why the node stays; none: the node ends, and notes the order before.
pub(super) fn give_up(node: &str, refused: Option<&str>) -> Order {
    match refused {
        None => order("GiveUp", node, Outcome::Begun, ""),
        Some(reason) => order("GiveUp", node, Outcome::Refused, reason),
    }
}

/// A change that the node has refused before it became a command.
pub(super) fn refused(what: &'static str, about: &str, refusal: &Refusal) -> Order {
    order(what, about, Outcome::Refused, &refusal.message)
}

const fn outcome(done: bool) -> Outcome {
    if done { Outcome::Done } else { Outcome::Refused }
}

#[cfg(test)]
mod tests {
    use ocs_proto::control::CertificateInfo;

    use super::*;

    #[test]
    fn an_order_has_its_subject_and_its_outcome() {
        let moved = SwitchoverReply {
            done: true,
            from: "a".into(),
            to: "b".into(),
            duration_ms: 90,
            ..SwitchoverReply::default()
        };
        let done = order("Switchover", "b", Outcome::Done, "from a, in 90 ms");
        assert_eq!(switchover(false, &moved), Some(done));
        let refused = SwitchoverReply { reason: "b has a full disk".into(), ..SwitchoverReply::default() };
        assert_eq!(switchover(false, &refused).unwrap().outcome, Outcome::Refused);
        let fault = CertificateInfo { usage: "http".into(), fault: "half a file".into(), ..CertificateInfo::default() };
        let reloaded = TlsReloadReply { node: "a".into(), certificates: vec![fault] };
        assert_eq!(tls_reload(&reloaded), order("TlsReload", "a", Outcome::Refused, "http: half a file"));
        let faulty = ReloadReply { node: "a".into(), faults: vec!["key x".into()], ..ReloadReply::default() };
        assert_eq!(reload(&faulty), order("Reload", "a", Outcome::Refused, "key x"));
    }

    #[test]
    fn a_dry_run_and_an_answer_that_names_the_primary_are_no_orders() {
        let elsewhere = || "a is not the primary: ask b".to_owned();
        let of_pause = PauseReply { done: false, reason: elsewhere() };
        assert_eq!(pause(true, &of_pause), None);
        let of_upgrade = UpgradeReply { reason: elsewhere(), ..UpgradeReply::default() };
        assert_eq!(upgrade(false, &of_upgrade), None);
        assert_eq!(upgrade(true, &UpgradeReply { done: true, ..UpgradeReply::default() }), None);
        assert_eq!(switchover(true, &SwitchoverReply { done: true, ..SwitchoverReply::default() }), None);
        let taken = ForcePrimaryReply { ordered: true, ..ForcePrimaryReply::default() };
        assert_eq!(force_primary(false, &taken), None);
        assert_eq!(force_primary(false, &ForcePrimaryReply::default()).unwrap().outcome, Outcome::Refused);
    }
}
