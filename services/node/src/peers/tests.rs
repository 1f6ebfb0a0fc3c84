//! Two nodes on real sockets.
