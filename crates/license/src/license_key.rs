//! The license key as people paste it, and the one form that is sent, hashed and stored.
//!
//! Our own license server issues four groups of eight signs, A–Z and 2–7. Such a key is recognized in any spelling. A key
//! of another vendor can have any other shape, so it is kept as it is, apart from what surrounds it.

use std::fmt;

/// The longest key, in characters.
pub const MAX_LENGTH: usize = 64;

/// Signs in one of our keys, and in each of its groups.
const SIGNS: usize = 32;
const GROUP: usize = 8;

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
    /// A sign that no key contains.
    Sign {
        /// The sign.
        sign: char,
        /// Its position, from 1, without what surrounds the key.
        position: usize,
    },
    /// A blank inside a text that is not one of our keys.
    Blank {
        /// Its position, from 1, without what surrounds the key.
        position: usize,
        /// Whether a comment may begin there.
        comment: bool,
    },
}

impl fmt::Display for KeyFault {
    /// A predicate, such as “has 70 characters; …”. It shows no sign that a key can contain.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Empty => formatter.write_str("has only quotes or blanks"),
            Self::TooLong(length) => {
                write!(formatter, "has {length} characters; a license key has at most {MAX_LENGTH}")
            }
            Self::Sign { sign: '<' | '>', position } => {
                write!(formatter, "has < or > as character {position}: a placeholder in place of the key?")
            }
            Self::Sign { sign, position } => {
                let code = u32::from(sign);
                let (shown, kind) = describe(sign);
                write!(
                    formatter,
                    "has {shown}U+{code:04X}{kind} as character {position}, which no license key contains"
                )
            }
            Self::Blank { position, comment } => {
                let hint = if comment { "; a comment needs a line of its own" } else { "" };
                write!(formatter, "has a blank as character {position}, which no license key contains{hint}")
            }
        }
    }
}

/// The beginning and the end of `“С” (U+0421, a Cyrillic letter that looks like C)`.
fn describe(sign: char) -> (String, String) {
    let meant = LOOKALIKES.chars().zip(MEANT.chars()).find(|(odd, _)| *odd == sign).map(|(_, meant)| meant);
    let alphabet = match sign {
        '\u{370}'..='\u{3ff}' => "a Greek letter",
        '\u{400}'..='\u{52f}' => "a Cyrillic letter",
        '\u{ff01}'..='\u{ff5e}' => "a full-width sign",
        _ if sign.is_control() => return (String::new(), " (a control character)".to_owned()),
        _ => "not an ASCII sign",
    };
    let looks = meant.map(|meant| format!(" that looks like {meant}")).unwrap_or_default();
    (format!("“{sign}” ("), format!(", {alphabet}{looks})"))
}

/// The one form of the license key in `text`. Quotes and blanks around it, invisible characters and typographic dashes in
/// it do not matter; in one of our keys neither do blanks, dashes and case.
///
/// # Errors
/// Why `text` cannot be a license key.
pub fn canonical(text: &str) -> Result<String, KeyFault> {
    let text = text.trim_matches(|sign: char| is_blank(sign) || is_invisible(sign) || is_quote(sign));
    own_form(text).map_or_else(|| foreign(text), Ok)
}

/// One of our keys in its canonical form.
fn own_form(text: &str) -> Option<String> {
    let (mut key, mut signs) = (String::new(), 0_usize);
    for sign in text.chars().filter(|sign| !is_blank(*sign) && !is_invisible(*sign) && !is_dash(*sign)) {
        let sign = sign.to_ascii_uppercase();
        if !is_ours(sign) || signs == SIGNS {
            return None;
        }
        if signs > 0 && signs.is_multiple_of(GROUP) {
            key.push('-');
        }
        key.push(sign);
        signs = signs.saturating_add(1);
    }
    (signs == SIGNS && !is_grouped_otherwise(text)).then_some(key)
}

