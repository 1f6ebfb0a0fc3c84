//! Tokens where none belongs: in a URI, in another header than `Authorization`, under another scheme than `Bearer`.
//!
//! Never repeats a token or the place's own text: a name of a header is a client's text, too. Called by `credential`.

use http::{HeaderMap, Uri, header};
use outbound::{Refusal, RefusalCode, holds_token};
use percent_encoding::percent_decode_str;

/// The parameter that RFC 6750 has for tokens in a query, and that is refused here.
const PARAMETER: &str = "access_token";
/// The scheme of a name and a password, which clients send for a URL or an option with both.
const BASIC: &[u8] = b"Basic ";

/// Refuses a URI with a token, whichever client may have logged such a URI by now.
pub(super) fn check_uri(uri: &Uri) -> Result<(), Refusal> {
    let query = uri.query().unwrap_or_default();
    let is_parameter = |piece: &str| {
        let name = piece.split_once('=').map_or(piece, |(name, _)| name);
        decoded(name).eq_ignore_ascii_case(PARAMETER)
    };
    if query.split('&').any(is_parameter) || [uri.path(), query].iter().any(|text| holds_token(&decoded(text))) {
        return Err(refused(
            "a token belongs into the Authorization header, never into a URI, which ends up in logs: revoke the token",
        ));
    }
    Ok(())
}

/// Without escapes nothing is copied.
fn decoded(text: &str) -> std::borrow::Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// A refusal for the place of a credential.
pub(super) fn refused(message: &str) -> Refusal {
    Refusal::new(RefusalCode::BadValue, message)
}

/// The refusal of a request whose only token stands in a wrong header or under a wrong scheme; none: the request has no token.
pub(super) fn elsewhere(headers: &HeaderMap) -> Option<Refusal> {
    let place = headers.iter().find_map(|(name, value)| {
        let own = name == header::AUTHORIZATION;
        let in_value = holds_token(&String::from_utf8_lossy(value.as_bytes()));
        let in_basic = || own && holds_token(&String::from_utf8_lossy(&basic(value.as_bytes())));
        match own {
            true if in_value || in_basic() => Some("under another scheme than Bearer"),
            false if in_value => Some("in another header than Authorization"),
            _ => None,
        }
    })?;
    let message = format!("the API token stands {place}: send it as Authorization: Bearer TOKEN");
    Some(Refusal::new(RefusalCode::Unauthenticated, message))
}

/// Name and password of the scheme `Basic`, up to the first letter that is no base64.
fn basic(line: &[u8]) -> Vec<u8> {
    let (mut found, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    let Some((scheme, text)) = line.split_at_checked(BASIC.len()) else { return found };
    if !scheme.eq_ignore_ascii_case(BASIC) {
        return found;
    }
    for value in text.trim_ascii_start().iter().map_while(|letter| six_bits(*letter)) {
        bits = ((bits << 6) | u32::from(value)) & 0xFFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            found.push((bits >> count) as u8);
        }
    }
    found
}

/// The value of a letter of base64, in either alphabet.
fn six_bits(letter: u8) -> Option<u8> {
    Some(match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_password_are_read_from_base64() {
        for (line, text) in [
            ("Basic YTpi", "a:b"),
            ("basic  YWxhZGRpbjpvcGVuc2VzYW1l", "aladdin:opensesame"),
            ("Basic YTo=", "a:"),
            ("Basic", ""),
            ("Bearer YTpi", ""),
        ] {
            assert_eq!(basic(line.as_bytes()), text.as_bytes(), "{line}");
        }
    }
}
