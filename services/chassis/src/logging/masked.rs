//! Numbers of persons and secrets in lines of the log: a phone or a customer's number is shown by its last two digits, and of a text
//! that may be an API token nothing.
//!
//! Never decides whether a text is a phone: any long run of digits is masked, since a line of the log needs none. An address of the
//! network with its port is no such run: a fault of a connection is of no use without it. Called where a text from a client may reach a
//! line.

use std::{
    borrow::Cow,
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    ops::Range,
};

/// A run of fewer digits is no phone: a port, a status, a time, a count.
const DIGITS_MIN: usize = 7;
/// Longest address within brackets, bytes, with the name of an interface.
const ADDRESS_BYTES_MAX: usize = 64;
/// Hexadecimal digits in a row from which on a text may be an API token, or a piece of one: a token has 64.
const HEX_DIGITS_MIN: usize = 40;
/// Digits at the end of a run that stay, so that two lines about one number can be recognised.
const DIGITS_SHOWN: usize = 2;

/// A text from a client, shown with every long run of digits masked.
#[derive(Debug, Clone, Copy)]
pub struct Masked<'a>(pub &'a str);

impl fmt::Display for Masked<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&masked(self.0))
    }
}

/// The text with every long run of digits masked; blanks, hyphens, dots, slashes, brackets and marks of other scripts within a run
/// belong to the run, since a phone may be written with them. Of a long run of hexadecimal digits nothing is shown.
pub fn masked(text: &str) -> Cow<'_, str> {
    match without_secrets(text) {
        Cow::Borrowed(text) => without_phones(text),
        Cow::Owned(text) => Cow::Owned(without_phones(&text).into_owned()),
    }
}

fn without_secrets(text: &str) -> Cow<'_, str> {
    let (mut shown, mut from) = (String::new(), 0);
    for run in text.split(|letter: char| !letter.is_ascii_hexdigit()).filter(|run| run.len() >= HEX_DIGITS_MIN) {
        let begin = run.as_ptr() as usize - text.as_ptr() as usize;
        shown.push_str(&text[from..begin]);
        shown.push_str("***");
        from = begin + run.len();
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    shown.push_str(&text[from..]);
    Cow::Owned(shown)
}

fn without_phones(text: &str) -> Cow<'_, str> {
    let runs = runs(text);
    if runs.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut shown, mut from) = (String::with_capacity(text.len()), 0);
    for (begin, end) in runs {
        shown.push_str(&text[from..begin]);
        mask(&text[begin..end], &mut shown);
        from = end;
    }
    shown.push_str(&text[from..]);
    Cow::Owned(shown)
}

fn mask(run: &str, shown: &mut String) {
    let hidden = run.chars().filter(|letter| is_digit(*letter)).count() - DIGITS_SHOWN;
    let mut at = 0;
    for letter in run.chars() {
        at += usize::from(is_digit(letter));
        shown.push(if is_digit(letter) && at <= hidden { '*' } else { letter });
    }
}

/// Begin and end of each run with at least [`DIGITS_MIN`] digits: from its first digit up to its last.
fn runs(text: &str) -> Vec<(usize, usize)> {
    let mut runs = Vec::new();
    let mut run: Option<(usize, usize, usize)> = None; // begin, end, digits
    let mut address = 0..0;
    for (at, letter) in text.char_indices() {
        if at >= address.end {
            address = address_at(text, at).unwrap_or(0..0);
        }
        run = match run {
            ended if address.contains(&at) => {
                keep(ended, &mut runs);
                None
            }
            _ if is_digit(letter) => {
                let (begin, _, digits) = run.unwrap_or((at, at, 0));
                Some((begin, at + letter.len_utf8(), digits + 1))
            }
            Some(run) if is_between(letter) => Some(run),
            ended => {
                keep(ended, &mut runs);
                None
            }
        };
    }
    keep(run, &mut runs);
    runs
}

fn keep(run: Option<(usize, usize, usize)>, runs: &mut Vec<(usize, usize)>) {
    runs.extend(run.filter(|(_, _, digits)| *digits >= DIGITS_MIN).map(|(begin, end, _)| (begin, end)));
}

