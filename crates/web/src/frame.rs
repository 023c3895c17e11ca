//! The frame around every page of both programs: its head, and the headers that keep a browser from doing more with it
//! than showing it. What a program says here is only what differs: where its style is, and whether it has forms.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::digest::{SHA256, digest};

use crate::page::Page;
use crate::{ICON, STYLE};

/// The frame.
#[derive(Debug)]
pub struct Frame {
    /// What stands in the head before the title, and after it.
    meta: &'static str,
    links: String,
    policy: String,
    referrer: &'static str,
}

impl Frame {
    /// Around a page that needs nothing else: it has the style of all pages, and this one, in itself, and its icon. It has
    /// no form, and comes again each minute.
    pub fn alone(style: &str) -> Self {
        let style = [STYLE, style].concat();
        let hash = BASE64.encode(digest(&SHA256, style.as_bytes()));
        let icon = format!("data:image/svg+xml;base64,{}", BASE64.encode(ICON));
        Self {
            meta: "<meta http-equiv=\"refresh\" content=\"60\">\n",
            links: format!("<link rel=\"icon\" href=\"{icon}\">\n<style>{style}</style>\n"),
            policy: policy(&format!("'sha256-{hash}'"), "data:", "'none'"),
            referrer: "no-referrer",
        }
    }

    /// Around the pages of a site that has its style and its icon under these paths, and takes its own forms.
    pub fn of_site(style: &str, icon: &str) -> Self {
        Self {
            meta: "",
            links: format!(
                "<link rel=\"stylesheet\" href=\"{style}\">\n<link rel=\"icon\" href=\"{icon}\" type=\"image/svg+xml\">\n"
            ),
            policy: policy("'self'", "'self'", "'self'"),
            // And not `no-referrer`: with that, browsers send `Origin: null` with our own forms.
            referrer: "same-origin",
        }
    }

    /// The headers of every answer that a browser shows, and of what its pages link to.
    pub fn headers(&self) -> [(&'static str, &str); 4] {
        [
            ("Content-Security-Policy", &self.policy),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Referrer-Policy", self.referrer),
        ]
    }

    /// A page with this title, from its head to where its content begins.
    pub fn begin(&self, title: &str) -> Page {
        let mut page = Page::default();
        page.markup("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        page.markup("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        page.markup(
            "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n",
        );
        page.markup(self.meta).markup("<title>").text(title).markup("</title>\n").rendered(&self.links);
        page.markup("</head>\n<body>\n");
        page
    }

    /// The page, whose content is complete.
    pub fn end(&self, mut page: Page) -> Vec<u8> {
        page.markup("</body>\n</html>\n");
        page.0.into_bytes()
    }
}

/// Nothing runs, and nothing comes from elsewhere.
fn policy(style: &str, picture: &str, form: &str) -> String {
    format!(
        "default-src 'none'; style-src {style}; img-src {picture}; base-uri 'none'; form-action {form}; \
         frame-ancestors 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_allows_its_own_style_and_nothing_that_runs() {
        let frame = Frame::alone("p { color: red }");
        let text = String::from_utf8(frame.end(frame.begin("a <title>"))).unwrap();
        let (_, rest) = text.split_once("<style>").unwrap();
        let (style, _) = rest.split_once("</style>").unwrap();
        let hash = BASE64.encode(digest(&SHA256, style.as_bytes()));
        let (_, policy) = *frame.headers().iter().find(|(name, _)| *name == "Content-Security-Policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && policy.contains(&format!("'sha256-{hash}'")), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
        assert!(text.contains("<title>a &lt;title&gt;</title>"), "{text}");
    }

    #[test]
    fn a_site_links_what_its_pages_need_and_takes_forms_of_its_own() {
        let frame = Frame::of_site("/style.css", "/icon.svg");
        let text = String::from_utf8(frame.end(frame.begin("a <title>"))).unwrap();
        assert!(text.contains("href=\"/style.css\"") && text.contains("href=\"/icon.svg\""), "{text}");
        assert!(!text.contains("<style") && !text.contains("refresh"), "{text}");
        let policy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";
        assert_eq!(frame.headers().first(), Some(&("Content-Security-Policy", policy)));
    }
}
