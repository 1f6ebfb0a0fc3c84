//! The sizes of architecture, Limits, fit into each other: asserted at compile time, so that no start can get past a mismatch.
//!
//! A command fits into an entry, an entry into a frame, a frame into a gRPC message on both sides (a message that no peer
//! takes would wedge the group), and a request into the link.

use consensus::core::ENTRY_BYTES_MAX;
use outbound::COMMAND_BYTES_MAX;

use peers::{FRAME_BYTES_MAX, MESSAGE_BYTES_MAX};

/// Bytes around an entry in a message, and around messages in a frame; generous.
const WRAPPING_BYTES: usize = 64 * 1024;

const _: () = assert!(COMMAND_BYTES_MAX + WRAPPING_BYTES <= ENTRY_BYTES_MAX, "a command fits into an entry");
const _: () = assert!(ENTRY_BYTES_MAX + WRAPPING_BYTES <= FRAME_BYTES_MAX, "an entry fits into a frame");
const _: () =
    assert!(FRAME_BYTES_MAX + ENTRY_BYTES_MAX + WRAPPING_BYTES <= MESSAGE_BYTES_MAX, "a frame fits into a message");
const _: () =
    assert!(http_proxy::link::FRAME_BYTES_MAX >= COMMAND_BYTES_MAX + WRAPPING_BYTES, "a request fits the link");
