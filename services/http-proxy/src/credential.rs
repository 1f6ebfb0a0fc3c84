//! The credential of a request: read here, carried in the link, judged in the node.
//!
//! Never judges and never logs a credential. Only the `Authorization` header and the connection's certificate count: a URI goes into
//! logs, histories and `Referer` headers of others. Called by `serve`, once a request.

mod misplaced;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Uri, header};
use outbound::{AccessScope, Refusal, RefusalCode, Reply, ReplyBody, Value, key};

/// Longest credential that the node gets, bytes; a token of ours has 68.
const TOKEN_BYTES_MAX: usize = 256;
/// The scheme of a token in the header, in any case.
const BEARER: &[u8] = b"Bearer";

const MISSING: &str = r#"Bearer realm="ocs""#;
const INVALID: &str = r#"Bearer realm="ocs", error="invalid_token""#;
const INSUFFICIENT: &str = r#"Bearer realm="ocs", error="insufficient_scope""#;
const INSUFFICIENT_OF: [(AccessScope, &str); 3] = [
    (AccessScope::Read, r#"Bearer realm="ocs", error="insufficient_scope", scope="read""#),
    (AccessScope::Update, r#"Bearer realm="ocs", error="insufficient_scope", scope="update""#),
    (AccessScope::Admin, r#"Bearer realm="ocs", error="insufficient_scope", scope="admin""#),
];
/// No scheme is registered for certificates of TLS, and a 401 must name one.
const CERTIFICATE: &str = r#"Certificate realm="ocs""#;

/// The credentials that the node takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Auth {
    /// None is asked for, and none is read.
    None,
    /// API tokens.
    Tokens,
    /// Client certificates.
    Certificates,
    /// Either; a request with a token is judged by the token alone.
    TokensOrCertificates,
}

/// The credentials of one request, as sent.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Credential {
    /// Empty: none.
    pub(crate) token: Bytes,
    /// Name of the connection's certificate; empty: none.
    pub(crate) certificate: String,
}

/// Why a request goes no further.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// The request has no credential.
    Missing(Refusal),
    /// A credential stands where none belongs, or there are two.
    Misplaced(Refusal),
}

impl Auth {
    /// The mode of the node's word; empty: of a release without modes.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "" | "none" => Self::None,
            "tokens" => Self::Tokens,
            "certificates" => Self::Certificates,
            "tokens_or_certificates" => Self::TokensOrCertificates,
            _ => return None,
        })
    }

    fn takes_tokens(self) -> bool {
        matches!(self, Self::Tokens | Self::TokensOrCertificates)
    }

    fn takes_certificates(self) -> bool {
        matches!(self, Self::Certificates | Self::TokensOrCertificates)
    }

    /// The credential of a request, whose connection may have a certificate; an empty name: a certificate without a name.
    pub(crate) fn read(self, headers: &HeaderMap, certificate: Option<&str>) -> Result<Credential, Unfit> {
        if self == Self::None {
            return Ok(Credential::default());
        }
        let token = if self.takes_tokens() { bearer(headers).map_err(Unfit::Misplaced)? } else { None };
        let shown = certificate.filter(|_| self.takes_certificates());
        let certificate = shown.filter(|name| !name.is_empty());
        if token.is_none() && certificate.is_none() {
            if let Some(refusal) = misplaced::elsewhere(headers).filter(|_| self.takes_tokens()) {
                return Err(Unfit::Misplaced(refusal));
            }
            let why = if shown.is_some() { NAMELESS } else { self.wanted() };
            return Err(Unfit::Missing(Refusal::new(RefusalCode::Unauthenticated, why)));
        }
        Ok(Credential {
            token: token.unwrap_or_default(),
            certificate: certificate.map(str::to_owned).unwrap_or_default(),
        })
    }

    /// Refuses a token in a URI, which ends up in logs; health checks are no exception.
    pub(crate) fn check_place(self, uri: &Uri) -> Result<(), Unfit> {
        if self == Self::None { Ok(()) } else { misplaced::check_uri(uri).map_err(Unfit::Misplaced) }
    }

    fn wanted(self) -> &'static str {
        match self {
            Self::None | Self::Tokens => "the request has no API token: Authorization: Bearer TOKEN",
            Self::Certificates => "the connection has no client certificate",
            Self::TokensOrCertificates => {
                "the request has no API token (Authorization: Bearer TOKEN), and its connection no client certificate"
            }
        }
    }

    /// `WWW-Authenticate` of the answer to a request without a credential.
    pub(crate) fn challenge(self) -> &'static str {
        if self == Self::Certificates { CERTIFICATE } else { MISSING }
    }

    /// `WWW-Authenticate` of the node's reply; none: the reply is about something else.
    pub(crate) fn challenge_of(self, reply: &Reply) -> Option<&'static str> {
        let ReplyBody::Refused(refusal) = &reply.body else { return None };
        match refusal.code {
            RefusalCode::Unauthenticated if self == Self::Certificates => Some(CERTIFICATE),
            RefusalCode::Unauthenticated => Some(INVALID),
            RefusalCode::Forbidden if self != Self::Certificates => Some(insufficient(refusal)),
            _ => None,
        }
    }
}

