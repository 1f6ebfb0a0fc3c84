//! The authority of a request: its `Host`, and the target where that names a host too (spec 2, 10; RFC 9112, 3.2 and 3.3).
//!
//! An authority that is taken here may stand in a record's URI. Never resolves a name. Called by `serve`.

use std::net::Ipv6Addr;

use http::{HeaderMap, Uri, Version, header};
use outbound::{Refusal, RefusalCode};

/// Largest name of a host, bytes.
const NAME_BYTES_MAX: usize = 255;
/// Digits of a port, at most.
const PORT_DIGITS_MAX: usize = 5;

/// The host that a request addresses, with its port; none if the request names no host.
///
/// HTTP/1.1 asks for exactly one `Host`, HTTP/1.0 for at most one; an absolute-form target must agree with it.
///
/// # Errors
/// BAD_VALUE, and the connection ends: the addressee of the request is not clear.
pub fn host<'a>(version: Version, target: &'a Uri, headers: &'a HeaderMap) -> Result<Option<&'a str>, Refusal> {
    let host = host_header(version, headers)?;
    let Some(scheme) = target.scheme_str() else {
        if target.authority().is_some() {
            return Err(bad("the target of the request is a host alone, as of CONNECT, which is not taken"));
        }
        let named = host.filter(|host| !host.is_empty());
        return Ok(named.map(without_empty_port));
    };
    let Some(default_port) = default_port(scheme) else {
        return Err(bad("the target of the request is neither http nor https"));
    };
    let authority = target.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err(bad("the target of the request has user-info, which is not taken"));
    }
    let of_target = Authority::parse(authority).ok_or_else(|| bad("the target of the request names no host"))?;
    let of_header = host.map(Authority::parse);
    let agree = |other: Option<Authority<'_>>| other.is_some_and(|other| of_target.is(&other, default_port));
    if of_header.is_some_and(|of_header| !agree(of_header)) {
        return Err(bad("the target of the request and its Host header name different hosts"));
    }
    Ok(Some(without_empty_port(authority)))
}

/// The one `Host`, which may be empty.
fn host_header(version: Version, headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if version >= Version::HTTP_11 => Err(bad("the Host header is missing")),
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(bad("more than one Host header")),
        (Some(host), None) => match host.to_str() {
            Ok(host) if host.is_empty() || Authority::parse(host).is_some() => Ok(Some(host)),
            _ => Err(bad("the Host header names no host (host, or host:port)")),
        },
    }
}

fn bad(message: &str) -> Refusal {
    Refusal::new(RefusalCode::BadValue, message)
}

fn default_port(scheme: &str) -> Option<u16> {
    match () {
        () if scheme.eq_ignore_ascii_case("http") => Some(80),
        () if scheme.eq_ignore_ascii_case("https") => Some(443),
        () => None,
    }
}

/// `host:` means `host`.
fn without_empty_port(authority: &str) -> &str {
    authority.strip_suffix(':').unwrap_or(authority)
}

/// Host and port, without user-info.
#[derive(Debug, PartialEq, Eq)]
struct Authority<'a> {
    /// A name, an IPv4 address, or an IPv6 one in its brackets.
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let end = match text.strip_prefix('[') {
            Some(rest) => rest.find(']')? + 2,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (host, port) = text.split_at(end);
        let is_host = if host.starts_with('[') { is_ipv6(host) } else { is_name(host) };
        is_host.then_some(())?;
        let port = match port.strip_prefix(':') {
            Some("") => None,
            Some(digits) => Some(parse_port(digits)?),
            None if port.is_empty() => None,
            None => return None,
        };
        Some(Self { host, port })
    }

    fn is(&self, other: &Authority<'_>, default_port: u16) -> bool {
        let ports = [self.port, other.port].map(|port| port.unwrap_or(default_port));
        self.host.eq_ignore_ascii_case(other.host) && ports[0] == ports[1]
    }
}

fn is_ipv6(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
}

/// A name or an IPv4 address; percent-encoded names are refused.
fn is_name(host: &str) -> bool {
    let fits = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
    fits && host.len() <= NAME_BYTES_MAX && host.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

fn parse_port(digits: &str) -> Option<u16> {
    let is_port = digits.len() <= PORT_DIGITS_MAX && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|port| is_port && *port > 0)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn asked(target: &Uri, hosts: &[&'static str], version: Version) -> Result<Option<String>, String> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_static(host));
        }
        host(version, target, &headers).map(|host| host.map(str::to_owned)).map_err(|refusal| refusal.message)
    }

    #[test]
    fn a_host_is_a_name_or_an_address_with_a_port_that_exists() {
        let target = Uri::from_static("/records/15");
        for (text, taken) in [
            ("x", "x"),
            ("ocs.example:8080", "ocs.example:8080"),
            ("OCS_1.example.", "OCS_1.example."),
            ("127.0.0.1:65535", "127.0.0.1:65535"),
            ("[::1]", "[::1]"),
            ("[2001:db8::1]:8080", "[2001:db8::1]:8080"),
            ("x:", "x"),
        ] {
            assert_eq!(asked(&target, &[text], Version::HTTP_11), Ok(Some(taken.into())), "{text}");
        }
        for text in [
            "%41", ":::", "x:99999", "x:0", "x:+80", "x:8a", "x:000080", ":80", "u@x", "[::1", "[x]", "[::1]8", "::1",
            "a b", "x/y", "..", "x:80:80",
        ] {
            assert!(asked(&target, &[text], Version::HTTP_11).unwrap_err().contains("names no host"), "{text}");
        }
    }

    #[test]
    fn http_1_1_has_one_host_header_and_http_1_0_at_most_one() {
        let target = Uri::from_static("/records/15");
        assert_eq!(asked(&target, &[], Version::HTTP_10), Ok(None));
        assert_eq!(asked(&target, &[""], Version::HTTP_11), Ok(None));
        assert!(asked(&target, &[], Version::HTTP_11).unwrap_err().contains("missing"));
        assert!(asked(&target, &["x", "x"], Version::HTTP_10).unwrap_err().contains("more than one"));
    }

    #[test]
    fn an_absolute_target_agrees_with_its_host_header() {
        for (target, host, taken) in [
            ("http://ocs.example/lists/demo", Some("ocs.example"), "ocs.example"),
            ("http://OCS.example:80/lists/demo", Some("ocs.example"), "OCS.example:80"),
            ("https://ocs.example/lists/demo", Some("ocs.example:443"), "ocs.example"),
            ("http://ocs.example:8080/lists/demo", None, "ocs.example:8080"),
        ] {
            let asked = asked(&Uri::from_static(target), host.as_slice(), Version::HTTP_10);
            assert_eq!(asked, Ok(Some(taken.into())), "{target} {host:?}");
        }
        for (target, host, why) in [
            ("http://other.example:1234/lists/demo", "ocs.example", "different hosts"),
            ("http://ocs.example:1234/lists/demo", "ocs.example", "different hosts"),
            ("https://ocs.example/lists/demo", "ocs.example:80", "different hosts"),
            ("http://ocs.example/lists/demo", "", "different hosts"),
            ("ftp://ocs.example/lists/demo", "ocs.example", "neither http nor https"),
            ("http://user:word@ocs.example/lists/demo", "ocs.example", "user-info"),
            ("http://ocs.example:99999/lists/demo", "ocs.example", "names no host"),
        ] {
            let Ok(target) = target.parse::<Uri>() else { continue }; // hyper refuses a target that is no URI
            assert!(asked(&target, &[host], Version::HTTP_11).unwrap_err().contains(why), "{target} {host}");
        }
    }
}
