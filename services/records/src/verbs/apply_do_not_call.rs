//! STUB

use outbound::{ApplyDoNotCall, Refusal, Reply};

use crate::{turn::Turn, view::View};

pub(crate) fn decide<V: View>(_: &ApplyDoNotCall, _: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    unimplemented!()
}
