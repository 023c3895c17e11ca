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

    /// Adds text that may be in another script, isolated so that its direction does not affect the text around it.
    pub fn foreign(&mut self, text: &str) -> &mut Self {
        self.markup("<bdi>").text(text).markup("</bdi>")
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
}
