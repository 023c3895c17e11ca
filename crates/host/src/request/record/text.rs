//! The contents of TXT records: strings of at most 255 bytes each, quoted in a zone file (RFC 1035 §5.1).

use crate::problem::Problem;

/// Longest text, in bytes.
const MAX_TEXT: usize = 4096;

/// Longest string of a record, in bytes (RFC 1035 §3.3).
const MAX_STRING: usize = 255;

/// A text in the form of a zone file. `text` is the plain text, or already in that form.
///
/// # Errors
/// It is empty or too long, has control characters, or is quoted wrongly.
pub fn quoted(text: &str) -> Result<String, Problem> {
    let refuse = |rule: String| Err(Problem::invalid("content", rule));
    let text = text.trim();
    let bytes = if text.starts_with('"') {
        let Some(bytes) = unquoted(text) else {
            return refuse("begins with a quote, but is not a list of quoted strings, such as \"a\" \"b\"".to_owned());
        };
        bytes
    } else {
        text.as_bytes().to_vec()
    };
    if text.is_empty() || bytes.len() > MAX_TEXT {
        return refuse(format!("must be a text of at most {MAX_TEXT} bytes"));
    }
    if bytes.iter().any(u8::is_ascii_control) {
        return refuse("must not contain control characters".to_owned());
    }
    let strings: Vec<String> = match bytes.is_empty() {
        true => vec!["\"\"".to_owned()],
        false => bytes.chunks(MAX_STRING).map(string).collect(),
    };
    Ok(strings.join(" "))
}

/// One string in quotes.
fn string(bytes: &[u8]) -> String {
    let mut written = String::from("\"");
    for byte in bytes {
        match byte {
            b'"' | b'\\' => written.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => written.push(char::from(*byte)),
            _ => written.push_str(&format!("\\{byte:03}")),
        }
    }
    written.push('"');
    written
}

/// The bytes of quoted strings, one after another; none if they are not in the form of a zone file.
pub fn unquoted(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.trim().bytes().peekable();
    while rest.next_if_eq(&b'"').is_some() {
        loop {
            match rest.next()? {
                b'"' => break,
                b'\\' => bytes.push(escaped(&mut rest)?),
                byte => bytes.push(byte),
            }
        }
        while rest.next_if(u8::is_ascii_whitespace).is_some() {}
    }
    rest.next().is_none().then_some(bytes)
}

/// The byte after a backslash: three decimal digits, or itself.
fn escaped(rest: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let first = rest.next()?;
    if !first.is_ascii_digit() {
        return Some(first);
    }
    let digits = [first, rest.next()?, rest.next()?];
    str::from_utf8(&digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}
