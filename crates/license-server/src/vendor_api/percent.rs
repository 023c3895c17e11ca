//! Percent-encoding in paths and queries (RFC 3986 §2.1).

/// Decodes a segment of a path; `None` if it is not percent-encoded UTF-8.
pub(super) fn decode_segment(text: &str) -> Option<String> {
    decode(text, false)
}

/// Decodes a name or value of a query, in which `+` is a blank; `None` if it is not percent-encoded UTF-8.
pub(super) fn decode_query(text: &str) -> Option<String> {
    decode(text, true)
}

fn decode(text: &str, plus_is_blank: bool) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
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
    String::from_utf8(decoded).ok()
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
        for (text, segment, query) in table {
            assert_eq!(decode_segment(text).as_deref(), segment, "{text}");
            assert_eq!(decode_query(text).as_deref(), query, "{text}");
        }
    }
}
