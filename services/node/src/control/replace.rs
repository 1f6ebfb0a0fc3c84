//! A running node gives its Raft id up, to join again under a new id (R11 one-id-one-log).
//!
//! Never the primary, and never a node without which the others are no quorum: updates would stop, and no primary could take the
//! node in. A node whose start the other voters do not confirm hears of no primary; the operator's command asks only after seeing
//! one. Called by the control API.

use consensus::{StartStanding, Status};
use ocs_proto::control::{GiveUpReply, PeerLag};

use super::{ControlApi, audited};
use crate::{
    audit::Who,
    role::{Role, RoleView},
};

/// The audit has the order before the process ends with it.
pub(super) async fn give_up(api: &ControlApi, who: Who) -> GiveUpReply {
    let role = &api.sources.role;
    let (view, own) = (role.ask().await, &role.roster().own().name);
    let refused = |reason: String| GiveUpReply { done: false, reason };
    if let Err(reason) = may_give_up(&view, takes_part(&role.status()), &role.peers()) {
        api.audit.note(who, audited::give_up(own, Some(&reason))).await;
        return refused(reason);
    }
    api.audit.note(who, audited::give_up(own, None)).await;
    let give_up = api.give_up.clone();
    match tokio::task::spawn_blocking(move || give_up()).await {
        Ok(Ok(())) => GiveUpReply { done: true, reason: String::new() },
        Ok(Err(reason)) => refused(reason),
        Err(_) => refused("the node is stopping".to_owned()),
    }
}

/// Whether the messages of this node count: an unconfirmed start and a frozen log confirm no role and carry no update.
fn takes_part(status: &Status) -> bool {
    status.start == StartStanding::Confirmed && !status.frozen
}

/// Whether the others go on without this node: a primary among them, and with that primary a majority of all voters.
fn may_give_up(view: &RoleView, takes_part: bool, peers: &[PeerLag]) -> Result<(), String> {
    let others: Vec<&PeerLag> = peers.iter().filter(|peer| peer.voter).collect();
    let connected = others.iter().filter(|peer| peer.connected).count();
    let silent: Vec<&str> = others.iter().filter(|peer| !peer.connected).map(|peer| peer.node.as_str()).collect();
    if view.role == Role::Primary {
        Err("it is the primary: switch over first".to_owned())
    } else if takes_part && !view.answers() {
        Err("no primary is confirmed: nobody could take it in again".to_owned())
    } else if connected * 2 <= others.len() + 1 {
        let why = if silent.is_empty() {
            "there are too few".to_owned()
        } else {
            format!("{} is away", silent.join(" and "))
        };
        Err(format!("the others would be no quorum without it: {why}"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pair::fakes::{A, status as core_status};

    fn view(role: Role, primary: &str) -> RoleView {
        RoleView { role, confirmed: true, term: 3, primary: primary.into() }
    }

    fn peer(node: &str, connected: bool) -> PeerLag {
        PeerLag { node: node.into(), connected, voter: true, ..PeerLag::default() }
    }

    #[test]
    fn only_a_node_without_which_the_others_go_on_gives_up() {
        let whole = [peer("a", true), peer("w", true)];
        assert_eq!(may_give_up(&view(Role::Backup, "a"), true, &whole), Ok(()));
        assert_eq!(may_give_up(&view(Role::Witness, "a"), true, &whole), Ok(()));
        let refused = |view: &RoleView, peers: &[PeerLag]| may_give_up(view, true, peers).unwrap_err();
        assert!(refused(&view(Role::Primary, "b"), &whole).contains("switch over first"));
        assert!(refused(&view(Role::Backup, ""), &whole).contains("no primary"));
        assert!(refused(&view(Role::Backup, "a"), &[peer("a", true), peer("w", false)]).contains("w is away"));
        assert!(refused(&view(Role::Backup, "a"), &[peer("a", true)]).contains("too few"), "a pair");
    }

    #[test]
    fn a_node_that_takes_no_part_gives_up_without_a_primary_of_its_own_where_the_others_are_a_quorum() {
        let unknown = RoleView { confirmed: false, ..view(Role::Unknown, "") };
        let away = [peer("a", true), peer("w", false)];
        assert_eq!(may_give_up(&unknown, false, &[peer("a", true), peer("w", true)]), Ok(()));
        assert!(may_give_up(&unknown, false, &away).unwrap_err().contains("w is away"));
        let asking = Status { start: StartStanding::Asking("a: no answer".into()), ..core_status(3, A) };
        let frozen = Status { frozen: true, ..core_status(3, A) };
        assert!(takes_part(&core_status(3, A)) && !takes_part(&asking) && !takes_part(&frozen));
    }
}
