//! The allocator of a node: fast on a data node, which applies updates, and small on a witness, which only keeps them.
//!
//! The node's program sets [`Jemalloc`] as its global allocator, with its settings. glibc's allocator needs half as much time
//! again to apply an update, and keeps a heap a thread.

pub use tikv_jemallocator::Jemalloc;

/// The time that freed memory is kept, milliseconds, by both heaps and by any later heap.
const DECAY: [&[u8]; 3] = [b"arenas.dirty_decay_ms\0", b"arena.0.dirty_decay_ms\0", b"arena.1.dirty_decay_ms\0"];

/// Returns freed memory to the system at once. For a witness, called before the process starts threads.
#[allow(unsafe_code)] // the allocator's settings have no safe interface
pub fn stay_small() {
    for name in DECAY {
        // SAFETY: these settings take a signed size; an unknown setting is refused and changes nothing.
        let _kept_as_it_was = unsafe { tikv_jemalloc_ctl::raw::write(name, 0_isize) };
    }
}
