//! Writing any text as one parameter of nginx's configuration.

use std::fmt::Display;

use ring::digest::{SHA256, digest};

use opterius_base::hex::hex;
use opterius_host::request::values::Domain;

/// A text in quotes. nginx reads the same text, in which it expands variables where a directive allows them.
pub fn quoted(text: impl Display) -> String {
    let mut quoted = String::from("\"");
    for sign in text.to_string().chars() {
        if matches!(sign, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(sign);
    }
    quoted.push('"');
    quoted
}

/// The name of a variable that only this site's file defines: variables are common to all files.
pub fn variable(kind: &str, domain: &Domain) -> String {
    let mut name = hex(digest(&SHA256, domain.as_str().as_bytes()).as_ref());
    name.truncate(16);
    format!("opterius_{kind}_{name}")
}

/// A text for a parameter in which nginx would expand variables. nginx cannot quote a dollar sign, so `dollar` is a variable
/// that contains one.
pub fn without_variables(text: &str, dollar: &str) -> String {
    quoted(text.replace('$', &format!("${{{dollar}}}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_host::nginx::directives;

    #[test]
    fn a_quoted_text_is_one_parameter() {
        for text in ["", "a b", "\"", "\\", "\\\"", "a;}{#'$x", "\\n", "ü", "a\\"] {
            let parsed = directives::parse(format!("x {} y;", quoted(text)).as_bytes());
            assert_eq!(parsed[0].words, ["x", text, "y"], "{text}");
        }
        assert_eq!(without_variables("a$b", "d"), "\"a${d}b\"");
    }
}
