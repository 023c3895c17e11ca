//! `/files/chmod`: changes the permissions of a file or directory.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::home_path::HomePath;
use crate::request::operation::Operation;
use crate::request::values::Username;

/// Changes permissions.
#[derive(Serialize)]
pub struct ChangePermissions {
    /// The account.
    pub username: Username,
    /// The file or directory.
    pub path: HomePath,
    /// Its new permissions.
    pub permissions: Permissions,
}

impl Operation for ChangePermissions {
    const PATHS: &'static [&'static str] = &["/files/chmod"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let username = fields.username()?;
        let path = HomePath::parse("path", fields.text("path")?, &username)?;
        Ok(Self { username, path, permissions: Permissions::parse("permissions", fields.text("permissions")?)? })
    }
}

/// Permissions to read, write and execute, without setuid, setgid and the sticky bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions(u32);

impl Permissions {
    /// Parses octal digits, such as 644 or 0755.
    ///
    /// # Errors
    /// It is something else, or has one of the other bits.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        let is_octal = (3..=4).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let Some(mode) = u32::from_str_radix(text, 8).ok().filter(|_| is_octal) else {
            return Err(Problem::invalid(
                field,
                "must have three octal digits, such as 644 or 755, with or without a leading 0",
            ));
        };
        if mode > 0o777 {
            return Err(Problem::invalid(
                field,
                "must not set the setuid, setgid or sticky bit: the first of four digits must be 0",
            ));
        }
        Ok(Self(mode))
    }

    /// The bits, as in st_mode.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04o}", self.0)
    }
}

impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_three_octal_digits() {
        for (text, bits, written) in [("644", 0o644, "0644"), ("0755", 0o755, "0755"), ("000", 0, "0000")] {
            let permissions = Permissions::parse("permissions", text).unwrap();
            assert_eq!((permissions.bits(), permissions.to_string().as_str()), (bits, written));
        }
        for text in
            ["", "7", "77", "00644", "4755", "2755", "1777", "888", "+644", "rwx", "u+s", " 644", "0o644", "６４４"]
        {
            assert!(Permissions::parse("permissions", text).is_err(), "{text:?}");
        }
    }
}
