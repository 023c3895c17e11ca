//! Password files in the format of `.pgpass`: `host:port:database:user:password`.
//!
//! Source: <https://www.postgresql.org/docs/current/libpq-pgpass.html>

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::cause::cause;
use opterius_base::files;
use opterius_base::secret::Secret;

/// The largest file, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// What a password is for.
pub(super) struct Purpose<'a> {
    /// The host as the connection string has it; `localhost` for the default directory of Unix sockets.
    pub(super) host: &'a str,
    /// The port.
    pub(super) port: u16,
    /// The database.
    pub(super) database: &'a str,
    /// The user.
    pub(super) user: &'a str,
}

/// The password in the file; `None` if no line matches. A file that is not `required` can be missing.
///
/// # Errors
/// A sentence: the file cannot be read, or other users can read it.
pub(super) fn read(path: &Path, required: bool, purpose: &Purpose<'_>) -> Result<Option<Secret>, String> {
    let shown = path.display();
    let mode = match std::fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode(),
        Err(error) if !required && matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(format!("the password file {shown}: {}", cause(&error))),
    };
    if mode & 0o077 != 0 {
        return Err(format!("the password file {shown}: other users can read or write it. Run: chmod 0600 {shown}"));
    }
    let bytes = files::read(path, MAX_FILE).map_err(|error| format!("the password file {shown}: {}", cause(&error)))?;
    let bytes = Zeroizing::new(bytes);
    let text = std::str::from_utf8(&bytes).map_err(|_| format!("the password file {shown} is not in UTF-8"))?;
    Ok(find(text, purpose))
}

/// The password in the first line that matches.
fn find(text: &str, purpose: &Purpose<'_>) -> Option<Secret> {
    let port = purpose.port.to_string();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut found = lines.filter_map(|line| {
        let mut rest = line;
        for value in [purpose.host, &port, purpose.database, purpose.user] {
            let (field, is_wildcard, after) = field(rest);
            (is_wildcard || *field == value).then_some(())?;
            rest = after?;
        }
        let (password, ..) = field(rest);
        Some(Secret::new(password.to_string()))
    });
    found.next().filter(|password| !password.expose().is_empty())
}

/// The first field without its escapes, whether it is `*`, and what follows its colon.
fn field(text: &str) -> (Zeroizing<String>, bool, Option<&str>) {
    let mut value = Zeroizing::new(String::new());
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            ':' => return (value, text.get(..index) == Some("*"), text.get(index.saturating_add(1)..)),
            '\\' => value.push(characters.next().map_or('\\', |(_, escaped)| escaped)),
            character => value.push(character),
        }
    }
    (value, text == "*", None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_matches_has_the_password() {
        let file = "# comment:5432:*:*:no\n\
                    db1:5432:licenses:agent:one\n\
                    \n\
                    broken\n\
                    db1:5432:short\n\
                    db1:*:licenses:*:two\n\
                    fe80\\:\\:1:5432:*:*:t\\:hr\\\\ee:rest is ignored\n\
                    \\*:*:*:*:a host called star\r\n\
                    empty:*:*:*:\n\
                    last:*:*:*:with spaces # and more";
        let table = [
            ("db1", 5432, "licenses", "agent", Some("one")),
            ("db1", 5433, "licenses", "agent", Some("two")),
            ("db1", 5433, "licenses", "other", Some("two")),
            ("db1", 5433, "other", "agent", None),
            ("DB1", 5432, "licenses", "agent", None),
            ("fe80::1", 5432, "x", "y", Some("t:hr\\ee")),
            ("*", 1, "x", "y", Some("a host called star")),
            ("empty", 1, "x", "y", None),
            ("last", 1, "x", "y", Some("with spaces # and more")),
            ("db", 5432, "licenses", "agent", None),
        ];
        for (host, port, database, user, expected) in table {
            let found = find(file, &Purpose { host, port, database, user });
            assert_eq!(found.as_ref().map(Secret::expose), expected, "{host}:{port}:{database}:{user}");
        }
    }
}
