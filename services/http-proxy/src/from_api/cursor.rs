//! Cursors as text: base64url without padding (RFC 4648, 5). Only the state that gave a cursor reads its bytes.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Longest text of a cursor: no state gives a longer one.
const LETTERS_MAX: usize = 512;

/// The text of a cursor.
pub fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let three = [chunk[0], chunk.get(1).copied().unwrap_or(0), chunk.get(2).copied().unwrap_or(0)];
        let number = u32::from_be_bytes([0, three[0], three[1], three[2]]);
        for place in 0..=chunk.len() {
            let six = (number >> (18 - 6 * place)) & 63;
            text.push(char::from(LETTERS[six as usize]));
        }
    }
    text
}

/// The bytes of a text; none: no cursor has this text.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || text.len() > LETTERS_MAX {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.as_bytes().chunks(4) {
        let mut number = 0;
        for letter in chunk {
            number = (number << 6) | u32::try_from(LETTERS.iter().position(|known| known == letter)?).ok()?;
        }
        number <<= 6 * (4 - chunk.len());
        let count = chunk.len().checked_sub(1).filter(|count| *count > 0)?;
        bytes.extend_from_slice(&number.to_be_bytes()[1..=count]);
    }
    (self::text(&bytes) == text).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_from_their_one_text() {
        for (plain, encoded) in
            [("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("\u{3f}\u{3e}\u{3f}", "Pz4_")]
        {
            assert_eq!(text(plain.as_bytes()), encoded);
            assert_eq!(bytes(encoded).as_deref(), Some(plain.as_bytes()));
        }
        for length in 1..40_u8 {
            let all: Vec<u8> = (0..length).map(|at| at.wrapping_mul(37)).collect();
            assert_eq!(bytes(&text(&all)), Some(all));
        }
    }

    #[test]
    fn a_text_that_is_cut_padded_or_of_other_letters_is_no_cursor() {
        for wrong in ["", "Z", "Zg==", "Zh", "Zm9", "Zm9v Yg", "Zm+v", "Zm/v", "Zm9vé"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
        assert_eq!(bytes(&"Zm9v".repeat(200)), None);
    }
}
