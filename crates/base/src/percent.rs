//! Percent-encoding in paths, queries and forms (RFC 3986 §2.1, WHATWG URL §5).

use std::fmt::Write;

/// Decodes a path or a part of one. None if it is not percent-encoded UTF-8.
pub fn decode(text: &str) -> Option<String> {
    String::from_utf8(bytes(text.as_bytes(), false)?).ok()
}

/// Decodes a name or value of a form or query, in which `+` is a blank. None if it is not percent-encoded.
pub fn decode_form(text: &[u8]) -> Option<Vec<u8>> {
    bytes(text, true)
}

fn bytes(text: &[u8], plus_is_blank: bool) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' if plus_is_blank => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|digit| char::from(digit).to_digit(16));
                u8::try_from(digit()? << 4 | digit()?).ok()?
            }
            byte => byte,
        });
    }
    Some(decoded)
}

/// Encodes all bytes but letters, digits and those of `plain`.
pub fn encode(text: impl AsRef<[u8]>, plain: &[u8]) -> String {
    let text = text.as_ref();
    let mut encoded = String::with_capacity(text.len());
    for byte in text {
        if byte.is_ascii_alphanumeric() || plain.contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_complete_encodings_of_utf_8_are_decoded() {
        let table = [
            ("a%20b+c", Some("a b+c"), Some("a b c")),
            ("%C3%A4%2F%2b", Some("ä/+"), Some("ä/+")),
            ("%", None, None),
            ("%4", None, None),
            ("%zz", None, None),
            ("%+1", None, None),
            ("%ff", None, None),
            ("%00", Some("\0"), Some("\0")),
        ];
        for (text, path, form) in table {
            let decoded_form = decode_form(text.as_bytes()).and_then(|bytes| String::from_utf8(bytes).ok());
            assert_eq!((decode(text).as_deref(), decoded_form.as_deref()), (path, form), "{text}");
        }
    }

    #[test]
    fn what_is_encoded_is_decoded() {
        for text in ["", "a b+c", "ä/%&=\n\0", "~.-_"] {
            assert_eq!(decode(&encode(text, b"-._")).as_deref(), Some(text));
            assert_eq!(decode_form(encode(text, b"").as_bytes()).as_deref(), Some(text.as_bytes()));
        }
        assert_eq!(encode("a b/ä", b"/"), "a%20b/%C3%A4");
    }
}
