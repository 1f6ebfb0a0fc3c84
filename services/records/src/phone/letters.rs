//! Letters for the canonical form: the part of Unicode 14.0 that occurs in numbers, as tables of this crate.
//!
//! Part of rules version 3: a compiler or a crate with a later Unicode changes nothing here (`tests/tables.rs`). From NFKC, the
//! tables have the letters that become digits, signs, brackets and ASCII. Called by `canonical`, and by the check of names.

/// First and last letter.
type Range = (char, char);

/// Format characters (Cf), variation selectors, and the other invisible letters (Default_Ignorable_Code_Point).
const IGNORABLE: [Range; 25] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{600}', '\u{605}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{6dd}', '\u{6dd}'),
    ('\u{70f}', '\u{70f}'),
    ('\u{890}', '\u{891}'),
    ('\u{8e2}', '\u{8e2}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{202a}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{110bd}', '\u{110bd}'),
    ('\u{110cd}', '\u{110cd}'),
    ('\u{13430}', '\u{13438}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// The ignorable letters that select a shape of the letter before.
const VARIATION_SELECTORS: [Range; 4] =
    [('\u{180b}', '\u{180d}'), ('\u{180f}', '\u{180f}'), ('\u{fe00}', '\u{fe0f}'), ('\u{e0100}', '\u{e01ef}')];

/// Dashes (Pd), and letters used as a dash: minus signs, the hyphen bullet, and the sound mark of Japanese.
const DASHES: [Range; 25] = [
    ('\u{2d}', '\u{2d}'),
    ('\u{2d7}', '\u{2d7}'),
    ('\u{58a}', '\u{58a}'),
    ('\u{5be}', '\u{5be}'),
    ('\u{1400}', '\u{1400}'),
    ('\u{1806}', '\u{1806}'),
    ('\u{2010}', '\u{2015}'),
    ('\u{2043}', '\u{2043}'),
    ('\u{2212}', '\u{2212}'),
    ('\u{2796}', '\u{2796}'),
    ('\u{2e17}', '\u{2e17}'),
    ('\u{2e1a}', '\u{2e1a}'),
    ('\u{2e3a}', '\u{2e3b}'),
    ('\u{2e40}', '\u{2e40}'),
    ('\u{2e5d}', '\u{2e5d}'),
    ('\u{301c}', '\u{301c}'),
    ('\u{3030}', '\u{3030}'),
    ('\u{30a0}', '\u{30a0}'),
    ('\u{30fc}', '\u{30fc}'),
    ('\u{fe31}', '\u{fe32}'),
    ('\u{fe58}', '\u{fe58}'),
    ('\u{fe63}', '\u{fe63}'),
    ('\u{ff0d}', '\u{ff0d}'),
    ('\u{ff70}', '\u{ff70}'),
    ('\u{10ead}', '\u{10ead}'),
];

/// Brackets (Ps, Pe without quotes).
const BRACKETS: [Range; 34] = [
    ('\u{28}', '\u{29}'),
    ('\u{5b}', '\u{5b}'),
    ('\u{5d}', '\u{5d}'),
    ('\u{7b}', '\u{7b}'),
    ('\u{7d}', '\u{7d}'),
    ('\u{f3a}', '\u{f3d}'),
    ('\u{169b}', '\u{169c}'),
    ('\u{2045}', '\u{2046}'),
    ('\u{207d}', '\u{207e}'),
    ('\u{208d}', '\u{208e}'),
    ('\u{2308}', '\u{230b}'),
    ('\u{2329}', '\u{232a}'),
    ('\u{2768}', '\u{2775}'),
    ('\u{27c5}', '\u{27c6}'),
    ('\u{27e6}', '\u{27ef}'),
    ('\u{2983}', '\u{2998}'),
    ('\u{29d8}', '\u{29db}'),
    ('\u{29fc}', '\u{29fd}'),
    ('\u{2e22}', '\u{2e29}'),
    ('\u{2e55}', '\u{2e5c}'),
    ('\u{3008}', '\u{3011}'),
    ('\u{3014}', '\u{301b}'),
    ('\u{fd3e}', '\u{fd3f}'),
    ('\u{fe17}', '\u{fe18}'),
    ('\u{fe35}', '\u{fe44}'),
    ('\u{fe47}', '\u{fe48}'),
    ('\u{fe59}', '\u{fe5e}'),
    ('\u{ff08}', '\u{ff09}'),
    ('\u{ff3b}', '\u{ff3b}'),
    ('\u{ff3d}', '\u{ff3d}'),
    ('\u{ff5b}', '\u{ff5b}'),
    ('\u{ff5d}', '\u{ff5d}'),
    ('\u{ff5f}', '\u{ff60}'),
    ('\u{ff62}', '\u{ff63}'),
];

/// Dots and slashes.
const DOTS_AND_SLASHES: [char; 19] = [
    '\u{2e}', '\u{2f}', '\u{b7}', '\u{387}', '\u{2022}', '\u{2024}', '\u{2025}', '\u{2026}', '\u{2044}', '\u{2215}',
    '\u{2219}', '\u{22c5}', '\u{29f8}', '\u{3002}', '\u{30fb}', '\u{fe19}', '\u{fe30}', '\u{ff61}', '\u{ff65}',
];

/// The digit 0 of every script (Nd); the digits 1 to 9 follow each.
const ZEROS: [char; 66] = [
    '\u{30}',
    '\u{660}',
    '\u{6f0}',
    '\u{7c0}',
    '\u{966}',
    '\u{9e6}',
    '\u{a66}',
    '\u{ae6}',
    '\u{b66}',
    '\u{be6}',
    '\u{c66}',
    '\u{ce6}',
    '\u{d66}',
    '\u{de6}',
    '\u{e50}',
    '\u{ed0}',
    '\u{f20}',
    '\u{1040}',
    '\u{1090}',
    '\u{17e0}',
    '\u{1810}',
    '\u{1946}',
    '\u{19d0}',
    '\u{1a80}',
    '\u{1a90}',
    '\u{1b50}',
    '\u{1bb0}',
    '\u{1c40}',
    '\u{1c50}',
    '\u{a620}',
    '\u{a8d0}',
    '\u{a900}',
    '\u{a9d0}',
    '\u{a9f0}',
    '\u{aa50}',
    '\u{abf0}',
    '\u{ff10}',
    '\u{104a0}',
    '\u{10d30}',
    '\u{11066}',
    '\u{110f0}',
    '\u{11136}',
    '\u{111d0}',
    '\u{112f0}',
    '\u{11450}',
    '\u{114d0}',
    '\u{11650}',
    '\u{116c0}',
    '\u{11730}',
    '\u{118e0}',
    '\u{11950}',
    '\u{11c50}',
    '\u{11d50}',
    '\u{11da0}',
    '\u{16a60}',
    '\u{16ac0}',
    '\u{16b50}',
    '\u{1d7ce}',
    '\u{1d7d8}',
    '\u{1d7e2}',
    '\u{1d7ec}',
    '\u{1d7f6}',
    '\u{1e140}',
    '\u{1e2f0}',
    '\u{1e950}',
    '\u{1fbf0}',
];

/// First and last letter, and the NFKC of the first letter; the other letters follow in order.
const COMPATIBLE: [(char, char, char); 22] = [
    ('\u{b2}', '\u{b3}', '2'),
    ('\u{b9}', '\u{b9}', '1'),
    ('\u{2070}', '\u{2070}', '0'),
    ('\u{2074}', '\u{2079}', '4'),
    ('\u{207a}', '\u{207a}', '+'),
    ('\u{207b}', '\u{207b}', '-'),
    ('\u{207c}', '\u{207c}', '='),
    ('\u{207d}', '\u{207e}', '('),
    ('\u{2080}', '\u{2089}', '0'),
    ('\u{208a}', '\u{208a}', '+'),
    ('\u{208b}', '\u{208b}', '-'),
    ('\u{208c}', '\u{208c}', '='),
    ('\u{208d}', '\u{208e}', '('),
    ('\u{24ea}', '\u{24ea}', '0'),
    ('\u{fb29}', '\u{fb29}', '+'),
    ('\u{fe50}', '\u{fe50}', ','),
    ('\u{fe52}', '\u{fe52}', '.'),
    ('\u{fe59}', '\u{fe5a}', '('),
    ('\u{fe5f}', '\u{fe5f}', '#'),
    ('\u{fe61}', '\u{fe61}', '*'),
    ('\u{fe62}', '\u{fe62}', '+'),
    ('\u{ff01}', '\u{ff5e}', '!'),
];

/// First and last letter of a run of numbers, and the first number: circled, in parentheses, with a full stop.
const NUMBERS: [(char, char, u32); 5] = [
    ('\u{2460}', '\u{2473}', 1),
    ('\u{2474}', '\u{2487}', 1),
    ('\u{2488}', '\u{249b}', 1),
    ('\u{3251}', '\u{325f}', 21),
    ('\u{32b1}', '\u{32bf}', 36),
];
/// A digit 0 with a full stop, then the digits with a comma.
const DIGITS_WITH_MARK: Range = ('\u{1f100}', '\u{1f10a}');

/// First and last capital letter, and the distance to the small letters.
const CAPITALS: [(char, char, u32); 8] = [
    ('\u{41}', '\u{5a}', 32),
    ('\u{c0}', '\u{d6}', 32),
    ('\u{d8}', '\u{de}', 32),
    ('\u{388}', '\u{38a}', 37),
    ('\u{391}', '\u{3a1}', 32),
    ('\u{3a3}', '\u{3ab}', 32),
    ('\u{400}', '\u{40f}', 80),
    ('\u{410}', '\u{42f}', 32),
];
/// Ranges of Latin Extended-A whose capital letters are even, each followed by its small letter.
const EVEN_CAPITALS: [Range; 3] = [('\u{100}', '\u{12f}'), ('\u{132}', '\u{137}'), ('\u{14a}', '\u{177}')];
/// Ranges whose capital letters are odd.
const ODD_CAPITALS: [Range; 2] = [('\u{139}', '\u{148}'), ('\u{179}', '\u{17e}')];

/// Whether a letter is dropped before every other step.
pub(super) fn is_ignorable(letter: char) -> bool {
    !letter.is_ascii() && within(&IGNORABLE, letter)
}

/// Whether a letter is invisible or changes the direction of the text (Cf): ignorable letters without variation selectors.
pub(crate) fn is_format(letter: char) -> bool {
    is_ignorable(letter) && !within(&VARIATION_SELECTORS, letter)
}

/// Whether a letter only separates digits.
pub(super) fn is_separator(letter: char) -> bool {
    if letter.is_ascii() {
        return letter.is_whitespace() || ".-/()[]{}".contains(letter);
    }
    letter.is_whitespace() || DOTS_AND_SLASHES.contains(&letter) || within(&BRACKETS, letter) || within(&DASHES, letter)
}

/// The value of a decimal digit of any script.
pub(super) fn digit(letter: char) -> Option<u32> {
    let behind = |zero: &char| u32::from(letter).checked_sub(u32::from(*zero)).filter(|value| *value < 10);
    if letter.is_ascii() { letter.to_digit(10) } else { ZEROS.iter().find_map(behind) }
}

/// Appends the plain letters to which a letter is compatible.
pub(super) fn push_plain(letter: char, plain: &mut Vec<char>) {
    if letter.is_ascii() {
        return plain.push(letter);
    }
    if let Some((first, _, of_first)) = COMPATIBLE.iter().find(|(first, last, _)| (*first..=*last).contains(&letter)) {
        return plain.push(shifted(*of_first, u32::from(letter) - u32::from(*first)));
    }
    match number(letter) {
        Some(number) => plain.extend(number.to_string().chars()),
        None => plain.push(letter),
    }
}

/// The number of a letter.
fn number(letter: char) -> Option<u32> {
    if within(&[DIGITS_WITH_MARK], letter) {
        return Some((u32::from(letter) - u32::from(DIGITS_WITH_MARK.0)).saturating_sub(1));
    }
    let run = NUMBERS.iter().find(|(first, last, _)| (*first..=*last).contains(&letter));
    run.map(|(first, _, number)| number + u32::from(letter) - u32::from(*first)).or_else(|| digit(letter))
}

/// The small letter of a capital letter, in the scripts of addresses; every other letter unchanged.
pub(super) fn lower(letter: char) -> char {
    let run = CAPITALS.iter().find(|(first, last, _)| (*first..=*last).contains(&letter));
    let even = u32::from(letter) & 1 == 0;
    match run {
        Some((_, _, behind)) => shifted(letter, *behind),
        None if letter == '\u{178}' => '\u{ff}',
        None if even && within(&EVEN_CAPITALS, letter) || !even && within(&ODD_CAPITALS, letter) => shifted(letter, 1),
        None => letter,
    }
}

fn shifted(letter: char, by: u32) -> char {
    char::from_u32(u32::from(letter) + by).unwrap_or(letter)
}

fn within(ranges: &[Range], letter: char) -> bool {
    ranges.iter().any(|(first, last)| (*first..=*last).contains(&letter))
}
