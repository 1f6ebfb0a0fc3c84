//! STUB

use outbound::{DoNotCallBatch, Refusal, Reply};

use crate::{turn::Turn, view::View};

pub(crate) fn decide<V: View>(_: &DoNotCallBatch, _: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    unimplemented!()
}
