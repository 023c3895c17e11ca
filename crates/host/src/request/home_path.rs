//! Paths and names of files in an account's home.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::problem::Problem;
use crate::request::values::Username;

/// Longest path below a home, in bytes: what the kernel accepts in one call, without the zero at its end.
const MAX_PATH: usize = 4095;

/// Longest name of a file, in bytes.
const MAX_NAME: usize = 255;

/// What stands for bytes that are not UTF-8 in a list of files.
pub const UNADDRESSABLE: char = char::REPLACEMENT_CHARACTER;

/// A path of a file in an account's home: the home's, and below it names that are neither empty nor `.` nor `..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomePath {
    home: String,
    below: String,
}

impl HomePath {
    /// Parses a path in the home of `username`: absolute, or relative to the home.
    ///
    /// # Errors
    /// It leads elsewhere, contains `..`, or is no path that the kernel takes.
    pub fn parse(field: &str, text: &str, username: &Username) -> Result<Self, Problem> {
        let home = format!("/home/{username}");
        let below = match text.strip_prefix(&home) {
            Some(below) if below.is_empty() || below.starts_with('/') => below,
            _ if text.starts_with('/') => {
                return Err(Problem::invalid(field, format!("must be a path below {home}, or relative to it")));
            }
            _ => text,
        };
        let names: Vec<&str> = below.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
        let below = names.join("/");
        let broken = if names.contains(&"..") {
            Some("must not contain “..”: write where the file is".to_owned())
        } else if below.contains('\0') {
            Some("must not contain a zero character".to_owned())
        } else if below.contains(UNADDRESSABLE) {
            Some(format!(
                "contains “{UNADDRESSABLE}”, which stands for bytes that are not UTF-8; rename such a file over SFTP first"
            ))
        } else if below.len() > MAX_PATH || names.iter().any(|name| name.len() > MAX_NAME) {
            Some(format!("must have at most {MAX_PATH} bytes, and each name in it at most {MAX_NAME}"))
        } else {
            None
        };
        broken.map_or(Ok(Self { home, below }), |rule| Err(Problem::invalid(field, rule)))
    }

    /// The path relative to the home, without a slash at either end; empty for the home itself.
    pub fn from_home(&self) -> &str {
        &self.below
    }

    /// The directory that it is in, relative to the home, and its name there; none for the home itself.
    pub fn parent_and_name(&self) -> Option<(&str, &str)> {
        let split = self.below.rsplit_once('/').unwrap_or(("", &self.below));
        Some(split).filter(|(_, name)| !name.is_empty())
    }

    /// The path of `name` in the same directory.
    #[must_use]
    pub fn beside(&self, name: &FileName) -> Self {
        let (parent, _) = self.parent_and_name().unwrap_or_default();
        let slash = if parent.is_empty() { "" } else { "/" };
        Self { home: self.home.clone(), below: format!("{parent}{slash}{}", name.as_str()) }
    }

    /// The absolute path of `below`, a path relative to the same home.
    pub fn absolute(&self, below: &str) -> String {
        if below.is_empty() { self.home.clone() } else { format!("{}/{below}", self.home) }
    }
}

impl fmt::Display for HomePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.absolute(&self.below))
    }
}

impl Serialize for HomePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A name that a file or directory may be given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileName(String);

impl FileName {
    /// Parses a name.
    ///
    /// # Errors
    /// It is empty, too long, not a single name, or contains control characters.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        let is_name = (1..=MAX_NAME).contains(&text.len())
            && !matches!(text, "." | "..")
            && !text.contains(|sign: char| sign == '/' || sign == UNADDRESSABLE || sign.is_control());
        if is_name {
            return Ok(Self(text.to_owned()));
        }
        let rule = format!(
            "must be one name of at most {MAX_NAME} bytes, without slashes and control characters, and not “.” or “..”"
        );
        Err(Problem::invalid(field, rule))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<HomePath, Problem> {
        HomePath::parse("path", text, &Username::parse("username", "alice").unwrap())
    }

    #[test]
    fn a_path_is_below_the_home_and_normal() {
        let long = format!("{}/x", ["a"; 2000].join("/"));
        for (text, below) in [
            ("/home/alice", ""),
            ("/home/alice/", ""),
            ("", ""),
            (".", ""),
            ("_imports", "_imports"),
            ("/home/alice//a/./b/", "a/b"),
            ("./-rf", "-rf"),
            ("a b\n\"ü", "a b\n\"ü"),
            ("home/alice/x", "home/alice/x"),
            ("...", "..."),
            (&long, &long),
        ] {
            assert_eq!(parse(text).unwrap().from_home(), below, "{text:?}");
        }
        assert_eq!(parse("a//b").unwrap().to_string(), "/home/alice/a/b");
        assert_eq!(parse("a/b").unwrap().parent_and_name(), Some(("a", "b")));
        assert_eq!(parse("b").unwrap().parent_and_name(), Some(("", "b")));
        assert_eq!(parse("/home/alice/").unwrap().parent_and_name(), None);
    }

    #[test]
    fn other_paths_and_names_are_refused_with_their_rule() {
        let (name, path) = ("a".repeat(256), "a/".repeat(2100));
        for text in
            ["/", "/etc", "/home", "/home/alice2", "/home/bob/x", "..", "a/../b", "/home/alice/..", "a\0", "\u{fffd}"]
                .into_iter()
                .chain([name.as_str(), path.as_str()])
        {
            let problem = parse(text).unwrap_err();
            assert!(problem.status() == 422 && problem.message().len() < 300, "{text:?}: {problem:?}");
        }
        for text in ["", ".", "..", "a/b", "/", "a\nb", "a\0", "\u{fffd}", name.as_str()] {
            assert!(FileName::parse("new_name", text).is_err(), "{text:?}");
        }
        for text in ["a", ".htaccess", "-rf", "a b.txt", "ü", "...", "\"quoted\""] {
            assert_eq!(FileName::parse("new_name", text).unwrap().as_str(), text);
        }
    }
}
