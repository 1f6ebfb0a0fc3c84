//! STUB

use outbound::{Refusal, Reply, Request};

use crate::{turn::Turn, view::View};

pub(crate) fn decide<V: View>(_: &Request, _: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    unimplemented!()
}
