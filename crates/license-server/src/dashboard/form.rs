//! Forms and queries: `application/x-www-form-urlencoded`, as browsers write it (WHATWG URL, §5).

use std::fmt::Write;

/// The most fields that a form may have; ours have seven at most.
const MOST: usize = 32;

/// The fields of a form, each name once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Form(Vec<(String, String)>);

/// What was sent is not a form that a page of ours sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Form {
    /// Reads the fields. What a browser would never send is refused, so that no two readers can differ about it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for piece in bytes.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty()) {
            let mut halves = piece.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            if fields.len() == MOST || fields.iter().any(|(known, _)| *known == name) {
                return Err(Malformed);
            }
            fields.push((name, value));
        }
        Ok(Self(fields))
    }

    /// The text of a field, exactly as typed; none when the form does not have it.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The text of a field without space around it; empty when the form does not have it.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default().trim()
    }

    /// A field that has a number of ours.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.text(name).parse().ok()
    }
}

fn decode(text: &[u8]) -> Result<String, Malformed> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|digit| char::from(*digit).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else { return Err(Malformed) };
                u8::try_from(high << 4 | low).map_err(|_| Malformed)?
            }
            byte => *byte,
        });
    }
    String::from_utf8(decoded).map_err(|_| Malformed)
}

/// Text as a part of a query.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_') {
            encoded.push(char::from(byte));
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

    /// What is sent, and the fields that are read of it.
    type Case = (&'static [u8], Option<&'static [(&'static str, &'static str)]>);

    #[test]
    fn a_form_is_read_as_browsers_write_it_and_nothing_else_is() {
        let table: [Case; 14] = [
            (b"", Some(&[])),
            (b"name=anna", Some(&[("name", "anna")])),
            (b"name=anna&password=a+b%2Bc%26%3D", Some(&[("name", "anna"), ("password", "a b+c&=")])),
            (b"a=1=2&&b", Some(&[("a", "1=2"), ("b", "")])),
            (b"q=%C3%A4%e2%82%ac", Some(&[("q", "ä€")])),
            (b"q=%3Cscript%3E'--", Some(&[("q", "<script>'--")])),
            (b"a=1&a=1", None),
            (b"a=1&%61=2", None),
            (b"a=%", None),
            (b"a=%4", None),
            (b"a=%+1", None),
            (b"a=%zz", None),
            (b"a=%ff", None),
            (b"\xc3=1", None),
        ];
        for (bytes, expected) in table {
            let expected = expected.map(|fields| {
                Form(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
            });
            assert_eq!(Form::parse(bytes).ok(), expected, "{}", String::from_utf8_lossy(bytes));
        }
        let fields = |count: usize| (0..count).map(|number| format!("f{number}=1")).collect::<Vec<_>>().join("&");
        assert!(Form::parse(fields(MOST).as_bytes()).is_ok());
        assert!(Form::parse(fields(MOST + 1).as_bytes()).is_err());
    }

    #[test]
    fn what_is_encoded_is_read_back() {
        for text in ["", "anna", "a b+c&d=e", "ä€\u{202e}\0\r\n", "%41\"<'>"] {
            let form = Form::parse(format!("q={}", encode(text)).as_bytes()).unwrap();
            assert_eq!(form.get("q"), Some(text));
        }
    }
}
