//! Notifies a supervisor that starts this process with `NOTIFY_SOCKET` (systemd, `Type=notify`): ready, state in words, alive.
//! Without such a supervisor, every call does nothing.
//!
//! Each message is a datagram, sent without waiting: a stalled supervisor must not block the process.

use std::{
    env,
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

/// The supervisor's socket.
const SOCKET: &str = "NOTIFY_SOCKET";
/// The supervisor's limit between two signs of life, microseconds.
const WATCHDOG: &str = "WATCHDOG_USEC";
/// The process that the supervisor watches; absent: this process.
const WATCHDOG_PID: &str = "WATCHDOG_PID";

/// The process is ready for requests.
pub fn ready() {
    tell("READY=1");
}

/// The state of the process, in words; one line.
pub fn status(words: &str) {
    tell(&format!("STATUS={}", words.replace('\n', " ")));
}

/// A sign of life, due at least every [`watchdog`].
pub fn alive() {
    tell("WATCHDOG=1");
}

/// The supervisor's limit between two signs of life; none: no watchdog.
pub fn watchdog() -> Option<Duration> {
    let var = |name| env::var(name).ok();
    patience(var(WATCHDOG).as_deref(), var(WATCHDOG_PID).as_deref(), std::process::id())
}

/// The limit; none for variables of another process, and for a malformed or zero limit.
fn patience(microseconds: Option<&str>, of: Option<&str>, own: u32) -> Option<Duration> {
    if of.is_some_and(|of| of.parse() != Ok(own)) {
        return None;
    }
    microseconds?.parse().ok().filter(|given| *given > 0).map(Duration::from_micros)
}

fn tell(message: &str) {
    let Some(socket) = env::var_os(SOCKET) else { return };
    if let Err(error) = send(&socket, message) {
        tracing::debug!(%error, "the supervisor was not told {message:?}");
    }
}

fn send(socket: &OsStr, message: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let from = UnixDatagram::unbound()?;
    from.set_nonblocking(true)?;
    from.send_to_addr(message.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reaches_a_socket_with_a_path_and_one_with_an_abstract_name() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("notify");
        let name = format!("ocs-notify-{}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
        let sockets = [
            (path.clone().into_os_string(), UnixDatagram::bind(&path).unwrap()),
            (format!("@{name}").into(), UnixDatagram::bind_addr(&abstract_name).unwrap()),
        ];
        for (address, socket) in sockets {
            send(&address, "READY=1").unwrap();
            let mut taken = [0; 64];
            let length = socket.recv(&mut taken).unwrap();
            assert_eq!(&taken[..length], b"READY=1");
        }
    }

    #[test]
    fn a_supervisor_that_is_gone_is_an_error_and_no_wait() {
        let home = tempfile::tempdir().unwrap();
        assert!(send(home.path().join("none").as_os_str(), "READY=1").is_err());
    }

    #[test]
    fn a_watchdog_counts_for_the_process_that_it_names() {
        let minute = Some(Duration::from_secs(60));
        assert_eq!(patience(Some("60000000"), None, 7), minute);
        assert_eq!(patience(Some("60000000"), Some("7"), 7), minute);
        assert_eq!(patience(Some("60000000"), Some("8"), 7), None);
        assert_eq!(patience(Some("0"), None, 7), None);
        assert_eq!(patience(Some("soon"), None, 7), None);
        assert_eq!(patience(None, None, 7), None);
    }
}
