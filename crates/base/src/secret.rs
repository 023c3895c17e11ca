//! Values that must never be logged or shown: the Panel's shared secret and the license key.

use zeroize::Zeroize;

/// A secret string. It has no `Debug` or `Display` and is wiped from memory when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for hashing and for the one request that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Length in characters.
    pub fn length(&self) -> usize {
        self.0.chars().count()
    }

    /// The first and last 4 characters, the most that is ever displayed; nothing of a secret shorter than 16 characters.
    pub fn masked(&self) -> String {
        let characters: Vec<char> = self.0.chars().collect();
        match (characters.first_chunk::<4>(), characters.last_chunk::<4>()) {
            (Some(first), Some(last)) if characters.len() >= 16 => {
                format!("{}…{}", String::from_iter(first), String::from_iter(last))
            }
            _ => "…".to_owned(),
        }
    }

    /// Whether `text` contains this secret, ignoring ASCII case.
    pub fn is_in(&self, text: &str) -> bool {
        !self.0.is_empty() && text.to_ascii_lowercase().contains(&self.0.to_ascii_lowercase())
    }

    /// Masks every occurrence of this secret in `text`, so that a response that echoes the key does not leak it into a log.
    pub fn redact(&self, text: &str) -> String {
        let (mask, secret) = (self.masked(), self.0.to_ascii_lowercase());
        let mut redacted = String::new();
        let mut rest = text;
        // ASCII lowercasing keeps lengths, so an offset in the lowercase text is the same offset in `text`.
        while !secret.is_empty()
            && let Some(start) = rest.to_ascii_lowercase().find(&secret)
            && let Some((before, found)) = rest.split_at_checked(start)
            && let Some((_, after)) = found.split_at_checked(secret.len())
        {
            redacted.push_str(before);
            redacted.push_str(&mask);
            rest = after;
        }
        redacted.push_str(rest);
        redacted
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_shows_four_characters_at_each_end_at_most() {
        let table = [
            ("AAAABBBB-CCCCDDDD", "AAAA…DDDD"),
            ("AAAABBBBCCCCDDDD", "AAAA…DDDD"),
            ("AAAABBBBCCCCDDD", "…"),
            ("", "…"),
        ];
        for (text, expected) in table {
            assert_eq!(Secret::new(text.to_owned()).masked(), expected);
        }
    }

    #[test]
    fn an_echoed_key_is_masked() {
        let key = Secret::new("AAAABBBB-CCCCDDDD".to_owned());
        assert_eq!(key.redact("Key AAAABBBB-CCCCDDDD is unknown."), "Key AAAA…DDDD is unknown.");
        assert_eq!(key.redact("aaaabbbb-ccccdddd, AaaaBbbb-CcccDddd"), "AAAA…DDDD, AAAA…DDDD");
        assert_eq!(key.redact("ÄAAAABBBB-CCCCDDDDÖ"), "ÄAAAA…DDDDÖ");
        assert_eq!(key.redact("nothing"), "nothing");
        assert_eq!(Secret::new(String::new()).redact("nothing"), "nothing");
        assert!(key.is_in("x aaaabbbb-ccccdddd y") && !key.is_in("aaaabbbb"));
    }
}
