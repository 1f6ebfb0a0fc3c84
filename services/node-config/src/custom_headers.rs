//! The headers that operators add to every answer over HTTP: names and values that an answer can have, and none that HTTP Proxy writes
//! itself. Called by the check of `[http_proxy]`.

use std::collections::BTreeMap;

/// Headers with which HTTP Proxy frames, dates or explains an answer: a second value would cut answers off, or contradict them.
const OF_HTTP_PROXY: [&str; 14] = [
    "allow",
    "connection",
    "content-length",
    "content-type",
    "date",
    "keep-alive",
    "location",
    "proxy-connection",
    "retry-after",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
];
/// Headers of the product's own.
const OWN_PREFIX: &str = "x-ocs-";

/// The fault of each header that cannot be added.
pub(crate) fn problems(headers: &BTreeMap<String, String>) -> Vec<String> {
    headers.iter().filter_map(|(name, value)| problem(name, value)).collect()
}

fn problem(name: &str, value: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    if !is_token(name) {
        Some(format!("{name:?} is no name of a header: letters, digits and hyphens, as in X-Frame-Options"))
    } else if OF_HTTP_PROXY.contains(&&*lower) || lower.starts_with(OWN_PREFIX) {
        Some(format!("{name} is written by HTTP Proxy itself: leave it out"))
    } else if !value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)) {
        Some(format!(
            "the value of {name} has a character that no header can have: use visible ASCII letters and blanks"
        ))
    } else {
        None
    }
}

/// A token of HTTP (RFC 9110, 5.6.2).
fn is_token(name: &str) -> bool {
    let is_mark = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_mark(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_no_answer_can_have_and_those_of_http_proxy_are_named() {
        for (name, value, said) in [
            ("X Frame", "DENY", "is no name of a header"),
            ("", "x", "is no name of a header"),
            ("\u{e9}", "x", "is no name of a header"),
            ("Content-Length", "3", "written by HTTP Proxy itself"),
            ("transfer-encoding", "chunked", "written by HTTP Proxy itself"),
            ("Content-Type", "text/html", "written by HTTP Proxy itself"),
            ("X-OCS-Stale", "true", "written by HTTP Proxy itself"),
            ("X-Frame-Options", "DENY\r\nX-Other: 1", "no header can have"),
            ("X-Frame-Options", "\u{e9}", "no header can have"),
        ] {
            let found = problems(&BTreeMap::from([(name.to_owned(), value.to_owned())]));
            assert!(found.len() == 1 && found[0].contains(said), "{name:?}: {found:?}");
        }
    }

    #[test]
    fn the_usual_security_headers_are_taken() {
        let usual = [
            ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
            ("X-Frame-Options", "DENY"),
            ("X-Content-Type-Options", "nosniff"),
            ("Content-Security-Policy", "default-src 'none'"),
            ("Cache-Control", "no-store"),
        ];
        let headers = usual.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(problems(&headers), Vec::<String>::new());
    }
}
