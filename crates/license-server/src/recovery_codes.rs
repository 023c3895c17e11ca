//! Recovery codes: each replaces a code of a second factor once.

use crate::random_token::{fill, sha256};
use crate::store::Error;
use crate::totp::base32;
use opterius_base::secret::Secret;

/// How many a user gets.
pub const COUNT: usize = 10;

/// The length of a code in bytes: too many for guessing, even with the hashes at hand.
const BYTES: usize = 10;

/// New codes, in groups of four characters.
///
/// # Errors
/// The system provides no random numbers.
pub fn generate() -> Result<Vec<Secret>, Error> {
    let code = |_| {
        let mut bytes = [0; BYTES];
        fill(&mut bytes)?;
        let letters: Vec<char> = base32(&bytes).chars().collect();
        let groups: Vec<String> = letters.chunks(4).map(String::from_iter).collect();
        Ok(Secret::new(groups.join("-")))
    };
    (0..COUNT).map(code).collect()
}

/// What is stored of a code; `None` if the text cannot be one. Case, dashes and blanks do not matter.
pub fn hash(text: &str) -> Option<String> {
    let letters: String = text.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
    (letters.len() == BYTES * 8 / 5).then(|| sha256(&letters.to_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_recognized_however_it_is_typed() {
        let codes = generate().unwrap();
        assert_eq!(codes.len(), COUNT);
        let code = codes[0].expose();
        assert_eq!(code.len(), 19);
        let stored = hash(code);
        assert!(stored.is_some());
        for typed in [code.to_lowercase(), code.replace('-', ""), code.replace('-', " "), format!(" {code}\n")] {
            assert_eq!(hash(&typed), stored, "{typed}");
        }
        assert_ne!(hash(codes[1].expose()), stored);
        for other in ["", "123456", &code[1..]] {
            assert_eq!(hash(other), None, "{other}");
        }
    }
}
