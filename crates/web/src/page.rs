//! Writes pages piece by piece. Markup is part of the program; anything from run time is text and is escaped. The types
//! keep the two apart, so that text cannot be added as markup.

use opterius_base::clock::Timestamp;
use opterius_base::dates::Moment;

/// A page under construction.
#[derive(Debug, Default)]
pub struct Page(pub(crate) String);

impl Page {
    /// Adds markup that is part of the program.
    pub fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds markup from a template, which has already escaped its text.
    pub fn rendered(&mut self, markup: &str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds text, escaped.
    pub fn text(&mut self, text: &str) -> &mut Self {
        for character in text.chars() {
            match character {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                _ => self.0.push(character),
            }
        }
        self
    }

    /// Adds text that may be in another script, isolated so that its direction does not affect the text around it. The style
    /// keeps instants in it in one piece.
    pub fn foreign(&mut self, text: &str) -> &mut Self {
        self.markup("<bdi>");
        for piece in text.split_inclusive(' ') {
            let word = piece.trim_matches([' ', '.', ',', ';', ':', '(', ')']);
            match piece.split_once(word).filter(|_| is_instant(word)) {
                Some((before, after)) => {
                    self.text(before).markup("<time>").text(word).markup("</time>").text(after);
                }
                None => {
                    self.text(piece);
                }
            }
        }
        self.markup("</bdi>")
    }

    /// Adds an instant and its relative time.
    pub fn moment(&mut self, moment: &Moment) -> &mut Self {
        self.markup("<time datetime=\"").text(&moment.exact).markup("\">").text(&moment.text);
        self.markup("</time> <span class=\"hint\">").text(&moment.relative).markup("</span>")
    }

    /// Adds an instant, relative to `now`, or the markup `none` if there is no instant.
    pub fn instant(&mut self, at: Option<Timestamp>, now: Timestamp, none: &'static str) -> &mut Self {
        match at {
            Some(at) => self.moment(&Moment::new(at, now)),
            None => self.markup(none),
        }
    }
}

/// Whether the word is an instant in UTC, such as `2026-03-31T12:00:00Z`.
fn is_instant(word: &str) -> bool {
    word.len() == 20 && word.ends_with('Z') && Timestamp::parse_expiry(word).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_markup() {
        let mut page = Page::default();
        page.markup("<p title=\"").text("\"'><b>&amp;").markup("\">").foreign("</bdi><script>").markup("</p>");
        let expected = "<p title=\"&quot;&#39;&gt;&lt;b&gt;&amp;amp;\"><bdi>&lt;/bdi&gt;&lt;script&gt;</bdi></p>";
        assert_eq!(page.0, expected);
    }

    #[test]
    fn an_instant_in_a_sentence_is_an_element() {
        let mut page = Page::default();
        page.foreign("until 2026-03-31T12:00:00Z, not 2026-03-32T12:00:00Z (2026-03-31)");
        let expected = "<bdi>until <time>2026-03-31T12:00:00Z</time>, not 2026-03-32T12:00:00Z (2026-03-31)</bdi>";
        assert_eq!(page.0, expected);
    }
}
