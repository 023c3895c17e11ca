//! Connection strings of keywords and values, such as `host=db1,db2 dbname=licenses`.
//!
//! Source: <https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-KEYWORD-VALUE>

use std::iter::Peekable;
use std::str::Chars;

use super::settings::Settings;

/// Splits the string. What it says of words outside of `keyword=value` never repeats them: they may be half a password.
///
/// # Errors
/// A sentence.
pub(super) fn parse(text: &str) -> Result<Settings, String> {
    let mut settings = Settings::default();
    let mut rest = text.chars().peekable();
    loop {
        skip_blanks(&mut rest);
        if rest.peek().is_none() {
            return Ok(settings);
        }
        let number = settings.count().saturating_add(1);
        let keyword = keyword(&mut rest);
        skip_blanks(&mut rest);
        if rest.next() != Some('=') || keyword.is_empty() {
            return Err(format!(
                "setting {number} is not written keyword=value. Put a value with blanks in single quotes: keyword='a value'"
            ));
        }
        skip_blanks(&mut rest);
        let value = if rest.next_if_eq(&'\'').is_some() {
            quoted(&mut rest).ok_or_else(|| format!("the value of setting {number} has no closing quote"))?
        } else {
            plain(&mut rest)
        };
        settings.add(keyword, value);
    }
}

fn skip_blanks(rest: &mut Peekable<Chars<'_>>) {
    while rest.next_if(|character| character.is_ascii_whitespace()).is_some() {}
}

fn keyword(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut keyword = String::new();
    while let Some(character) = rest.next_if(|character| *character != '=' && !character.is_ascii_whitespace()) {
        keyword.push(character);
    }
    keyword
}

/// A value without quotes ends at a blank; a backslash takes the next character as it is.
fn plain(rest: &mut Peekable<Chars<'_>>) -> String {
    let mut value = String::new();
    while let Some(character) = rest.next_if(|character| !character.is_ascii_whitespace()) {
        value.extend(if character == '\\' { rest.next() } else { Some(character) });
    }
    value
}

/// A value in quotes, without the first one; `None` if the last one is missing.
fn quoted(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut value = String::new();
    loop {
        match rest.next()? {
            '\'' => return Some(value),
            '\\' => value.push(rest.next()?),
            character => value.push(character),
        }
    }
}
