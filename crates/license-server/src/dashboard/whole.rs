//! Text with IP addresses and dates, as markup that keeps each on one line.

use std::net::IpAddr;

/// The text, escaped, with each address and date in an element that does not break.
pub(super) fn markup(text: &str) -> String {
    let mut markup = String::with_capacity(text.len());
    for word in text.split_inclusive(char::is_whitespace) {
        let begin = word.len().saturating_sub(word.trim_start_matches(is_around).len());
        let (before, rest) = word.split_at(begin);
        let (inner, after) = rest.split_at(rest.trim_end_matches(is_around).len());
        escape(&mut markup, before);
        match class(inner) {
            Some(class) => {
                markup.push_str("<span class=\"");
                markup.push_str(class);
                markup.push_str("\">");
                escape(&mut markup, inner);
                markup.push_str("</span>");
            }
            None => escape(&mut markup, inner),
        }
        escape(&mut markup, after);
    }
    markup
}

/// The class of an address: a long one is smaller on a small screen.
pub(super) fn class_of(address: &str) -> &'static str {
    if address.contains(':') { "ip long" } else { "ip" }
}

fn class(word: &str) -> Option<&'static str> {
    if word.parse::<IpAddr>().is_ok() {
        return Some(class_of(word));
    }
    is_date(word).then_some("ip")
}

/// Whether the word is a date, or an instant in RFC 3339.
fn is_date(word: &str) -> bool {
    let (date, rest) = word.split_at_checked(10).unwrap_or((word, ""));
    let is_like = |(byte, like): (u8, u8)| if like == b'0' { byte.is_ascii_digit() } else { byte == like };
    date.len() == 10 && date.bytes().zip(*b"0000-00-00").all(is_like) && (rest.is_empty() || rest.starts_with('T'))
}

/// Punctuation around an address. A colon is none: an IPv6 address can begin or end with one.
fn is_around(character: char) -> bool {
    character.is_whitespace() || matches!(character, ',' | '.' | ';' | '(' | ')' | '“' | '”' | '"' | '\'' | '?' | '!')
}

fn escape(markup: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => markup.push_str("&#38;"),
            '<' => markup.push_str("&#60;"),
            '>' => markup.push_str("&#62;"),
            '"' => markup.push_str("&#34;"),
            '\'' => markup.push_str("&#39;"),
            _ => markup.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_dates_are_marked_and_all_text_is_escaped() {
        for (text, expected) in [
            ("", ""),
            ("from 203.0.113.5 to", "from <span class=\"ip\">203.0.113.5</span> to"),
            ("(2001:db8::1).", "(<span class=\"ip long\">2001:db8::1</span>)."),
            ("locked to ::, then", "locked to <span class=\"ip long\">::</span>, then"),
            ("end of 2027-03-31.", "end of <span class=\"ip\">2027-03-31</span>."),
            ("at 2027-03-31T00:00:00Z", "at <span class=\"ip\">2027-03-31T00:00:00Z</span>"),
            ("2027-03-31x 1.2.3 <b> & \"'", "2027-03-31x 1.2.3 &#60;b&#62; &#38; &#34;&#39;"),
            ("1.2.3.4<script>", "1.2.3.4&#60;script&#62;"),
            ("zoë–ü 日本", "zoë–ü 日本"),
            ("\u{a0}1.2.3.4\u{a0}", "\u{a0}<span class=\"ip\">1.2.3.4</span>\u{a0}"),
        ] {
            assert_eq!(markup(text), expected);
        }
    }
}
