//! STUB

use outbound::{Refusal, Reply, Request};

use crate::view::View;

pub(super) fn decide(_: &Request, _: &impl View) -> Result<Reply, Refusal> {
    unimplemented!()
}
