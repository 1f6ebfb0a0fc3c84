//! STUB

use outbound::{ApplyDeclaration, Refusal, Reply};

use crate::{turn::Turn, view::View};

pub(crate) fn decide<V: View>(_: &ApplyDeclaration, _: &mut Turn<'_, '_, V>) -> Result<Reply, Refusal> {
    unimplemented!()
}
