//! One pair to one attribute: types, enumerations, limits (spec 4, 8). Called by `from_http` alone.

use std::borrow::Cow;

use outbound::{
    Enumeration, Kind, Refusal, RefusalCode, Value, Verb, Word,
    key::{AGENT_REQ_TYPE, PHONE},
    spec_of,
};

use super::{VALUE_BYTES_MAX, shown};

const NO_INTEGER: &str = "is not a whole number";

/// A value as the client sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw<'a> {
    /// A JSON string, or the value of a form or a query.
    Text(Cow<'a, str>),
    /// A JSON number, as written.
    Number(&'a str),
    /// `null`: the attribute counts as not sent.
    Absent,
    /// A JSON value that no attribute can have; the text names its type.
    Unfit(&'static str),
}

/// Whether the protocols use a key in this request; only the list knows its own fields.
pub(super) fn is_used(name: &str, verb: Verb) -> bool {
    spec_of(name).is_some_and(|spec| verb.uses(spec.key)) || is_request_name(name)
}

/// Whether a key repeats the `req` of the query; a body's request name is ignored (spec 5).
fn is_request_name(name: &str) -> bool {
    name.eq_ignore_ascii_case(AGENT_REQ_TYPE)
}

/// The attribute that a pair means; none for a `null`, an empty text (except of a user-defined field; spec 4) and a request
/// name.
pub(super) fn read(name: &str, raw: Raw<'_>) -> Result<Option<(String, Value)>, Refusal> {
    let spec = spec_of(name);
    let key = match spec {
        Some(spec) => spec.key.to_owned(),
        None if is_protocol_key(name) => name.to_ascii_uppercase(),
        None => name.to_owned(),
    };
    match &raw {
        Raw::Absent => return Ok(None),
        Raw::Unfit(what) => return Err(bad(&key, format!("{what} cannot be a value"))),
        Raw::Text(text) if text.len() > VALUE_BYTES_MAX => return Err(too_long(&key)),
        Raw::Number(text) if text.len() > VALUE_BYTES_MAX => return Err(too_long(&key)),
        Raw::Text(text) if text.is_empty() && spec.is_some() => return Ok(None),
        _ if spec.is_none() && is_request_name(&key) => return Ok(None),
        _ => {}
    }
    let value = match spec.map_or(Kind::Any, |spec| spec.kind) {
        Kind::Int => int(&raw).map(Value::Int).ok_or_else(|| bad(&key, unfit(&raw, NO_INTEGER)))?,
        Kind::Str if key == PHONE => Value::Str(phone(&raw).ok_or_else(|| bad(&key, unfit(&raw, NO_INTEGER)))?),
        Kind::Str => Value::Str(text(raw).into_owned()),
        Kind::Number(enumeration) => Value::Int(number(&raw, enumeration).ok_or_else(|| {
            let last = enumeration.names.len() - 1;
            bad(&key, unfit(&raw, &format!("is not a valid {} (0 to {last}, or a name)", enumeration.name)))
        })?),
        Kind::Word(words) => Value::text(
            word(&raw, words)
                .ok_or_else(|| bad(&key, unfit(&raw, &format!("is none of {}", words.words.join(", ")))))?,
        ),
        Kind::Any => any(raw),
    };
    Ok(Some((key, value)))
}

/// Whether a key is a word of the protocols. Any other text keeps its letters, such as a line of another format that begins
/// with `GSW_`.
fn is_protocol_key(name: &str) -> bool {
    let is_word = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    name.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("GSW_")) && is_word(name)
}

/// The text of a phone; a JSON number with an integral value becomes that integer's text, in any notation (spec 9).
fn phone(raw: &Raw<'_>) -> Option<String> {
    match raw {
        Raw::Number(text) if !text.bytes().all(|byte| byte.is_ascii_digit()) => {
            int(raw).map(|number| number.to_string())
        }
        raw => Some(text(raw.clone()).into_owned()),
    }
}

fn text<'a>(raw: Raw<'a>) -> Cow<'a, str> {
    match raw {
        Raw::Text(text) => text,
        Raw::Number(text) => Cow::Borrowed(text),
        Raw::Absent | Raw::Unfit(_) => Cow::Borrowed(""),
    }
}

