//! What an answer is that carries no verdict, in words, and what an operator does about it: error pages, redirects,
//! captive portals, and bodies that only resemble a license answer.

use std::time::Duration;

use serde_json::{Deserializer, Error, Map, Value};

use opterius_base::secret::Secret;
use opterius_base::text::{duration, one_line};

/// An answer without a verdict.
#[derive(Clone, Copy)]
pub(crate) struct Unusable<'a> {
    pub(crate) status: u16,
    pub(crate) location: Option<&'a str>,
    pub(crate) destination: &'a Destination,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: &'a [u8],
    /// The license key, which no sentence may contain.
    pub(crate) key: &'a Secret,
}

/// Where a redirect leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Destination {
    /// To a license service at this base URL, which `license_server` can have.
    Base(String),
    /// To the URL that the request was sent to.
    Here,
    /// Anywhere else.
    #[default]
    Elsewhere,
}

/// What is wrong with an answer, and what an operator does about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Explained {
    pub(crate) cause: String,
    pub(crate) remedy: String,
}

/// The longest quotation from an answer, and the longest redirect target, in characters.
const MAX_QUOTATION: usize = 100;
const MAX_TARGET: usize = 300;

/// How many braces are tried as the beginning or the end of JSON inside other text.
const MAX_BRACES: usize = 50;

/// The path that the Agent adds to `license_server`.
const PATH: &str = "/api/license/verify";

const CHECK_URL: &str = "check license_server in agent.conf: it is the base URL, without /api/license/verify";
const PASS: &str = "something in front of the license server stops the Agent, such as a web application firewall: ask its operator \
                    to let POST /api/license/verify pass";
const WAIT: &str = "the Agent asks again by itself; if this lasts for hours, contact the license server's operator";
pub(crate) const REPORT: &str =
    "this is a fault of the license server: send its operator this message; the Agent asks again by itself";
const PORTAL: &str = "something on the way answers in place of the license server, such as a captive portal or a proxy: sign in \
                      there or exempt this server; see the page with curl -sS on license_server, and check that URL in agent.conf";
const LOOP: &str =
    "the license server redirects in a circle: ask its operator, who must answer POST /api/license/verify there";
const ADDRESS: &str =
    "ask the license server's operator for its https:// address, and set license_server in agent.conf";
const PROXY: &str = "a proxy on the way wants to know who asks: set proxy=http://USER:PASSWORD@HOST:PORT in agent.conf, then run: \
                     systemctl reload opterius-agent";
const ORIGIN: &str = "the network in front of the license server works, but not the license server behind it: contact its operator; \
                      the Agent asks again by itself";

/// Pages that say more than their status, by words in what is quoted of them.
const PAGES: [(&str, &str); 5] = [
    ("Just a moment", PASS),
    ("Attention Required", PASS),
    ("Checking your browser", PASS),
    ("URL could not be retrieved", ORIGIN),
    ("Fatal error", REPORT),
];

/// How the messages of a license server's own program begin, which are no captive portal's.
const PHP_MESSAGES: [&str; 9] =
    ["<br", "<b>Fatal error", "<b>Warning", "<?php", "PHP ", "Fatal error", "Parse error", "Warning: ", "Notice: "];

/// What a status means that carries no verdict, and the remedy.
fn meaning(status: u16) -> (&'static str, &'static str) {
    match status {
        400 | 422 => ("answered that it does not understand the Agent's request", REPORT),
        401 => ("answered that a user name and a password are missing", PASS),
        403 => ("answered that access is forbidden, without a verdict on the license", PASS),
        404..=406 | 410 | 501 => ("answered that it has no license service at this address", CHECK_URL),
        407 => ("answered that a proxy on the way wants a user name and a password", PROXY),
        421 => ("answered that it is not responsible for this host name", CHECK_URL),
        429 => ("answered that it limits the rate of requests", WAIT),
        500 => ("answered that it has an internal error", WAIT),
        502 | 504 => ("answered through a gateway that gets no proper answer from it", ORIGIN),
        503 => ("answered that it is not available now", WAIT),
        511 => ("did not answer, but a network that wants a sign-in (a captive portal)", PORTAL),
        526 => ("answered through Cloudflare, which does not trust its certificate", ORIGIN),
        520..=530 => ("answered through Cloudflare, which gets no answer from it", ORIGIN),
        _ => ("answered without a verdict on the license", REPORT),
    }
}

