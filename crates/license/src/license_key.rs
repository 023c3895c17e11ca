//! The license key as people paste it, and the one form that is sent, hashed and stored.
//!
//! Our own license server issues four groups of eight characters, A–Z and 2–7. Such a key is recognized in any spelling. A key
//! of another vendor can have any other shape, so it is kept as it is, apart from what surrounds it.

use std::fmt;

use opterius_base::text::is_invisible;

/// The longest key, in characters.
pub const MAX_LENGTH: usize = 64;

/// Characters in one of our keys, and in each of its groups.
const CHARACTERS: usize = 32;
const GROUP: usize = 8;

/// Dashes in one of our keys.
const DASHES: usize = 3;

/// Letters of other alphabets that look like the letter below them.
const LOOKALIKES: &str = "АВЕКМНОРСТУХЅІЈавекмнорстухѕіјΑΒΕΖΗΙΚΜΝΟΡΤΥΧ";
const MEANT: &str = "ABEKMHOPCTYXSIJabekmhopctyxsijABEZHIKMNOPTYX";

/// Why a text cannot be a license key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFault {
    /// Nothing is left without quotes and blanks.
    Empty,
    /// It has more than [`MAX_LENGTH`] characters.
    TooLong(usize),
    /// A character that no key contains.
    Character {
        /// The character.
        character: char,
        /// Its position, from 1, without what surrounds the key.
        position: usize,
    },
    /// A blank inside a text that is not one of our keys, at this position, from 1, without what surrounds the key.
    Blank(usize),
    /// More text after one of our keys.
    Comment,
}

impl fmt::Display for KeyFault {
    /// A predicate, such as “has 70 characters; …”. It shows no character that a key can contain.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Empty => formatter.write_str("has only quotes or blanks"),
            Self::TooLong(length) => {
                write!(formatter, "has {length} characters; a license key has at most {MAX_LENGTH}")
            }
            Self::Character { character: '<' | '>', position } => {
                write!(
                    formatter,
                    "has < or > as character {position}: this looks like a placeholder in place of the key"
                )
            }
            Self::Character { character, position } => {
                let code = u32::from(character);
                let (shown, kind) = describe(character);
                write!(
                    formatter,
                    "has {shown}U+{code:04X}{kind} as character {position}, which no license key contains"
                )
            }
            Self::Blank(position) => {
                write!(formatter, "has a blank as character {position}, which no license key contains")
            }
            Self::Comment => formatter.write_str("has text after the license key; a comment needs a line of its own"),
        }
    }
}

/// The beginning and the end of `“С” (U+0421, a Cyrillic letter that looks like C)`.
fn describe(character: char) -> (String, String) {
    let meant = LOOKALIKES.chars().zip(MEANT.chars()).find(|(odd, _)| *odd == character).map(|(_, meant)| meant);
    let alphabet = match character {
        '\u{370}'..='\u{3ff}' => "a Greek letter",
        '\u{400}'..='\u{52f}' => "a Cyrillic letter",
        '\u{ff01}'..='\u{ff5e}' => "a full-width character",
        _ if character.is_control() => return (String::new(), " (a control character)".to_owned()),
        _ => "not an ASCII character",
    };
    let looks = meant.map(|meant| format!(" that looks like {meant}")).unwrap_or_default();
    (format!("“{character}” ("), format!(", {alphabet}{looks})"))
}

/// The one form of the license key in `text`. Quotes and blanks around it, invisible characters and typographic dashes in
/// it do not matter; in one of our keys neither do blanks, dashes, case, and what is pasted along with it.
///
/// # Errors
/// Why `text` cannot be a license key.
pub fn canonical(text: &str) -> Result<String, KeyFault> {
    let seen: String = text.chars().filter(|character| !is_invisible(*character)).collect();
    let text = seen.trim_matches(|character: char| is_blank(character) || is_quote(character));
    if let Some(key) = own_form(text).or_else(|| own_form(without_remains(text).trim_matches(is_edge))) {
        return Ok(key);
    }
    let before = |mark: &str| text.split_once(mark).map(|(before, _)| before);
    if COMMENTS.iter().filter_map(|mark| before(mark)).any(|key| own_form(key.trim_matches(is_edge)).is_some()) {
        return Err(KeyFault::Comment);
    }
    foreign(text)
}