/// The address with a port that begins here, `10.0.0.1:8080` or `[2001:db8::1]:8080`. A number in front of it, as in `+49.30.1.2:3`,
/// makes it a part of another text.
fn address_at(text: &str, at: usize) -> Option<Range<usize>> {
    let (before, rest) = text.split_at(at);
    if before.ends_with(|letter: char| letter.is_alphanumeric() || matches!(letter, '.' | ':' | '+' | '-')) {
        return None;
    }
    let host = match rest.strip_prefix('[') {
        Some(inner) => {
            let inner = &inner[..inner.bytes().take(ADDRESS_BYTES_MAX).position(|byte| byte == b']')?];
            let address = inner.split_once('%').map_or(inner, |(address, _)| address);
            address.parse::<Ipv6Addr>().ok()?;
            inner.len() + 2
        }
        None => {
            let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
            rest[..end].parse::<Ipv4Addr>().ok()?;
            end
        }
    };
    let port = rest[host..].strip_prefix(':')?;
    let digits = port.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(port.len());
    let ends = !port[digits..].starts_with(|letter: char| letter.is_alphanumeric());
    port[..digits].parse::<u16>().ok().filter(|_| ends)?;
    Some(at..at + host + 1 + digits)
}

/// Digits of any script: clients write phones in full-width digits, too.
fn is_digit(letter: char) -> bool {
    letter.is_ascii_digit() || (!letter.is_ascii() && letter.is_numeric())
}

fn is_between(letter: char) -> bool {
    matches!(letter, ' ' | '-' | '.' | '/' | '(' | ')' | '[' | ']') || (!letter.is_ascii() && !letter.is_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_in_any_spelling_keeps_its_last_two_digits() {
        for (text, shown) in [
            ("+4930123456", "+********56"),
            ("call +49 (30) 12-34.56 now", "call +** (**) **-**.56 now"),
            ("phone=\"0049/30/123456\"", "phone=\"****/**/****56\""),
            ("customer 1234567 and 7654321", "customer *****67 and *****21"),
            ("49\u{b7}30\u{b7}1234\u{b7}5678", "**\u{b7}**\u{b7}****\u{b7}**78"),
            (
                "49\u{2044}30\u{200b}12\u{2212}34\u{ad}56\u{2028}78",
                "**\u{2044}**\u{200b}**\u{2212}**\u{ad}**\u{2028}78",
            ),
            ("49[30]12345678", "**[**]******78"),
            ("\u{ff10}\u{ff11}\u{ff12}\u{ff13}\u{ff14}\u{ff15}\u{ff16}", "*****\u{ff15}\u{ff16}"),
        ] {
            assert_eq!(masked(text), shown, "{text}");
        }
    }

    #[test]
    fn an_address_with_its_port_stays_and_a_phone_beside_it_does_not() {
        for text in [
            "192.168.100.200:8080",
            "connection from 192.168.100.200:54321 was reset",
            "cannot connect to [2001:db8::1234]:65535, [::ffff:192.168.100.200]:8080 or [fe80::1%eth0]:80",
            "peer=203.0.113.254:443, 198.51.100.250:5432",
            "(192.168.100.200:8080)",
        ] {
            assert_eq!(masked(text), text);
        }
        for (text, shown) in [
            ("+4930123456 at 192.168.100.200:8080", "+********56 at 192.168.100.200:8080"),
            ("111 192.168.100.200:8080 4930123456", "111 192.168.100.200:8080 ********56"),
            ("192.168.100.200:8080 0301 23456", "192.168.100.200:8080 **** ***56"),
            ("+49.30.123.45:12", "+**.**.***.45:12"),
            ("49.301.234.567:80", "**.***.***.*67:80"),
            ("0030.12.34.56:80", "****.**.**.56:80"),
            ("192.168.100.200", "***.***.***.*00"),
            ("192.168.100.200:4930123456", "***.***.***.*00:********56"),
            ("1.192.168.100.200:80", "*.***.***.***.*00:80"),
            ("[4930123456]:80", "[********56]:80"),
        ] {
            assert_eq!(masked(text), shown, "{text}");
        }
    }

    #[test]
    fn nothing_of_a_token_is_shown_with_or_without_what_stands_around_it() {
        let digits = "745ea7cf4b1f1d9840a1e79eeb0afcb47bdeae5ade1f02ef94a61ff490c16a22";
        let cut = &digits[..HEX_DIGITS_MIN];
        for (text, shown) in [
            (digits.to_owned(), "***"),
            (format!("key=\"ocs_{digits}\""), "key=\"ocs_***\""),
            (format!("Bearer ocs_{cut} and {cut}"), "Bearer ocs_*** and ***"),
            (digits.to_uppercase(), "***"),
        ] {
            assert_eq!(masked(&text), shown);
        }
        let id = "a9bc26cfe35a883fe0b1c2d3e4f5a6b7";
        assert!(masked(id).starts_with("a9bc"), "an id of 32 digits is no token: {}", masked(id));
    }

    #[test]
    fn short_numbers_and_all_other_words_stay() {
        for text in ["status 503 at 10.0.0.1:8080 after 12 ms", "127.0.0.1", "", "record 123456", "port 65535: x"] {
            assert_eq!(masked(text), text);
        }
        assert_eq!(Masked("+4930123456").to_string(), "+********56");
    }
}
