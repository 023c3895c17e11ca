//! Words of the commands that a fix consists of.

use std::borrow::Cow;
use std::path::Path;

/// `word` as one word of a shell command: an administrator pastes it, and a path can contain anything.
pub fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-=:@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', "'\\''")))
}

/// The path as one word of a shell command.
pub fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_shell_could_interpret_is_quoted() {
        let table = [
            ("/etc/opterius/agent.conf", "/etc/opterius/agent.conf"),
            ("user@host:a=1,b+c%d-e_f", "user@host:a=1,b+c%d-e_f"),
            ("", "''"),
            ("/tmp/x; touch PWNED #", "'/tmp/x; touch PWNED #'"),
            ("/srv/it's", "'/srv/it'\\''s'"),
            ("$(id)`id`${x}~*?\\\n|&<>!\"", "'$(id)`id`${x}~*?\\\n|&<>!\"'"),
            ("/srv/größe", "'/srv/größe'"),
        ];
        for (word, expected) in table {
            assert_eq!(quoted(word), expected, "{word:?}");
        }
    }
}
