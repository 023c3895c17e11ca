//! Forms and queries: `application/x-www-form-urlencoded` (WHATWG URL, section 5).

use opterius_base::percent;

/// The maximum number of fields in a form. A list with 50 selected licenses has the most.
const MAX_FIELDS: usize = 96;

/// The fields of a form, with unique names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Form(Vec<(String, String)>);

/// The input is not a form that a page of the dashboard sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct MalformedForm;

impl Form {
    /// Parses the fields. Rejects anything that browsers never send, such as duplicates, so that the result is unambiguous.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, MalformedForm> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for piece in bytes.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty()) {
            let mut halves = piece.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            if fields.len() == MAX_FIELDS || fields.iter().any(|(known, _)| *known == name) {
                return Err(MalformedForm);
            }
            fields.push((name, value));
        }
        Ok(Self(fields))
    }

    /// The value of a field, exactly as entered; `None` if it is absent.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The names of all fields.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The trimmed value of a field; empty if it is absent.
    pub(super) fn text(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default().trim()
    }

    /// The value of a numeric field.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.text(name).parse().ok()
    }
}

fn decode(text: &[u8]) -> Result<String, MalformedForm> {
    let decoded = percent::decode_form(text).and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.ok_or(MalformedForm)
}

/// Percent-encodes text for a query.
pub(super) fn encode(text: &str) -> String {
    percent::encode(text, b"-._")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The input and the parsed fields.
    type Case = (&'static [u8], Option<&'static [(&'static str, &'static str)]>);

    #[test]
    fn only_forms_as_browsers_send_them_are_accepted() {
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
        assert!(Form::parse(fields(MAX_FIELDS).as_bytes()).is_ok());
        assert!(Form::parse(fields(MAX_FIELDS + 1).as_bytes()).is_err());
    }

    #[test]
    fn encoding_round_trips() {
        for text in ["", "anna", "a b+c&d=e", "ä€\u{202e}\0\r\n", "%41\"<'>"] {
            let form = Form::parse(format!("q={}", encode(text)).as_bytes()).unwrap();
            assert_eq!(form.get("q"), Some(text));
        }
    }
}
