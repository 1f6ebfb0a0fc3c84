//! Declarations of the stand-ins: kept as they came.

use ocs_proto::{
    control::PlanDeclarationReply,
    outbound::{ApplyDeclaration, Done, Reply, reply::Body},
};
use tonic::Status;

use super::{DoubleState, refused, reply};

/// A line for each list of the file, unless the file is the present declaration.
pub(super) fn plan(state: &mut DoubleState, asked: ApplyDeclaration) -> Result<PlanDeclarationReply, Status> {
    if state.knows_no_declarations {
        return Err(Status::unimplemented(""));
    }
    let declared = asked.declaration.unwrap();
    let names = declared.lists.iter().map(|list| format!("list {}: new", list.name));
    let differences = if declared == state.declared { Vec::new() } else { names.collect() };
    let plan = PlanDeclarationReply { revision: state.revision, differences, faults: state.faults.clone() };
    state.revision += u64::from(state.changes_meanwhile);
    Ok(plan)
}

pub(super) fn apply(state: &mut DoubleState, asked: ApplyDeclaration) -> Result<Option<Reply>, Status> {
    if asked.revision != state.revision {
        let why = format!("The declarations have revision {}, not {}", state.revision, asked.revision);
        return Ok(refused("CONFLICT", &why));
    }
    state.declared = asked.declaration.unwrap();
    state.revision += 1;
    if state.declarations_aborted > 0 {
        state.declarations_aborted -= 1;
        return Err(Status::aborted("the outcome is unknown"));
    }
    let done = Done { event: "DeclarationApplied".to_owned(), attributes: Vec::new(), records: None };
    Ok(reply(Body::Done(done)))
}