/// The form under which a license server stores the key that a client, a user or a file spells like this. A text that cannot
/// be a key stays as it is: no license has it.
pub fn stored_form(text: &str) -> String {
    /// More than the longest key with everything that can surround it; the rest is not worth the work.
    const LONGEST: usize = 1024;
    if text.len() > LONGEST {
        return text.to_owned();
    }
    canonical(text).unwrap_or_else(|_| text.to_owned())
}

/// The canonical form of one of our keys; `None` for any other text.
pub fn own(text: &str) -> Option<String> {
    canonical(text).ok().filter(|key| own_form(key).is_some())
}

/// The beginning of one of our keys in its canonical form, such as `ABCDEFGH-IJ` for ` abcd–efghij`; the whole key too.
/// `None` for a text that begins no key of ours.
pub fn beginning(text: &str) -> Option<String> {
    if let Some(key) = own(text) {
        return Some(key);
    }
    let seen = text.chars().filter(|character| !is_invisible(*character) && !is_quote(*character));
    let (key, count) = grouped(seen)?;
    (1..CHARACTERS).contains(&count).then_some(key)
}

/// The letters and digits in groups, and how many they are; blanks and dashes do not count. `None` if one of them is not in
/// our keys, or if there are more than in a key.
fn grouped(characters: impl Iterator<Item = char>) -> Option<(String, usize)> {
    let (mut key, mut count) = (String::new(), 0_usize);
    for character in characters.filter(|character| !is_blank(*character) && !is_dash(*character)) {
        let character = plain(character).to_ascii_uppercase();
        if !is_ours(character) || count == CHARACTERS {
            return None;
        }
        if count > 0 && count.is_multiple_of(GROUP) {
            key.push('-');
        }
        key.push(character);
        count = count.saturating_add(1);
    }
    Some((key, count))
}

/// How comments begin in other files.
const COMMENTS: [&str; 4] = ["#", "//", ";", " "];

/// What remains of markup and of escapes beside a pasted key.
const REMAINS: [&str; 7] = ["&quot;", "&nbsp;", "&#34;", "&#39;", "\\n", "\\r", "\\t"];

/// The text without a repeated `license_key=` and without [`REMAINS`].
fn without_remains(text: &str) -> String {
    let is_name = |name: &str| name.trim_matches(is_edge).eq_ignore_ascii_case("license_key");
    let value = text.split_once(['=', ':']).filter(|(name, _)| is_name(name)).map_or(text, |(_, value)| value);
    REMAINS.iter().fold(value.to_owned(), |text, remains| text.replace(remains, ""))
}

/// What can be around one of our keys.
fn is_edge(character: char) -> bool {
    !character.is_alphanumeric()
}

/// One of our keys in its canonical form.
fn own_form(text: &str) -> Option<String> {
    let (key, count) = grouped(text.chars())?;
    (count == CHARACTERS && !is_grouped_otherwise(text)).then_some(key)
}

/// Whether the text, as it is, can be another vendor's key: with dashes, but neither as many as in our keys nor between
/// groups of eight.
fn is_grouped_otherwise(text: &str) -> bool {
    let mut count = 0_usize;
    let mut otherwise = false;
    for character in text.chars() {
        match character {
            '-' | '_' => otherwise |= !count.is_multiple_of(GROUP),
            _ if character.is_ascii_graphic() => count = count.saturating_add(1),
            _ => return false,
        }
    }
    otherwise && text.matches('-').count() != DASHES
}