impl Unusable<'_> {
    /// Explains an answer whose status is not a success.
    pub(crate) fn explain_status(&self, object: Option<&Map<String, Value>>) -> Explained {
        let status = self.status;
        if matches!(status, 301 | 302 | 303 | 307 | 308)
            && let Some(target) = self.location.map(str::trim).filter(|target| !target.is_empty())
        {
            return self.redirect(target);
        }
        let (meaning, remedy) = meaning(status);
        let wait = self.retry_after.map(|time| match time.as_secs() {
            0 | 86_401.. => String::new(),
            seconds @ 1..=119 => format!("; it asks to wait {seconds} s"),
            _ => format!("; it asks to wait {}", duration(time)),
        });
        let content = self.content(object);
        let page = PAGES.iter().find(|(words, _)| content.contains(words));
        let cause = format!("the license server {meaning} (HTTP {status}){content}{}", wait.unwrap_or_default());
        Explained { cause, remedy: page.map_or(remedy, |(_, remedy)| remedy).to_owned() }
    }

    fn redirect(&self, target: &str) -> Explained {
        let shown = one_line(&self.key.redact(target), MAX_TARGET);
        let path = target.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        let (doubt, remedy) = match self.destination {
            // It goes into agent.conf, so it is whole and without an echoed key.
            Destination::Base(base) if base.len() <= MAX_TARGET && self.key.redact(base) == *base => {
                let remedy =
                    format!("set license_server={base} in agent.conf, then run: systemctl reload opterius-agent");
                ("", remedy)
            }
            Destination::Here => (", which is the same URL again", LOOP.to_owned()),
            _ if path.ends_with(PATH) => ("", ADDRESS.to_owned()),
            _ => (" (a login page or a captive portal?)", PORTAL.to_owned()),
        };
        let status = self.status;
        let cause = format!(
            "the license server's answer redirects to {shown} (HTTP {status}), which the Agent does not follow{doubt}"
        );
        Explained { cause, remedy }
    }

    /// Explains an answer with a success status whose body is not a JSON object.
    pub(crate) fn explain_body(&self, parsed: &Result<Value, Error>) -> Explained {
        let (what, remedy) = self.body(parsed);
        Explained { cause: format!("the license server's answer {what}"), remedy: remedy.to_owned() }
    }

    fn body(&self, parsed: &Result<Value, Error>) -> (String, &'static str) {
        let error = match parsed {
            Ok(value) => return (format!("is {}, not a JSON object", describe(value, self.key)), REPORT),
            Err(error) => error,
        };
        if let Some(what) = encoding(self.body) {
            return (what.to_owned(), REPORT);
        }
        let text = String::from_utf8_lossy(self.body);
        let (text, marked) = without_marks(&text);
        if text.is_empty() {
            return (format!("is empty (HTTP {})", self.status), REPORT);
        }
        if let Some((before, after)) = around_object(text).filter(|around| marked || *around != ("", "")) {
            let what = match (before, after) {
                ("", "") if marked => "begins with a byte-order mark, which JSON must not".to_owned(),
                ("", after) => format!("has text after the JSON{}", self.quote(after)),
                (before, "") => format!("has text before the JSON (a PHP warning?){}", self.quote(before)),
                (before, _) => format!("has text around the JSON{}", self.quote(before)),
            };
            return (what, REPORT);
        }
        if let Some(page) = self.page(text) {
            return (format!("is {page} (a captive portal or proxy page?)"), PORTAL);
        }
        if PHP_MESSAGES.iter().any(|begin| text.starts_with(begin)) {
            return (format!("is a PHP error message{}", self.quote(text)), REPORT);
        }
        if text.starts_with("<?xml") {
            return (format!("is XML, not JSON{}", self.quote(text)), REPORT);
        }
        if let Err(error) = std::str::from_utf8(self.body) {
            return (format!("is not UTF-8 text (byte {})", error.valid_up_to().saturating_add(1)), REPORT);
        }
        if text.contains(is_binary) {
            return ("is not text: it has control characters".to_owned(), REPORT);
        }
        if !text.starts_with(['{', '[', '"']) {
            return (format!("is text, not JSON{}", self.quote(text)), PORTAL);
        }
        let what = if error.is_eof() {
            "ends in the middle: the JSON is cut off".to_owned()
        } else if error.to_string().starts_with("recursion limit") {
            "is JSON that is nested too deeply".to_owned()
        } else {
            format!("is not correct JSON (line {}, column {})", error.line(), error.column())
        };
        (what, REPORT)
    }

    /// The content of an error answer: its page, its message or its text.
    fn content(&self, object: Option<&Map<String, Value>>) -> String {
        if let Some(object) = object {
            return self.said(object);
        }
        let Ok(text) = std::str::from_utf8(self.body) else { return String::new() };
        let (text, _) = without_marks(text);
        if text.contains(is_binary) || encoding(self.body).is_some() {
            return String::new();
        }
        self.page(text).map_or_else(|| self.quote(text), |page| format!(" with {page}"))
    }

    /// The message in a JSON object, quoted.
    pub(crate) fn said(&self, object: &Map<String, Value>) -> String {
        let names = ["message", "error", "detail", "title"];
        let text =
            |object: &Map<String, Value>| names.iter().find_map(|name| Some(self.quote(object.get(*name)?.as_str()?)));
        text(object).or_else(|| text(object.get("error")?.as_object()?)).unwrap_or_default()
    }

    /// Names an HTML page by its title; `None` for other text.
    fn page(&self, text: &str) -> Option<String> {
        let lower = text.to_ascii_lowercase();
        let is_declared = || self.content_type.is_some_and(|name| name.to_ascii_lowercase().contains("html"));
        let is_message = || PHP_MESSAGES.iter().any(|begin| text.starts_with(begin));
        if !lower.trim_start().starts_with('<')
            || is_message()
            || !(lower.contains("html") || lower.contains("<title") || is_declared())
        {
            return None;
        }
        // ASCII lowercasing keeps lengths, so offsets are the same in both.
        let title = lower.find("<title").zip(lower.find("</title")).and_then(|(start, end)| text.get(start..end));
        let title =
            title.and_then(|title| title.split_once('>')).map(|(_, title)| self.clean(title)).unwrap_or_default();
        Some(if title.is_empty() { "an HTML page".to_owned() } else { format!("an HTML page, “{title}”") })
    }

    /// `: “text”`; nothing if there is none.
    fn quote(&self, text: &str) -> String {
        let text = self.clean(text);
        if text.is_empty() { String::new() } else { format!(": “{text}”") }
    }

    /// Text of the answer in one short line, without tags and without the license key.
    fn clean(&self, text: &str) -> String {
        let (mut in_tag, mut plain) = (false, String::new());
        for character in text.chars() {
            let blank = character.is_whitespace() || character.is_control();
            match character {
                '<' => in_tag = true,
                '>' if in_tag => in_tag = false,
                _ if in_tag || (blank && (plain.is_empty() || plain.ends_with(' '))) => {}
                _ => plain.push(if blank { ' ' } else { character }),
            }
        }
        one_line(&self.key.redact(&plain), MAX_QUOTATION)
    }
}

