//! The page at `/api/`, which reads `/api/openapi.json`, and that description itself. Neither tells of a record, so neither needs a
//! credential.
//!
//! Every part comes from this port: the policy of the page allows no other source, and no inline script or style.

use std::sync::OnceLock;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::openapi;
use crate::to_http::{Answer, Content};

const METHODS: &str = "GET, HEAD, OPTIONS";
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'",
);
const NO_SNIFFING: HeaderValue = HeaderValue::from_static("nosniff");
/// A cache asks again: another release may stand behind this port.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// The description, made at the first call.
static DOCUMENT: OnceLock<Bytes> = OnceLock::new();

/// The answer to a path of the page; none: another path.
pub(crate) fn answer(method: &Method, path: &str) -> Option<Answer> {
    let (content, body) = match path {
        "/api" | "/api/" => (Content::Html, Bytes::from_static(include_bytes!("page/index.html"))),
        "/api/page.js" => (Content::Script, Bytes::from_static(include_bytes!("page/page.js"))),
        "/api/page.css" => (Content::Style, Bytes::from_static(include_bytes!("page/page.css"))),
        "/api/openapi.json" => (Content::Json, document()),
        _ => return None,
    };
    if *method == Method::OPTIONS {
        return Some(Answer::new(StatusCode::NO_CONTENT, Bytes::new()).allowing(Some(METHODS)));
    }
    if ![Method::GET, Method::HEAD].contains(method) {
        let message = format!("allowed here: {METHODS}");
        let refusal = outbound::Refusal::new(outbound::RefusalCode::Method, message);
        return Some(Answer::of_refusal(&refusal).allowing(Some(METHODS)));
    }
    let headers: Vec<(HeaderName, HeaderValue)> = vec![
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, NO_SNIFFING),
        (header::CACHE_CONTROL, ASK_AGAIN),
    ];
    Some(Answer { content, headers, ..Answer::new(StatusCode::OK, body) })
}

fn document() -> Bytes {
    DOCUMENT.get_or_init(|| openapi::document().into()).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_page_comes_from_this_port_and_has_a_strict_policy() {
        for path in ["/api", "/api/", "/api/page.js", "/api/page.css", "/api/openapi.json"] {
            let answer = answer(&Method::GET, path).unwrap();
            let text = String::from_utf8(answer.body.to_vec()).unwrap();
            assert!(!text.contains("http://") && !text.contains("https://cdn"), "{path} names another source");
            assert!(answer.headers.iter().any(|(name, _)| name == header::CONTENT_SECURITY_POLICY), "{path}");
        }
        let page = String::from_utf8(answer(&Method::GET, "/api/").unwrap().body.to_vec()).unwrap();
        assert!(!page.contains("<style") && !page.contains("onclick") && !page.contains("<script>"), "inline parts");
        assert!(answer(&Method::GET, "/api/v1/lists").is_none());
        assert_eq!(answer(&Method::POST, "/api/").unwrap().status, StatusCode::METHOD_NOT_ALLOWED);
    }
}
