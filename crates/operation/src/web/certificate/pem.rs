//! Reading PEM texts as people paste them, and writing them as servers read them (RFC 7468).
//!
//! Browsers, editors and mail programs add a byte-order mark, carriage returns, blanks, text around the sections, or `\n` in
//! words, and drop line breaks between sections.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The start and end of the lines around a section.
const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// Characters in one line of Base64.
const LINE: usize = 64;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One section of a PEM text.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Section {
    /// What it is, such as `CERTIFICATE`.
    pub(crate) label: String,
    /// Its content.
    pub(crate) der: Vec<u8>,
}

/// Why a text is not in PEM format. It never shows the text, which may be a key.
pub(crate) type Fault = &'static str;

/// The sections of a text, in their order.
///
/// # Errors
/// A section is damaged.
pub(crate) fn sections(text: &str) -> Result<Vec<Section>, Fault> {
    let text = text.replace("\\r", "\n").replace("\\n", "\n");
    let mut sections = Vec::new();
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (label, body) = after.split_once(DASHES).ok_or("its BEGIN and END lines are damaged")?;
        let (body, after) = body.split_once(END).ok_or("its last section has no end")?;
        let after = after.strip_prefix(label).and_then(|after| after.strip_prefix(DASHES));
        rest = after.ok_or("its BEGIN and END lines are damaged")?;
        if body.contains(BEGIN) {
            return Err("its BEGIN and END lines are damaged");
        }
        sections.push(Section { label: label.to_owned(), der: decode(body)? });
    }
    Ok(sections)
}

fn decode(body: &str) -> Result<Vec<u8>, Fault> {
    let is_blank = |character: &char| character.is_whitespace() || matches!(character, '\u{feff}' | '\u{200b}');
    let digits: String = body.chars().filter(|character| !is_blank(character)).collect();
    BASE64.decode(digits).map_err(|_| "the text between its BEGIN and END lines is not Base64")
}

/// A section in canonical form.
pub(crate) fn write(label: &str, der: &[u8]) -> String {
    let mut text = format!("{BEGIN}{label}{DASHES}\n");
    let digits = BASE64.encode(der);
    let mut rest = digits.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at_checked(LINE).unwrap_or((rest, ""));
        text.push_str(line);
        text.push('\n');
        rest = after;
    }
    text + END + label + DASHES + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_as_it_is_pasted_and_written_in_one_form() {
        let der: Vec<u8> = (0..=99).collect();
        let canonical = write("CERTIFICATE", &der);
        assert!(canonical.lines().all(|line| line.len() <= 64) && canonical.ends_with("-----END CERTIFICATE-----\n"));
        let joined = canonical.repeat(2).replace("-----\n-----BEGIN", "----------BEGIN");
        assert_eq!(joined.matches("----------").count(), 1);
        let table = [
            (canonical.clone(), 1),
            (format!("\u{feff}{canonical}"), 1),
            (canonical.replace('\n', "\r\n"), 1),
            (canonical.replace('\n', "\r"), 1),
            (canonical.replace('\n', "\\n"), 1),
            (canonical.replace('\n', " "), 1),
            (canonical.replace('\n', "\n   "), 1),
            (canonical.trim_end().to_owned(), 1),
            (canonical.replace('=', ""), 1),
            (format!("Bag Attributes\n  friendlyName: Ünï\n{canonical}The end -----"), 1),
            (canonical.repeat(2), 2),
            (joined, 2),
            (format!("{canonical}\u{feff}{canonical}"), 2),
            (String::new(), 0),
        ];
        for (text, count) in table {
            let found = sections(&text).unwrap_or_else(|fault| panic!("{fault}: {text}"));
            assert_eq!(found.len(), count, "{text}");
            assert!(found.iter().all(|section| section.label == "CERTIFICATE" && section.der == der), "{text}");
        }
    }

    #[test]
    fn a_damaged_section_is_named_without_its_text() {
        let text = write("PRIVATE KEY", &[7; 90]);
        let table = [
            (text.replace("-----END", "----END"), "has no end"),
            (text.replace("END PRIVATE", "END PUBLIC"), "are damaged"),
            (text.replace("KEY-----\nBw", "KEY\nBw"), "has no end"),
            (text.replacen("Bw", "!!", 1), "not Base64"),
            (format!("-----BEGIN X-----\n{text}"), "are damaged"),
        ];
        for (text, words) in table {
            let fault = sections(&text).err().unwrap_or_else(|| panic!("{text}"));
            assert!(fault.contains(words), "{fault}: {text}");
        }
    }
}
