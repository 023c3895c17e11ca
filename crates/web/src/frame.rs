//! The frame around every page of both programs: the HTML head, and the response headers that restrict what a browser does
//! with the page. The programs differ only in where the style sheet is and whether there are forms.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::digest::{SHA256, digest};

use crate::page::Page;
use crate::{ICON, STYLE};

/// The head and the headers of a set of pages.
#[derive(Debug)]
pub struct Frame {
    /// Markup in the head before the title, and after it.
    meta: &'static str,
    links: String,
    policy: String,
    referrer: &'static str,
}

impl Frame {
    /// The frame of a self-contained page: the common style, `style`, and the icon are embedded. The page has no forms and
    /// refreshes every minute.
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

    /// The frame of a site's pages, which link to the style sheet and the icon at these paths, and can have forms.
    pub fn of_site(style: &str, icon: &str) -> Self {
        Self {
            meta: "",
            links: format!(
                "<link rel=\"stylesheet\" href=\"{style}\">\n<link rel=\"icon\" href=\"{icon}\" type=\"image/svg+xml\">\n"
            ),
            policy: policy("'self'", "'self'", "'self'"),
            // Not `no-referrer`: with that, browsers send `Origin: null` with the site's own forms.
            referrer: "same-origin",
        }
    }

    /// The headers of every page, and of the resources that pages link to.
    pub fn headers(&self) -> [(&'static str, &str); 4] {
        [
            ("Content-Security-Policy", &self.policy),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Referrer-Policy", self.referrer),
        ]
    }

    /// Starts a page with this title, up to the start of its content.
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

    /// Ends a page, and returns its bytes.
    pub fn end(&self, mut page: Page) -> Vec<u8> {
        page.markup("</body>\n</html>\n");
        page.0.into_bytes()
    }
}

/// The Content-Security-Policy: no scripts, and nothing from other origins.
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
    fn a_self_contained_page_allows_its_own_style_and_no_scripts() {
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
    fn a_site_links_its_resources_and_allows_its_own_forms() {
        let frame = Frame::of_site("/style.css", "/icon.svg");
        let text = String::from_utf8(frame.end(frame.begin("a <title>"))).unwrap();
        assert!(text.contains("href=\"/style.css\"") && text.contains("href=\"/icon.svg\""), "{text}");
        assert!(!text.contains("<style") && !text.contains("refresh"), "{text}");
        let policy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; \
                      frame-ancestors 'none'";
        assert_eq!(frame.headers().first(), Some(&("Content-Security-Policy", policy)));
    }
}
