//! Keeping a process small: what the allocator may hold back for later. Never called where speed is worth more than memory.
//!
//! Called once by a node that is a witness, before it starts a thread.

/// Buffers from this size on are the system's again as soon as they are freed, bytes.
const LARGE_BYTES: i32 = 64 * 1024;
/// As much as may lie free at the end of the heap, bytes.
const FREE_BYTES_MAX: i32 = 128 * 1024;

/// One heap for all threads, large buffers beside it, and nothing held back: glibc would keep a heap a thread, and what one large
/// message took for ever.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)] // the allocator's settings have no safe interface
pub fn stay_small() {
    let settings =
        [(libc::M_ARENA_MAX, 1), (libc::M_MMAP_THRESHOLD, LARGE_BYTES), (libc::M_TRIM_THRESHOLD, FREE_BYTES_MAX)];
    for (parameter, value) in settings {
        // SAFETY: mallopt takes two numbers, keeps no pointer, and answers 0 to what it does not know.
        unsafe { libc::mallopt(parameter, value) };
    }
}

/// Other allocators have no such settings.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn stay_small() {}