/// For a certificate with a common name alone.
const NAMELESS: &str = "the client certificate has no name here: give it a DNS name (subjectAltName)";

fn insufficient(refusal: &Refusal) -> &'static str {
    let lacking = refusal.attributes.iter().find(|(name, _)| name == key::SCOPE);
    let row =
        INSUFFICIENT_OF.iter().find(|(scope, _)| lacking.is_some_and(|(_, word)| *word == Value::text(scope.word())));
    row.map_or(INSUFFICIENT, |(_, challenge)| *challenge)
}

/// The token of the header; another scheme is no credential here.
fn bearer(headers: &HeaderMap) -> Result<Option<Bytes>, Refusal> {
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err(misplaced::refused("more than one Authorization header"));
    }
    let Some(token) = of_bearer(line) else { return Ok(None) };
    if token.len() > TOKEN_BYTES_MAX {
        return Err(misplaced::refused("the Authorization header has no API token: an API token is shorter"));
    }
    Ok(Some(Bytes::copy_from_slice(token)))
}

fn of_bearer(line: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = line.as_bytes().split_at_checked(BEARER.len())?;
    let token = token.strip_prefix(b" ")?.trim_ascii();
    (scheme.eq_ignore_ascii_case(BEARER) && !token.is_empty()).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> String {
        outbound::token_text(&[7; outbound::TOKEN_SECRET_BYTES])
    }

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::AUTHORIZATION, line.parse().unwrap());
        }
        headers
    }

    fn read(auth: Auth, uri: &str, lines: &[&str], certificate: Option<&str>) -> Result<(String, String), String> {
        let placed = auth.check_place(&uri.parse().unwrap());
        let read = placed.and_then(|()| auth.read(&headers(lines), certificate));
        read.map(|read| (String::from_utf8(read.token.to_vec()).unwrap(), read.certificate)).map_err(
            |unfit| match unfit {
                Unfit::Missing(refusal) => format!("missing: {}", refusal.message),
                Unfit::Misplaced(refusal) => format!("misplaced: {}", refusal.message),
            },
        )
    }

    #[test]
    fn each_mode_takes_its_credentials_and_no_other() {
        const BOTH: Auth = Auth::TokensOrCertificates;
        let (bearer, token) = (format!("Bearer {}", token()), token());
        let none = || Ok((String::new(), String::new()));
        let (by_token, by_both) = (Ok((token.clone(), String::new())), Ok((token.clone(), "crm".to_owned())));
        let by_certificate = || Ok((String::new(), "crm".to_owned()));
        let lines = [bearer.as_str()];
        for (auth, lines, certificate, taken) in [
            (Auth::None, &lines[..], Some("crm"), none()),
            (Auth::Tokens, &lines, Some("crm"), by_token.clone()),
            (Auth::Certificates, &lines, Some("crm"), by_certificate()),
            (BOTH, &lines, Some("crm"), by_both),
            (BOTH, &lines, None, by_token),
            (BOTH, &[], Some("crm"), by_certificate()),
        ] {
            assert_eq!(read(auth, "/records/15", lines, certificate), taken, "{auth:?} {certificate:?}");
        }
        for (auth, lines, certificate) in
            [(Auth::Tokens, &lines[..0], Some("crm")), (Auth::Certificates, &lines, None), (BOTH, &[], None)]
        {
            let missing = read(auth, "/records/15", lines, certificate).unwrap_err();
            assert!(missing.starts_with("missing: "), "{auth:?}: {missing}");
        }
        let nameless = read(Auth::Certificates, "/records/15", &[], Some("")).unwrap_err();
        assert!(nameless.starts_with("missing: ") && nameless.contains("give it a DNS name"), "{nameless}");
    }

    #[test]
    fn a_token_is_read_from_one_bearer_header_alone() {
        for line in ["Bearer abc", "bearer abc", "BEARER   abc"] {
            assert_eq!(read(Auth::Tokens, "/", &[line], None), Ok(("abc".into(), String::new())), "{line}");
        }
        for line in ["Basic YTpi", "Bearer", "Bearer ", "Bearerabc", "abc", ""] {
            let missing = read(Auth::Tokens, "/", &[line], None).unwrap_err();
            assert!(missing.starts_with("missing: "), "{line}: {missing}");
        }
        let long = format!("Bearer {}", "a".repeat(TOKEN_BYTES_MAX + 1));
        for lines in [&["Bearer abc", "Bearer abc"][..], &["Basic YTpi", "Bearer abc"], &[long.as_str()]] {
            let misplaced = read(Auth::Tokens, "/", lines, None).unwrap_err();
            assert!(misplaced.starts_with("misplaced: "), "{lines:?}: {misplaced}");
        }
    }

    #[test]
    fn a_token_in_a_uri_is_refused_beside_a_good_header_and_never_repeated() {
        let token = token();
        let escaped = token.replace("ocs_", "%6fcs%5F");
        for uri in [
            "/records/15?access_token=x".to_owned(),
            "/records/15?req=RecordReject&Access%5fToken".to_owned(),
            format!("/records/15?key={token}"),
            format!("/records/15?key={escaped}"),
            format!("/lists/{token}"),
            format!("http://x/lists/{escaped}?req=AddRecord"),
        ] {
            let refused = read(Auth::Tokens, &uri, &["Bearer abc"], None).unwrap_err();
            assert!(refused.starts_with("misplaced: ") && !refused.contains("0707"), "{uri}: {refused}");
            assert!(read(Auth::None, &uri, &[], None).is_ok(), "{uri}: without credentials every key is an attribute");
        }
        for uri in ["/lists/ocs_1?req=AddRecord&token=x", "/records/15?access_token_x=1", "/"] {
            assert!(read(Auth::Tokens, uri, &["Bearer abc"], None).is_ok(), "{uri}");
        }
    }

    #[test]
    fn a_token_in_a_wrong_header_or_under_a_wrong_scheme_is_told_apart_from_none() {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let token = token();
        let letters = |three: &[u8]| -> String {
            let bits = three.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - three.len()));
            (0..=three.len()).map(|at| char::from(LETTERS[((bits >> (18 - 6 * at)) & 63) as usize])).collect()
        };
        // the header of curl's option --user
        let in_basic = |text: &str| format!("Basic {}", text.as_bytes().chunks(3).map(letters).collect::<String>());
        let cases = [
            ("authorization", token.clone(), "another scheme"),
            ("authorization", format!("Token {token}"), "another scheme"),
            ("authorization", in_basic(&format!("crm:{token}")), "another scheme"),
            ("authorization", in_basic(&format!("{token}:")), "another scheme"),
            ("x-api-key", token.clone(), "another header"),
            ("cookie", format!("session={token}"), "another header"),
        ];
        for (name, value, place) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(http::HeaderName::from_static(name), value.parse().unwrap());
            let Err(Unfit::Misplaced(refusal)) = Auth::Tokens.read(&headers, None) else { panic!("{name}: {place}") };
            assert_eq!(refusal.code, RefusalCode::Unauthenticated);
            assert!(refusal.message.contains(place) && !refusal.message.contains("0707"), "{}", refusal.message);
            assert!(matches!(Auth::Certificates.read(&headers, None), Err(Unfit::Missing(_))), "{name}");
            assert!(Auth::TokensOrCertificates.read(&headers, Some("crm")).is_ok(), "the certificate is a credential");
            headers.append(header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
            let beside = Auth::Tokens.read(&headers, None);
            assert_eq!(beside.is_ok(), name != "authorization", "a good header counts");
        }
    }

    #[test]
    fn a_challenge_names_the_lack() {
        let refused = |refusal: Refusal| Reply::from(refusal);
        let bad = refused(Refusal::new(RefusalCode::Unauthenticated, "unknown"));
        let scope = refused(Refusal::new(RefusalCode::Forbidden, "x").with(key::SCOPE, Value::text("admin")));
        let list = refused(Refusal::new(RefusalCode::Forbidden, "x").with(key::CALLING_LIST, Value::text("demo")));
        let other = refused(Refusal::new(RefusalCode::Conflict, "x"));
        let of = |auth: Auth| [&bad, &scope, &list, &other].map(|reply| auth.challenge_of(reply));
        let by_scope = Some(r#"Bearer realm="ocs", error="insufficient_scope", scope="admin""#);
        assert_eq!(of(Auth::Tokens), [Some(INVALID), by_scope, Some(INSUFFICIENT), None]);
        assert_eq!(of(Auth::Certificates), [Some(CERTIFICATE), None, None, None]);
        assert_eq!([Auth::Tokens, Auth::Certificates].map(Auth::challenge), [MISSING, CERTIFICATE]);
        assert_eq!(INSUFFICIENT_OF.map(|(scope, _)| scope), AccessScope::ALL);
        for (scope, challenge) in INSUFFICIENT_OF {
            assert!(challenge.ends_with(&format!("scope=\"{}\"", scope.word())), "{challenge}");
        }
    }
}