/// Another vendor's key.
fn foreign(text: &str) -> Result<String, KeyFault> {
    for (index, character) in text.chars().enumerate() {
        let position = index.saturating_add(1);
        if is_blank(character) {
            return Err(KeyFault::Blank(position));
        }
        let is_usual = character.is_ascii_graphic() && !matches!(character, '<' | '>');
        if !is_usual && !is_dash(character) {
            return Err(KeyFault::Character { character, position });
        }
    }
    let plain = |character: char| if !character.is_ascii() && is_dash(character) { '-' } else { character };
    let key: String = text.chars().map(plain).collect();
    match key.len() {
        0 => Err(KeyFault::Empty),
        1..=MAX_LENGTH => Ok(key),
        length => Err(KeyFault::TooLong(length)),
    }
}

/// Words in texts that stand where a key should be.
const PLACEHOLDERS: [&str; 6] = ["${", "{{", "your-", "your_", "license-key", "changeme"];

/// What makes a canonical key look like one of ours with a mistake in it, or like none, as a sentence; it may be another
/// vendor's.
pub fn doubt(key: &str) -> Option<String> {
    let lower = key.to_ascii_lowercase();
    if lower == "none" || PLACEHOLDERS.iter().any(|word| lower.contains(word)) {
        return Some("the text looks like a placeholder in place of the key.".to_owned());
    }
    let (mut count, mut dashes, mut wrong) = (0_usize, 0_usize, None);
    let (mut is_hex, mut is_grouped) = (true, true);
    for (index, byte) in key.bytes().enumerate() {
        match byte {
            b'-' => {
                dashes = dashes.saturating_add(1);
                is_grouped &= count.is_multiple_of(GROUP);
            }
            _ if !byte.is_ascii_alphanumeric() => return None,
            _ => {
                count = count.saturating_add(1);
                is_hex &= byte.is_ascii_hexdigit();
                wrong = wrong.or(matches!(byte, b'0' | b'1' | b'8' | b'9').then_some((index, byte)));
            }
        }
    }
    // A hexadecimal text is another vendor's key rather than one of ours with several mistakes.
    if is_hex || !matches!(dashes, 0 | DASHES) {
        return None;
    }
    match wrong {
        Some((index, byte)) if count == CHARACTERS && is_grouped => {
            let meant = match byte {
                b'0' => "O",
                b'1' => "I or L",
                b'8' => "B",
                _ => "another character",
            };
            Some(format!(
                "character {} is {}, which no key of an Opterius license server contains: is it {meant}?",
                index.saturating_add(1),
                char::from(byte)
            ))
        }
        None if count.abs_diff(CHARACTERS) == 1 => Some(format!(
            "there are {count} letters and digits, but a key of an Opterius license server has {CHARACTERS}."
        )),
        _ => None,
    }
}

/// The base32 alphabet of RFC 4648.
fn is_ours(character: char) -> bool {
    matches!(character, 'A'..='Z' | '2'..='7')
}

/// A full-width letter or digit, which East Asian keyboards type, as the ASCII character that it stands for.
fn plain(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => {
            u32::from(character).checked_sub(0xfee0).and_then(char::from_u32).unwrap_or(character)
        }
        _ => character,
    }
}

fn is_blank(character: char) -> bool {
    character.is_whitespace()
}

fn is_dash(character: char) -> bool {
    matches!(
        character,
        '-' | '_' | '\u{58a}' | '\u{2010}'
            ..='\u{2015}'
                | '\u{2043}'
                | '\u{207b}'
                | '\u{2212}'
                | '\u{2e3a}'
                | '\u{2e3b}'
                | '\u{30fc}'
                | '\u{fe58}'
                | '\u{fe63}'
                | '\u{ff0d}'
                | '\u{ff3f}'
    )
}

fn is_quote(character: char) -> bool {
    matches!(
        character,
        '"' | '\'' | '`' | '´' | '«' | '»' | '\u{2018}'..='\u{201f}' | '\u{2032}' | '\u{2033}' | '\u{2039}' | '\u{203a}'
            | '\u{300c}'..='\u{300f}' | '\u{301d}'..='\u{301f}' | '\u{ff02}' | '\u{ff07}'
    )
}

#[cfg(test)]
#[path = "license_key_tests.rs"]
mod tests;
