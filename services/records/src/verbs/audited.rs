//! Audited: an order of an operator that a node has carried out, and that is no command by itself. Proposed by that node, from rules
//! version 7 on; an order that the audit has is acknowledged again.

use outbound::{Audited, Command, RULES_WITH_AUDIT, Refusal, RefusalCode, Reply};

use crate::{audit, turn::Turn, view::View};

pub(crate) fn decide<V: View>(
    order: &Audited,
    command: &Command,
    turn: &mut Turn<'_, '_, V>,
) -> Result<Reply, Refusal> {
    check(order, turn)?;
    if !audit::has_order(order, turn) {
        audit::note_order(order, command, turn);
    }
    Ok(Reply::done("OrderAudited", Vec::new()))
}

fn check<V: View>(order: &Audited, turn: &Turn<'_, '_, V>) -> Result<(), Refusal> {
    if turn.version < RULES_WITH_AUDIT {
        let message = format!("Rules version {} has no audit", turn.version);
        return Err(Refusal::new(RefusalCode::Unavailable, message));
    }
    if order.node.is_empty() || order.what.is_empty() {
        return Err(Refusal::new(RefusalCode::BadValue, "An order for the audit has a node and a name"));
    }
    Ok(())
}
