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

    /// Whether `text` contains this secret, in any case and with or without its dashes.
    pub fn is_in(&self, text: &str) -> bool {
        self.find(text).is_some()
    }

    /// Masks every occurrence of this secret in `text`, so that a response that echoes the key does not leak it into a log.
    pub fn redact(&self, text: &str) -> String {
        let mask = self.masked();
        let mut redacted = String::new();
        let mut rest = text;
        while let Some((start, end)) = self.find(rest)
            && let Some((found, after)) = rest.split_at_checked(end)
            && let Some((before, _)) = found.split_at_checked(start)
        {
            redacted.push_str(before);
            redacted.push_str(&mask);
            rest = after;
        }
        redacted.push_str(rest);
        redacted
    }

    /// Where the first occurrence in `text` begins and ends.
    fn find(&self, text: &str) -> Option<(usize, usize)> {
        let signs: Vec<u8> = self.0.bytes().filter(|byte| *byte != b'-').collect();
        // A short secret without its dashes could be an ordinary word.
        let exact = signs.len() < SHORTEST_WITHOUT_DASHES;
        let signs = if exact { self.0.bytes().collect() } else { signs };
        let (first, others) = signs.split_first()?;
        let text = text.as_bytes();
        let begins = text.iter().enumerate().filter(|(_, byte)| byte.eq_ignore_ascii_case(first));
        begins.map(|(start, _)| start).find_map(|start| {
            let mut rest = text.get(start.saturating_add(1)..)?;
            for sign in others {
                rest = if exact { rest } else { without_separators(rest) };
                let (byte, after) = rest.split_first()?;
                rest = byte.eq_ignore_ascii_case(sign).then_some(after)?;
            }
            Some((start, text.len().saturating_sub(rest.len())))
        })
    }
}

/// The fewest characters besides dashes of a secret that is recognized without them.
const SHORTEST_WITHOUT_DASHES: usize = 16;

/// The text after what may stand in place of a dash: nothing, blanks, dashes, or one of both percent-encoded.
fn without_separators(mut text: &[u8]) -> &[u8] {
    loop {
        text = match text {
            [b'-' | b'_' | b' ', rest @ ..] | [b'%', b'2', b'D' | b'd' | b'0', rest @ ..] => rest,
            _ => return text,
        };
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
        for text in [
            "aaaabbbbccccdddd",
            "AAAABBBB%2DCCCCDDDD",
            "AAAA BBBB CCCC DDDD",
            "aaaabbbb__ccccdddd",
            "A-AAABBBBCCCCDDDD",
        ] {
            assert_eq!(key.redact(&format!("ä{text}ö AAAA")), "äAAAA…DDDDö AAAA", "{text}");
        }
        let short = Secret::new("A-KEY".to_owned());
        assert_eq!(short.redact("a key, a-key, akey"), "a key, …, akey");
        assert_eq!(Secret::new("Ä".to_owned()).redact("äÄ"), "ä…");
    }
}
