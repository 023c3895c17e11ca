//! Text with IP addresses, networks and dates, as markup that keeps each on one line.

use std::net::IpAddr;

/// An instant as pages show it; zeros stand for digits.
const INSTANT: &str = "0000-00-00 00:00 UTC";

/// The text, escaped, with each address, network and date in an element that does not break.
pub(super) fn markup(text: &str) -> String {
    let mut markup = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (before, from) = rest.split_at(rest.find(|character| !is_around(character)).unwrap_or(rest.len()));
        escape(&mut markup, before);
        let is_instant = from.get(..INSTANT.len()).is_some_and(|start| is_like(start, INSTANT));
        let end = if is_instant { Some(INSTANT.len()) } else { from.find(char::is_whitespace) };
        let (word, after) = from.split_at(end.unwrap_or(from.len()));
        let (inner, punctuation) = word.split_at(word.trim_end_matches(is_around).len());
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
        escape(&mut markup, punctuation);
        rest = after;
    }
    markup
}

/// The class of an address: a long one is smaller on a small screen.
pub(super) fn class_of(address: &str) -> &'static str {
    if address.contains(':') { "ip long" } else { "ip" }
}

fn class(word: &str) -> Option<&'static str> {
    let address = word.split_once('/').map_or(word, |(address, _)| address);
    if address.parse::<IpAddr>().is_ok() {
        return Some(class_of(word));
    }
    is_date(word).then_some("ip")
}

/// Whether the word is a date, an instant in RFC 3339, or an instant as pages show it.
fn is_date(word: &str) -> bool {
    let (date, rest) = word.split_at_checked(10).unwrap_or((word, ""));
    is_like(date, "0000-00-00") && (rest.is_empty() || rest.starts_with('T') || is_like(word, INSTANT))
}

/// Whether the text is like this one, with any digits for its zeros.
fn is_like(text: &str, like: &str) -> bool {
    let is_same = |(byte, like): (u8, u8)| if like == b'0' { byte.is_ascii_digit() } else { byte == like };
    text.len() == like.len() && text.bytes().zip(like.bytes()).all(is_same)
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
            ("“10.0.0.0/8” is", "“<span class=\"ip\">10.0.0.0/8</span>” is"),
            ("locked to ::, then", "locked to <span class=\"ip long\">::</span>, then"),
            ("end of 2027-03-31.", "end of <span class=\"ip\">2027-03-31</span>."),
            ("at 2027-03-31T00:00:00Z", "at <span class=\"ip\">2027-03-31T00:00:00Z</span>"),
            ("(2027-03-31 12:05 UTC).", "(<span class=\"ip\">2027-03-31 12:05 UTC</span>)."),
            ("2027-03-31 at 12:05", "<span class=\"ip\">2027-03-31</span> at 12:05"),
            ("2027-03-31x 1.2.3 <b> & \"'", "2027-03-31x 1.2.3 &#60;b&#62; &#38; &#34;&#39;"),
            ("1.2.3.4<script>", "1.2.3.4&#60;script&#62;"),
            ("zoë–ü 日本", "zoë–ü 日本"),
            ("\u{a0}1.2.3.4\u{a0}", "\u{a0}<span class=\"ip\">1.2.3.4</span>\u{a0}"),
        ] {
            assert_eq!(markup(text), expected);
        }
    }
}
