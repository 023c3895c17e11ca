//! Pages, written piece by piece. Markup is part of the program; whatever is made at run time is text, and is escaped. The
//! types hold the two apart: no text can be put in as markup.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::digest::{SHA256, digest};

use crate::{ICON, STYLE};
use opterius_base::clock::Timestamp;
use opterius_base::dates::Moment;
use opterius_http::response::{HTML, Response};

/// A page that is being written.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// Adds markup of ours.
    pub fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds text, whoever wrote it.
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

    /// Adds text that may be in another script, which runs its own way without turning what is around it.
    pub fn foreign(&mut self, text: &str) -> &mut Self {
        self.markup("<bdi>").text(text).markup("</bdi>")
    }

    /// Adds an instant, with how far from `now` it is.
    pub fn moment(&mut self, moment: &Moment) -> &mut Self {
        self.markup("<time datetime=\"").text(&moment.exact).markup("\">").text(&moment.text);
        self.markup("</time> <span class=\"hint\">").text(&moment.relative).markup("</span>")
    }

    /// Adds an instant at `now`, or what is said when there is none.
    pub fn instant(&mut self, at: Option<Timestamp>, now: Timestamp, none: &'static str) -> &mut Self {
        match at {
            Some(at) => self.moment(&Moment::new(at, now)),
            None => self.markup(none),
        }
    }
}

/// The frame around a page: its style, which is in the page itself, and the headers that allow this style, our icon, and
/// nothing else.
#[derive(Debug)]
pub struct Frame {
    style: &'static str,
    icon: String,
    policy: String,
}

impl Frame {
    /// A frame whose pages have this style beside the one that all pages have.
    pub fn new(style: &'static str) -> Self {
        let hash = BASE64.encode(digest(&SHA256, [STYLE, style].concat().as_bytes()));
        let icon = format!("data:image/svg+xml;base64,{}", BASE64.encode(ICON));
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'"
        );
        Self { style, icon, policy }
    }

    /// A page with this title, from its head to where its content begins. It comes again each minute by itself.
    pub fn begin(&self, title: &str) -> Page {
        let mut page = Page::default();
        page.markup("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        page.markup("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        page.markup(
            "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n",
        );
        page.markup("<meta http-equiv=\"refresh\" content=\"60\">\n<title>").text(title).markup("</title>\n");
        page.markup("<link rel=\"icon\" href=\"").text(&self.icon).markup("\">\n");
        page.markup("<style>").markup(STYLE).markup(self.style).markup("</style>\n</head>\n<body>\n");
        page
    }

    /// The answer with a page whose content is complete. It is not to be cached, as no answer is.
    pub fn end(&self, mut page: Page) -> Response {
        page.markup("</body>\n</html>\n");
        Response { status: 200, content_type: HTML, headers: Vec::new(), body: Arc::new(page.0.into_bytes()) }
            .with_header("Content-Security-Policy", self.policy.as_str())
            .with_header("X-Content-Type-Options", "nosniff")
            .with_header("X-Frame-Options", "DENY")
            .with_header("Referrer-Policy", "no-referrer")
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

    #[test]
    fn a_page_allows_its_own_style_and_nothing_that_runs() {
        let frame = Frame::new("p { color: red }");
        let response = frame.end(frame.begin("a <title>"));
        let text = String::from_utf8(response.body.to_vec()).unwrap();
        let (_, rest) = text.split_once("<style>").unwrap();
        let (style, _) = rest.split_once("</style>").unwrap();
        let hash = BASE64.encode(digest(&SHA256, style.as_bytes()));
        let (_, policy) = response.headers.iter().find(|(name, _)| *name == "Content-Security-Policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && policy.contains(&format!("'sha256-{hash}'")), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
        assert!(text.contains("<title>a &lt;title&gt;</title>"), "{text}");
    }
}
