//! Refuses changes that a page of another site sends through the browser of a person.
//!
//! A browser shows the person's certificate with such a request, and reaches ports of its own machine. A page cannot add a token without
//! the leave of this port, which no answer gives: a change with a token is taken from anywhere. Called by the translation.

use http::{HeaderMap, HeaderName, Method, header};
use outbound::{Refusal, RefusalCode};

/// The browser's word on the page that sends a request; a page cannot set this header.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const BEARER: &[u8] = b"bearer ";

/// Refuses a change of a page of another origin. A client that is no browser names neither a site nor an origin.
pub(super) fn check(method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
    if method.is_safe() || has_token(headers) || is_own(headers) {
        return Ok(());
    }
    let message =
        "a page of another site sent this change, and it has no token: changes are taken from pages of this port";
    Err(Refusal::new(RefusalCode::Forbidden, message))
}

fn has_token(headers: &HeaderMap) -> bool {
    let value = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
    value.and_then(|value| value.get(..BEARER.len())).is_some_and(|scheme| scheme.eq_ignore_ascii_case(BEARER))
}

/// Older browsers, and those on a plain connection, name the origin alone.
fn is_own(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get(SITE) {
        return matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let origin = origin.to_str().unwrap_or_default();
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    authority.zip(host).is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn is_taken(method: &Method, headers: &[(&'static str, &'static str)]) -> bool {
        let named = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        check(method, &headers.iter().map(named).collect()).is_ok()
    }

    #[test]
    fn a_change_of_a_foreign_page_needs_a_token_and_a_read_does_not() {
        let (host, own) = (("host", "ops.example:8443"), ("origin", "https://OPS.example:8443"));
        let foreign = ("origin", "https://evil.example");
        for (headers, taken) in [
            (&[host][..], true),
            (&[host, own], true),
            (&[host, foreign], false),
            (&[host, ("origin", "null")], false),
            (&[host, ("origin", "https://ops.example")], false),
            (&[host, foreign, ("sec-fetch-site", "same-origin")], true),
            (&[host, own, ("sec-fetch-site", "cross-site")], false),
            (&[host, ("sec-fetch-site", "same-site")], false),
            (&[host, ("sec-fetch-site", "none")], true),
            (&[host, foreign, ("authorization", "Bearer ocs_x")], true),
            (&[host, foreign, ("authorization", "Basic eDp5")], false),
        ] {
            assert_eq!(is_taken(&Method::POST, headers), taken, "{headers:?}");
            assert!(is_taken(&Method::GET, headers), "{headers:?}");
        }
    }
}