/// Whether the text, as it is, can be another vendor's key: with dashes, but not between groups of eight.
fn is_grouped_otherwise(text: &str) -> bool {
    let mut signs = 0_usize;
    let mut otherwise = false;
    for sign in text.chars() {
        match sign {
            '-' | '_' => otherwise |= !signs.is_multiple_of(GROUP),
            _ if sign.is_ascii_graphic() => signs = signs.saturating_add(1),
            _ => return false,
        }
    }
    otherwise
}

/// Another vendor's key.
fn foreign(text: &str) -> Result<String, KeyFault> {
    for (index, sign) in text.chars().enumerate() {
        let position = index.saturating_add(1);
        if is_blank(sign) {
            let comment = text.chars().skip(position).find(|sign| !is_blank(*sign)) == Some('#');
            return Err(KeyFault::Blank { position, comment });
        }
        let is_usual = sign.is_ascii_graphic() && !matches!(sign, '<' | '>');
        if !is_usual && !is_invisible(sign) && !is_dash(sign) {
            return Err(KeyFault::Sign { sign, position });
        }
    }
    let plain = |sign: char| if !sign.is_ascii() && is_dash(sign) { '-' } else { sign };
    let key: String = text.chars().filter(|sign| !is_invisible(*sign)).map(plain).collect();
    match key.len() {
        0 => Err(KeyFault::Empty),
        1..=MAX_LENGTH => Ok(key),
        length => Err(KeyFault::TooLong(length)),
    }
}

/// What makes a canonical key look like one of ours with a mistake in it, as a sentence; it may be another vendor's.
pub fn doubt(key: &str) -> Option<String> {
    let (mut signs, mut dashes, mut wrong) = (0_usize, 0_usize, None);
    let (mut is_hex, mut is_grouped) = (true, true);
    for (index, byte) in key.bytes().enumerate() {
        match byte {
            b'-' => {
                dashes = dashes.saturating_add(1);
                is_grouped &= signs.is_multiple_of(GROUP);
            }
            _ if !byte.is_ascii_alphanumeric() => return None,
            _ => {
                signs = signs.saturating_add(1);
                is_hex &= byte.is_ascii_hexdigit();
                wrong = wrong.or(matches!(byte, b'0' | b'1' | b'8' | b'9').then_some((index, byte)));
            }
        }
    }
    // A hexadecimal text is another vendor's key rather than one of ours with several mistakes.
    if is_hex || !matches!(dashes, 0 | 3) {
        return None;
    }
    match wrong {
        Some((index, byte)) if signs == SIGNS && is_grouped => {
            let meant = match byte {
                b'0' => "O",
                b'1' => "I or L",
                b'8' => "B",
                _ => "another sign",
            };
            Some(format!(
                "character {} is {}, which no key of an Opterius license server contains: is it {meant}?",
                index.saturating_add(1),
                char::from(byte)
            ))
        }
        None if signs.abs_diff(SIGNS) == 1 => {
            Some(format!("there are {signs} letters and digits, but a key of an Opterius license server has {SIGNS}."))
        }
        _ => None,
    }
}

/// The base32 alphabet of RFC 4648.
fn is_ours(sign: char) -> bool {
    matches!(sign, 'A'..='Z' | '2'..='7')
}

fn is_blank(sign: char) -> bool {
    sign.is_whitespace()
}

/// Characters without a shape of their own: soft hyphen, zero-width characters, direction marks, byte-order mark.
fn is_invisible(sign: char) -> bool {
    matches!(
        sign,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
    )
}

