//! The form of an address, and whether the address stays on this machine. Never resolves a name. Called by the check.

use std::net::IpAddr;

/// Takes `host:port` or `[v6]:port` apart. None: the text has neither form.
pub(super) fn split(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    let host = match host.strip_prefix('[') {
        Some(inside) => inside.strip_suffix(']')?,
        None if host.contains(':') => return None,
        None => host,
    };
    let port: u16 = port.parse().ok()?;
    (!host.is_empty() && port != 0).then_some((host, port))
}

/// Whether the address names another machine, or may. A host name may, `localhost` excepted; a malformed address does not.
pub(super) fn is_outside(address: &str) -> bool {
    let Some((host, _)) = split(address) else { return false };
    !host.eq_ignore_ascii_case("localhost") && !host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether a port for HTTP is reached from other machines. A host name may be any address, `localhost` excepted.
pub(crate) fn leaves_the_machine(listen: &str) -> bool {
    let host = listen.rsplit_once(':').map_or(listen, |(host, _)| host);
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    !host.eq_ignore_ascii_case("localhost") && !host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
