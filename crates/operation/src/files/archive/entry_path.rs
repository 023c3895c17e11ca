//! The names in an archive, which its author chose.

use std::ffi::{CStr, CString};

use crate::files::archive::MAX_DEPTH;

/// Longest name in an archive, in bytes, with all of its directories; also of the target of a link.
pub const LONGEST: usize = 4095;

/// Longest part of a name.
const MAX_NAME: usize = 255;

/// Where an entry is, below the directory into which the archive is unpacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryPath {
    parents: Vec<CString>,
    name: CString,
}

impl EntryPath {
    /// Parses a name. None if it is the directory itself (`./`).
    ///
    /// # Errors
    /// It leads out of the directory, or is too long: the rest of a sentence that begins with it.
    pub fn parse(text: &[u8]) -> Result<Option<Self>, &'static str> {
        if text.starts_with(b"/") {
            return Err("is an absolute name");
        }
        if text.len() > LONGEST {
            return Err("is too long");
        }
        let mut parts = Vec::new();
        for part in text.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")) {
            match CString::new(part) {
                _ if part == b".." => return Err("contains “..”"),
                Ok(part) if part.count_bytes() <= MAX_NAME => parts.push(part),
                _ => return Err("is too long, or contains a zero byte"),
            }
        }
        let last = parts.pop();
        if parts.len() > MAX_DEPTH {
            return Err("has too many directories above it");
        }
        Ok(last.map(|name| Self { parents: parts, name }))
    }

    /// The names of the directories above it, from the outermost.
    pub fn parents(&self) -> &[CString] {
        &self.parents
    }

    /// Its own name.
    pub fn name(&self) -> &CStr {
        &self.name
    }

    /// Whether a link here to `target` stays in the directory into which the archive is unpacked. A way up is only counted at
    /// the beginning: further on, it could start at another link.
    pub fn may_link_to(&self, target: &[u8]) -> bool {
        let mut parts = target.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")).peekable();
        let mut up = 0_usize;
        while parts.next_if(|part| *part == b"..").is_some() {
            up = up.saturating_add(1);
        }
        let is_plain = (1..=LONGEST).contains(&target.len()) && !target.starts_with(b"/") && !target.contains(&0);
        is_plain && up <= self.parents.len() && parts.all(|part| part != b"..")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_below_the_directory() {
        let parts = |text: &[u8]| {
            let path = EntryPath::parse(text).unwrap().unwrap();
            let names = path.parents().iter().map(CString::as_c_str).chain([path.name()]);
            names.map(|name| name.to_string_lossy().into_owned()).collect::<Vec<_>>().join("|")
        };
        for (text, expected) in [
            (&b"a"[..], "a"),
            (b"./a//b/./c/", "a|b|c"),
            (b"-rf", "-rf"),
            (b"a\nb/\"c\"", "a\nb|\"c\""),
            (b"...", "..."),
            (b"..a/b..", "..a|b.."),
            (b"lat\xe9", "lat\u{fffd}"),
        ] {
            assert_eq!(parts(text), expected);
        }
        for text in [&b""[..], b".", b"./", b".//."] {
            assert_eq!(EntryPath::parse(text), Ok(None));
        }
        let (name, path, deep) = (vec![b'a'; 256], b"a/".repeat(2100), b"a/".repeat(300));
        for text in [
            &b"/"[..],
            b"/etc/passwd",
            b"//x",
            b"..",
            b"../x",
            b"a/../b",
            b"a/..",
            b"./..",
            b"a\0b",
            &name,
            &path,
            &deep,
        ] {
            assert!(EntryPath::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn links_stay_in_the_directory() {
        for (place, target, allowed) in [
            ("a", "b", true),
            ("a", "./b/c", true),
            ("d/a", "../b", true),
            ("d/e/a", "../../b", true),
            ("a", "..", false),
            ("a", "../b", false),
            ("d/a", "../../b", false),
            ("d/a", "x/../../b", false),
            ("d/a", "x/..", false),
            ("a", "/etc", false),
            ("a", "", false),
        ] {
            let path = EntryPath::parse(place.as_bytes()).unwrap().unwrap();
            assert_eq!(path.may_link_to(target.as_bytes()), allowed, "{place} → {target}");
        }
    }
}