/// A number or its decimal text; `3.0` and `3e2` are whole numbers too.
fn int(raw: &Raw<'_>) -> Option<i64> {
    match raw {
        Raw::Text(text) => text.trim().parse().ok(),
        Raw::Number(text) => text.parse().ok().or_else(|| whole(text)),
        Raw::Absent | Raw::Unfit(_) => None,
    }
}

/// The value of a JSON number with a fraction or an exponent, from its digits as sent: a float would round the number to
/// another one. None: not a whole number, or 2^53 and more.
fn whole(number: &str) -> Option<i64> {
    const EXACT: i64 = 1 << 53; // from there on the float of the sender names several integers
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or((1, mantissa), |digits| (-1, digits));
    let (before, behind) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [before, behind].concat();
    let significant = digits.trim_end_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let exponent = i64::from(exponent.parse::<i32>().ok()?); // a larger exponent moves the point past every digit
    let zeros = exponent + digits.len() as i64 - significant.len() as i64 - behind.len() as i64;
    let factor = 10_i64.checked_pow(u32::try_from(zeros).ok()?)?;
    let value = significant.parse::<i64>().ok()?.checked_mul(factor)?;
    (value < EXACT).then_some(sign * value)
}

fn number(raw: &Raw<'_>, enumeration: &Enumeration) -> Option<i64> {
    match raw {
        Raw::Text(text) => enumeration.parse(text),
        _ => int(raw).filter(|value| enumeration.contains(*value)),
    }
}

fn word(raw: &Raw<'_>, words: &Word) -> Option<&'static str> {
    match raw {
        Raw::Text(text) => words.parse(text),
        _ => words.parse(&int(raw)?.to_string()),
    }
}

/// Keeps the type as sent: the list knows the type of a user-defined field.
fn any(raw: Raw<'_>) -> Value {
    match raw {
        Raw::Number(text) => text.parse().map_or_else(|_| Value::text(text), Value::Int),
        raw => Value::Str(text(raw).into_owned()),
    }
}

fn unfit(raw: &Raw<'_>, problem: &str) -> String {
    let text = match raw {
        Raw::Text(text) => text,
        Raw::Number(text) => *text,
        Raw::Absent | Raw::Unfit(_) => "",
    };
    format!("{:?} {problem}", shown(text))
}

fn bad(key: &str, problem: String) -> Refusal {
    Refusal::new(RefusalCode::BadValue, format!("{}: {problem}", shown(key)))
}

fn too_long(key: &str) -> Refusal {
    Refusal::new(RefusalCode::Limit, format!("{}: a value may have {VALUE_BYTES_MAX} bytes", shown(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_whole_by_its_digits_and_never_by_rounding() {
        for (sent, value) in [
            ("12125550100.0", 12_125_550_100),
            ("1.21255501e+10", 12_125_550_100),
            ("12125550100000e-3", 12_125_550_100),
            ("0.00012e5", 12),
            ("7.2E4", 72_000),
            ("-3.0", -3),
            ("-0", 0),
            ("-0.000", 0),
            ("0e99999999999999999999", 0),
            ("9007199254740991.0", 9_007_199_254_740_991),
            ("9007199254740993", 9_007_199_254_740_993),
        ] {
            assert_eq!(int(&Raw::Number(sent)), Some(value), "{sent}");
        }
        for sent in [
            "12125550188.9999999999999",
            "12125550177.0000001",
            "1.9999999999999999999",
            "0.00000000000000000000000000000000001",
            "1e-400",
            "15e-1",
            "1e16",
            "1e400",
            "1e99999999999999999999",
            "1e-99999999999999999999",
            "9007199254740992.0",
            "9223372036854775807e1",
            "123456789012345678901234567890",
        ] {
            assert_eq!(int(&Raw::Number(sent)), None, "{sent}");
        }
    }
}