/// A value in the answer, for a person.
pub(crate) fn describe(value: &Value, key: &Secret) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(true) => "true".to_owned(),
        Value::Bool(false) => "false".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("the text “{}”", one_line(&key.redact(text), MAX_QUOTATION)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// What a body is that is not UTF-8 text.
fn encoding(body: &[u8]) -> Option<&'static str> {
    match body {
        [0x1f, 0x8b, ..] => Some("is compressed (gzip), which the Agent did not ask for"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("is compressed (zstd), which the Agent did not ask for"),
        [0x78, 0x01 | 0x9c | 0xda, ..] => Some("is compressed (deflate), which the Agent did not ask for"),
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] | [b'{', 0, 0, 0, ..] | [0, 0, 0, b'{', ..] => {
            Some("is UTF-32 text, not UTF-8")
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [b'{', 0, ..] | [0, b'{', ..] => Some("is UTF-16 text, not UTF-8"),
        [0x15 | 0x16, 3, ..] => Some("is a TLS message, not HTTP content"),
        _ => None,
    }
}

/// The text without blanks and byte-order marks around it, and whether it begins with a mark.
fn without_marks(text: &str) -> (&str, bool) {
    let is_mark = |character: char| character == '\u{feff}';
    (text.trim_matches(|character: char| character.is_whitespace() || is_mark(character)), text.starts_with(is_mark))
}

/// Whether a character is not in text.
fn is_binary(character: char) -> bool {
    character.is_control() && !character.is_whitespace()
}

/// The text before and after a JSON object that says something; an object in the middle must be an answer.
fn around_object(text: &str) -> Option<(&str, &str)> {
    let most = if text.starts_with('{') { 1 } else { MAX_BRACES };
    text.match_indices('{').take(most).filter_map(|(start, _)| text.split_at_checked(start)).find_map(
        |(before, rest)| {
            let mut values = Deserializer::from_slice(rest.as_bytes()).into_iter::<Value>();
            let Some(Ok(Value::Object(object))) = values.next() else { return None };
            let after = rest.get(values.byte_offset()..)?;
            let is_whole = before.is_empty() || after.is_empty();
            (!object.is_empty() && (is_whole || object.contains_key("valid"))).then_some((before, after))
        },
    )
}

#[cfg(test)]
#[path = "no_verdict_tests.rs"]
mod tests;
