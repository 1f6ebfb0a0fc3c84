//! STUB

use outbound::{Due, Refusal, Reply};

use crate::{turn::Turn, view::View};

pub(crate) fn decide<V: View>(_: Due, _: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    unimplemented!()
}