fn is_dash(sign: char) -> bool {
    matches!(
        sign,
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

fn is_quote(sign: char) -> bool {
    matches!(
        sign,
        '"' | '\'' | '`' | '´' | '«' | '»' | '\u{2018}'..='\u{201f}' | '\u{2032}' | '\u{2033}' | '\u{2039}' | '\u{203a}'
            | '\u{300c}'..='\u{300f}' | '\u{301d}'..='\u{301f}' | '\u{ff02}' | '\u{ff07}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "ABCDEFGH-IJKLMNOP-QRSTUVWX-YZ234567";

    #[test]
    fn every_spelling_of_one_of_our_keys_is_the_same_key() {
        let lower = OWN.to_lowercase();
        let bare = OWN.replace('-', "");
        let mut spellings: Vec<String> =
            vec![OWN.to_owned(), lower, bare.clone(), bare.to_lowercase(), OWN.replace("-", "--")];
        for around in [
            "\"", "'", "`", "“”", "„“", "‘’", "‚‘", "«»", "‹›", "″", "′", " ", "\t", "\r\n", "\u{a0}", "\u{feff}",
            "\u{200b}", "\"'", "` ", "\u{2028}", "\u{3000}", "\u{ad}",
        ] {
            let first: String = around.chars().take(1).collect();
            spellings.push(format!("{first}{OWN}{around}"));
            spellings.push(format!("{around}{OWN}{}", around.chars().rev().collect::<String>()));
        }
        for dash in [
            "‐",
            "‑",
            "‒",
            "–",
            "—",
            "―",
            "−",
            "_",
            "－",
            "﹣",
            " ",
            " - ",
            " – ",
            "\u{a0}",
            "\u{202f}",
            "\n",
            "\r\n",
            "-\n",
            "\t",
            "\u{200b}",
            "\u{200d}",
            "\u{2060}",
            "\u{ad}",
            "\u{feff}",
            "-\u{200b}",
            "_-",
        ] {
            spellings.push(OWN.replace('-', dash));
            spellings.push(OWN.replace('-', dash).to_lowercase());
            spellings.push(format!("“{}”", OWN.replace('-', dash)));
        }
        for (index, _) in bare.char_indices().skip(1) {
            for blank in [" ", "\u{a0}", "\u{200b}", "\n", "\u{ad}"] {
                spellings.push(format!("{}{blank}{}", &bare[..index], &bare[index..]));
                spellings.push(format!("{}{blank}{}", &OWN[..index], &OWN[index..]));
            }
        }
        for spelling in &spellings {
            assert_eq!(canonical(spelling).as_deref(), Ok(OWN), "{spelling:?}");
        }
    }

    #[test]
    fn another_vendors_key_stays_as_it_is() {
        let long = "x".repeat(MAX_LENGTH);
        let kept = [
            "AAAA-BBBB",
            "aaaa-bbbb",
            "AAAA-BBBB-CCCC-DDDD",
            "AAAA-BBBB-CCCC-DDDD-EEEE-FFFF-GGGG-HHHH",
            "abcdefgh-ijkl-mnop-qrst-uvwxyzabcdef",
            "550e8400-e29b-41d4-a716-446655440000",
            "ABCDEFGH-IJKLMNOP-QRSTUVWX-YZ234560",
            "ABCDEFGH-IJKLMNOP-QRSTUVWX-YZ23456",
            "abcdefgh-ijklmnop-qrstuvwx-yz2345672",
            "lic_live:4eC39.HqLyjWD/x+y==",
            "!#$%&()*+,-./:;=?@[]^_{|}~",
            "a",
            &long,
        ];
        for key in kept {
            assert_eq!(canonical(key).as_deref(), Ok(key), "{key}");
            assert_eq!(canonical(&format!(" “{key}”\u{a0}\r\n")).as_deref(), Ok(key), "{key}");
        }
        assert_eq!(canonical("AAAA–BB\u{200b}BB").as_deref(), Ok("AAAA-BBBB"));
    }

    #[test]
    fn what_cannot_be_a_key_is_named_by_sign_and_position() {
        let cyrillic = "AAAA\u{421}AAA-BBBBBBBB-CCCCCCCC-DDDDDDDD";
        let none = "which no license key contains";
        let table = [
            (" \"\u{200b}“ ”\" ".to_owned(), "has only quotes or blanks".to_owned()),
            (String::new(), "has only quotes or blanks".to_owned()),
            (
                cyrillic.to_owned(),
                format!("has “С” (U+0421, a Cyrillic letter that looks like C) as character 5, {none}"),
            ),
            (
                format!(" ‘{cyrillic}’"),
                format!("has “С” (U+0421, a Cyrillic letter that looks like C) as character 5, {none}"),
            ),
            ("AAAA-Ж".to_owned(), format!("has “Ж” (U+0416, a Cyrillic letter) as character 6, {none}")),
            ("Ο".to_owned(), format!("has “Ο” (U+039F, a Greek letter that looks like O) as character 1, {none}")),
            ("ABＣ".to_owned(), format!("has “Ｃ” (U+FF23, a full-width sign) as character 3, {none}")),
            ("AÄ".to_owned(), format!("has “Ä” (U+00C4, not an ASCII sign) as character 2, {none}")),
            ("AAAA\u{7}BBBB".to_owned(), format!("has U+0007 (a control character) as character 5, {none}")),
            ("<your key here>".to_owned(), "has < or > as character 1: a placeholder in place of the key?".to_owned()),
            ("my key".to_owned(), format!("has a blank as character 3, {none}")),
            (
                format!("{OWN} # mine"),
                format!("has a blank as character 36, {none}; a comment needs a line of its own"),
            ),
            (format!("{OWN} {OWN}"), format!("has a blank as character 36, {none}")),
            ("x".repeat(65), "has 65 characters; a license key has at most 64".to_owned()),
        ];
        for (text, expected) in table {
            assert_eq!(canonical(&text).unwrap_err().to_string(), expected, "{text:?}");
        }
        assert_eq!(LOOKALIKES.chars().count(), MEANT.chars().count());
    }

    #[test]
    fn a_canonical_key_is_its_own_canonical_form() {
        for text in [OWN, "aaaa-bbbb", " a–b ", "'x'", "“`x`”", "abcdefgh-ijkl-mnop-qrst-uvwxyzabcdef"] {
            let key = canonical(text).unwrap();
            assert_eq!(canonical(&key).as_ref(), Ok(&key));
        }
    }

    #[test]
    fn a_likely_mistake_in_one_of_our_keys_is_named_with_its_position() {
        let never = "which no key of an Opterius license server contains: is it";
        let has = "letters and digits, but a key of an Opterius license server has 32";
        let table = [
            (OWN, None),
            ("ABCDEF0H-IJKLMNOP-QRSTUVWX-YZ234567", Some(format!("character 7 is 0, {never} O?"))),
            ("ABCDEFGH-1JKLMNOP-QRSTUVWX-YZ234567", Some(format!("character 10 is 1, {never} I or L?"))),
            ("ABCDEFGH-IJKLMNOP-QRSTUVWX-YZ234568", Some(format!("character 35 is 8, {never} B?"))),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZ234569", Some(format!("character 32 is 9, {never} another sign?"))),
            ("ABCDEFGH-IJKLMNO-QRSTUVWX-YZ234567", Some(format!("there are 31 {has}."))),
            ("ABCDEFGH-IJKLMNOP-QRSTUVWX-YZ2345677", Some(format!("there are 33 {has}."))),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZ23456", Some(format!("there are 31 {has}."))),
            ("AAAA-BBBB", None),
            ("550e8400-e29b-41d4-a716-446655440000", None),
            ("d41d8cd98f00b204e9800998ecf8427e", None),
            ("ABCDEFG-HIJKLMNOP-QRSTUVWX-YZ234560", None),
            ("lic_live:4eC39.HqLyjWD8x0y1zabcdef", None),
            ("", None),
        ];
        for (key, expected) in table {
            assert_eq!(doubt(key), expected, "{key}");
        }
    }
}
