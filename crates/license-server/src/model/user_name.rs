//! Names of users: which are allowed, and which are the same.
//!
//! Everything that compares names, such as sign-in, commands, search, limits and the database's index, compares what
//! [`folded`] returns.

use unicode_normalization::UnicodeNormalization;

use opterius_base::text::is_invisible;

/// The maximum length of a name in characters.
pub const MAX_NAME: usize = 128;

/// The name as it is compared: without surrounding blanks and invisible characters, in Unicode's normal form NFKC, and
/// without case. `ＡＮＮＡ` is `anna`, and `Straße` is `STRASSE`.
pub fn folded(name: &str) -> String {
    // Folding can undo the normal form and the reverse, so twice, as in toNFKC_Casefold of Unicode.
    fold_once(&fold_once(name))
}

fn fold_once(text: &str) -> String {
    let text: String =
        text.nfkc().filter(|character| !is_invisible(*character)).flat_map(without_case).nfkc().collect();
    text.trim().to_owned()
}

/// Lower, upper and lower case again reach the same character from all of its cases: ẞ, ß and SS are ss.
fn without_case(character: char) -> impl Iterator<Item = char> {
    character.to_lowercase().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

/// The name as it is stored: without surrounding blanks, and composed, so that an é is one character in each name.
pub fn canonical(name: &str) -> String {
    name.trim().nfc().collect()
}

/// Whether a new user can have this name.
pub fn is_valid(name: &str) -> bool {
    let is_allowed = |character: char| {
        (character.is_alphanumeric() && !is_invisible(character)) || matches!(character, '.' | '_' | '-' | '@' | '+')
    };
    // A name that begins with a hyphen cannot be given to a command.
    !name.is_empty() && !name.starts_with('-') && name.chars().count() <= MAX_NAME && name.chars().all(is_allowed)
}

/// The name of a user whose name was taken when names began to be compared by [`folded`]. It is valid for no new user, so
/// no other can have it.
pub fn renamed(name: &str, number: u32) -> String {
    format!("{name}~{number}")
}

/// Whether a user was renamed by [`renamed`].
pub fn is_renamed(name: &str) -> bool {
    name.contains('~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_in_every_form_is_one_name() {
        for same in [
            &["anna", "Anna", "ANNA", " anna\t", "ａｎｎａ", "ＡＮＮＡ", "an\u{200b}na", "\u{feff}anna", "an\u{ad}na"]
                [..],
            &["Ärger", "ärger", "A\u{308}RGER", "a\u{308}rger"],
            &["straße", "STRASSE", "Straẞe", "strasse"],
            &["οδυσσεύς", "ΟΔΥΣΣΕΎΣ", "οδυσσεύσ"],
            &["ﬁrma", "Firma", "FIRMA", "ﬁRMA"],
            &["①②", "12"],
            &["K\u{212a}", "kk"],
            &["한글", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"],
        ] {
            for name in same {
                assert_eq!(folded(name), folded(same[0]), "{name:?} and {:?}", same[0]);
            }
        }
        for (one, other) in [("anna", "anne"), ("anna", "аnna"), ("o", "ö"), ("a.b", "ab"), ("anna", "anna~2")] {
            assert_ne!(folded(one), folded(other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn folding_any_character_reaches_an_end_that_case_does_not_change() {
        for character in '\0'..=char::MAX {
            let text = character.to_string();
            let once = folded(&text);
            assert_eq!(folded(&once), once, "{character:?}");
            assert_eq!(folded(&text.to_lowercase()), once, "{character:?}");
            assert_eq!(folded(&text.to_uppercase()), once, "{character:?}");
        }
    }

    #[test]
    fn a_new_name_has_only_visible_letters_and_digits() {
        for name in ["a", "anna", "anna@example.com", "José", "安娜", "a_b-c.d+e", &"a".repeat(128)] {
            assert!(is_valid(&canonical(name)), "{name}");
        }
        assert!(is_valid(&canonical("Jose\u{301}")), "a decomposed é is composed first");
        for name in [
            "",
            " ",
            "a b",
            "a~2",
            "-a",
            "--json",
            "a\u{200b}b",
            "\u{3164}",
            "a\u{3164}",
            "\u{115f}",
            "\u{ffa0}",
            "a\nb",
            "<b>",
            "a'b",
            "a,b",
            "a\u{202e}b",
            &"a".repeat(129),
        ] {
            assert!(!is_valid(&canonical(name)), "{name:?}");
        }
    }
}
