//! STUB

use outbound::{BringUp, Refusal, Reply};

use crate::{turn::Turn, view::View};

pub(crate) fn decide<V: View>(_: BringUp, _: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    unimplemented!()
}
