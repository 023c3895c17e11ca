//! Makes untrusted text safe to display.

use std::fmt::Write;
use std::io;
use std::time::Duration;

/// `text` as one line of at most `limit` characters. Control characters, which could forge a log line or send terminal
/// escape sequences, become spaces.
pub fn one_line(text: &str, limit: usize) -> String {
    let printable = |character: char| if drives_terminal(character) { ' ' } else { character };
    let line: String = text.trim().chars().map(printable).take(limit.saturating_add(1)).collect();
    if line.chars().count() <= limit {
        return line.trim_end().to_owned();
    }
    let shortened: String = line.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", shortened.trim_end())
}

/// Whether a character controls the terminal or the text direction instead of being displayed.
pub fn drives_terminal(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters without a shape of their own: soft hyphen, zero-width characters, direction marks, byte-order mark, and the
/// letters that are fillers.
pub fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{3164}' | '\u{ffa0}'
    )
}

/// JSON with all characters that control a terminal escaped. They can only occur inside strings, where an escape means
/// the same; only whitespace between members is lost.
pub fn terminal_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\n' | '\r' | '\t' => text.push(' '),
            _ if drives_terminal(character) => {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\u{:04x}", u32::from(character));
            }
            _ => text.push(character),
        }
    }
    text
}

/// The operating system's error in words, without its number.
pub fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    text.split_once(" (os error ").map_or(text.as_str(), |(words, _)| words).to_owned()
}

/// A duration for people: `3 days 4 h 5 min`.
pub fn duration(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    match days {
        0 => format!("{hours} h {minutes} min"),
        1 => format!("1 day {hours} h {minutes} min"),
        _ => format!("{days} days {hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_forge_another_line_or_control_the_terminal() {
        let table = [
            ("  as it is ", 20, "as it is"),
            ("a\r\nb", 20, "a  b"),
            ("\u{1b}[2Ja\u{202e}b", 20, " [2Ja b"),
            ("12345", 5, "12345"),
            ("123456", 5, "1234…"),
            ("", 5, ""),
        ];
        for (text, limit, expected) in table {
            assert_eq!(one_line(text, limit), expected, "{text:?}");
        }
    }

    #[test]
    fn escaped_json_has_the_same_value() {
        let json = "{\"a\":\n\"\u{9b}2J\u{202e}é\"}";
        let shown = terminal_json(json);
        assert_eq!(shown, "{\"a\": \"\\u009b2J\\u202eé\"}");
        let (before, after): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(json).unwrap(), serde_json::from_str(&shown).unwrap());
        assert_eq!(before, after);
    }
}
