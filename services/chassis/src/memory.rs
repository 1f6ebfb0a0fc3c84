//! The allocator of a node: fast where updates are applied, small where they are only kept.
//!
//! The node's program names it as its own ([`Jemalloc`]), with its settings. glibc's takes half as much time again to apply
//! an update, and keeps a heap a thread.

pub use tikv_jemallocator::Jemalloc;

/// How long freed memory is kept, milliseconds, by both heaps and by any that comes.
const DECAY: [&[u8]; 3] = [b"arenas.dirty_decay_ms\0", b"arena.0.dirty_decay_ms\0", b"arena.1.dirty_decay_ms\0"];

/// Nothing is held back for later: what is freed is the system's at once. For a witness, before it starts a thread.
#[allow(unsafe_code)] // the allocator's settings have no safe interface
pub fn stay_small() {
    for name in DECAY {
        // SAFETY: these settings take a signed size; one that is not there is refused and changes nothing.
        let _kept_as_it_was = unsafe { tikv_jemalloc_ctl::raw::write(name, 0_isize) };
    }
}
