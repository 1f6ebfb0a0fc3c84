//! The rules of calling lists.
//!
//! Pure, deterministic, infallible: a command and a view of the state in; a reply, changes and events out. Never
//! contains a clock, a random number, a file, a task, or a word of Raft or HTTP. Called by `node` on the apply thread,
//! on a [`View`] of `store`, and by the simulator on a [`MapView`].

mod digest;
mod key;
mod map;
mod overlay;
mod phone;
mod row;
mod view;

pub use digest::{digest_of, digest_of_changes};
pub use key::{DncScope, DncSubject, Key, Scope, Table};
pub use map::MapView;
pub use overlay::Overlay;
pub use phone::canonical_phone;
pub use row::{
    DncRow, FieldRow, FloorRow, IdempotencyRow, ImportBatchRow, KeyRow, ListRow, MetaRow, NumberRow, RecordRow,
    RequestIdRow, RequestRow, Row,
};
pub use view::{Bound, Change, Changes, View};
