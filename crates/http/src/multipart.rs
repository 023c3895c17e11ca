//! Parsing of `multipart/form-data` bodies (RFC 7578) while they arrive. Pure, and bounded: whatever arrives, the parser
//! holds one head of a part, or less than one delimiter, besides the bytes that were just pushed.

use std::str;

/// Longest boundary, in bytes (RFC 2046 §5.1.1).
const MAX_BOUNDARY: usize = 70;

/// Longest head of a part, in bytes.
const MAX_PART_HEAD: usize = 4096;

/// Longest text before the first part, and longest padding behind a boundary, in bytes.
const MAX_PADDING: usize = 1024;

/// What the parser finds next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// A part begins.
    Begin(PartHead),
    /// Bytes of the part's content; a content can be split anywhere.
    Content(&'a [u8]),
    /// The part is complete.
    End,
}

/// The head of a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartHead {
    /// The field's name.
    pub name: String,
    /// Whether the part is a file: it has a file name, which is not used.
    pub is_file: bool,
}

/// The rule of the format that a body breaks, as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

/// The state of one body's parsing.
#[derive(Debug)]
pub struct Multipart {
    delimiter: Vec<u8>,
    pending: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Preamble { skipped: usize },
    BehindDelimiter,
    Head,
    Content,
    Closed,
}

/// The boundary in a `Content-Type` header; none if it is not `multipart/form-data`.
///
/// # Errors
/// The boundary is missing or invalid.
pub fn boundary(content_type: &str) -> Option<Result<String, Malformed>> {
    let mut parameters = parameters(content_type);
    if !parameters.next()?.0.eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.find(|(name, _)| name.eq_ignore_ascii_case("boundary")).map(|(_, value)| value);
    let is_valid = |text: &String| {
        (1..=MAX_BOUNDARY).contains(&text.len())
            && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
            && !text.ends_with(' ')
    };
    Some(boundary.filter(is_valid).ok_or(Malformed("The Content-Type has no valid boundary.")))
}

impl Multipart {
    /// A parser for parts between this boundary.
    pub fn new(boundary: &str) -> Self {
        let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
        // The first delimiter can be at the very start, without a line before it.
        Self { delimiter, pending: b"\r\n".to_vec(), state: State::Preamble { skipped: 0 } }
    }

    /// Parses the next bytes of the body, and passes what they complete to `on`.
    ///
    /// # Errors
    /// The body is malformed, or `on` failed.
    pub fn push<E: From<Malformed>>(
        &mut self,
        bytes: &[u8],
        mut on: impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.pending.extend_from_slice(bytes);
        let mut pending = std::mem::take(&mut self.pending);
        let mut used = 0;
        loop {
            let rest = pending.get(used..).unwrap_or_default();
            match self.step(rest, &mut on)? {
                Some(count) => used = used.saturating_add(count),
                None => break,
            }
        }
        // What follows the last delimiter has no meaning.
        let kept = if self.state == State::Closed { 0 } else { pending.len().saturating_sub(used) };
        pending.drain(..pending.len().saturating_sub(kept));
        self.pending = pending;
        Ok(())
    }

    /// Checks that the body was complete.
    ///
    /// # Errors
    /// It ended before its last delimiter.
    pub fn finish(&self) -> Result<(), Malformed> {
        let closed = self.state == State::Closed;
        if closed { Ok(()) } else { Err(Malformed("The body ends before its last boundary.")) }
    }

    /// Parses one thing; returns how many bytes it used, or none if more bytes are needed.
    fn step<E: From<Malformed>>(
        &mut self,
        rest: &[u8],
        on: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<Option<usize>, E> {
        match self.state {
            State::Closed => Ok(None),
            State::Preamble { skipped } => {
                let (text, found) = self.until_delimiter(rest);
                let skipped = skipped.saturating_add(text.len());
                if skipped > MAX_PADDING {
                    return Err(Malformed("The body does not begin with its boundary.").into());
                }
                self.state = if found { State::BehindDelimiter } else { State::Preamble { skipped } };
                Ok(self.used(text, found))
            }
            State::BehindDelimiter => Ok(self.behind_delimiter(rest)?),
            State::Head => match part_head(rest)? {
                None => Ok(None),
                Some((head, length)) => {
                    on(Event::Begin(head))?;
                    self.state = State::Content;
                    Ok(Some(length))
                }
            },
            State::Content => {
                let (content, found) = self.until_delimiter(rest);
                if !content.is_empty() {
                    on(Event::Content(content))?;
                }
                if found {
                    on(Event::End)?;
                    self.state = State::BehindDelimiter;
                }
                Ok(self.used(content, found))
            }
        }
    }

    /// The bytes up to the next delimiter, and whether it is there. Without one, they end where it could begin.
    fn until_delimiter<'a>(&self, rest: &'a [u8]) -> (&'a [u8], bool) {
        let mut from = 0;
        while let Some(offset) = rest.get(from..).and_then(|rest| rest.iter().position(|byte| *byte == b'\r')) {
            let at = from.saturating_add(offset);
            let (before, candidate) = rest.split_at_checked(at).unwrap_or_default();
            if candidate.starts_with(&self.delimiter) {
                return (before, true);
            }
            if self.delimiter.starts_with(candidate) {
                return (before, false);
            }
            from = at.saturating_add(1);
        }
        (rest, false)
    }

    fn used(&self, text: &[u8], found: bool) -> Option<usize> {
        let delimiter = if found { self.delimiter.len() } else { 0 };
        Some(text.len().saturating_add(delimiter)).filter(|used| *used > 0)
    }

    /// Two hyphens end the body. Otherwise a line ends, behind spaces, and a part begins on the next one.
    fn behind_delimiter(&mut self, rest: &[u8]) -> Result<Option<usize>, Malformed> {
        if rest.starts_with(b"--") {
            self.state = State::Closed;
            return Ok(Some(2));
        }
        let padding = rest.iter().take_while(|byte| matches!(**byte, b' ' | b'\t')).count();
        let line = rest.get(padding..).unwrap_or_default();
        if line.starts_with(b"\r\n") {
            self.state = State::Head;
            return Ok(Some(padding.saturating_add(2)));
        }
        let is_incomplete = line.is_empty() || line == b"\r" || (padding == 0 && line == b"-");
        if is_incomplete && padding <= MAX_PADDING {
            return Ok(None);
        }
        Err(Malformed("A boundary is not followed by a line break or two hyphens."))
    }
}

/// The head of a part and its length; none while it is incomplete.
fn part_head(rest: &[u8]) -> Result<Option<(PartHead, usize)>, Malformed> {
    let head = rest.get(..rest.len().min(MAX_PART_HEAD)).unwrap_or_default();
    let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") else {
        let too_large = rest.len() >= MAX_PART_HEAD;
        return if too_large { Err(Malformed("The head of a part exceeds 4 KiB.")) } else { Ok(None) };
    };
    let lines = head.get(..end).unwrap_or_default();
    let lines = str::from_utf8(lines).map_err(|_| Malformed("The head of a part is not UTF-8."))?;
    let headers = lines.split("\r\n").filter_map(|line| line.split_once(':'));
    let mut dispositions = headers.filter(|(name, _)| name.eq_ignore_ascii_case("content-disposition"));
    let (Some((_, disposition)), None) = (dispositions.next(), dispositions.next()) else {
        return Err(Malformed("A part must have exactly one Content-Disposition."));
    };
    let mut parameters = parameters(disposition);
    let is_form_data = parameters.next().is_some_and(|(kind, _)| kind.eq_ignore_ascii_case("form-data"));
    let (mut names, mut is_file) = (Vec::new(), false);
    for (name, value) in parameters {
        match name.to_ascii_lowercase().as_str() {
            "name" => names.push(value),
            "filename" | "filename*" => is_file = true,
            _ => {}
        }
    }
    let Some(name) = names.pop().filter(|_| names.is_empty() && is_form_data) else {
        return Err(Malformed("The Content-Disposition of a part must be form-data, with one name."));
    };
    Ok(Some((PartHead { name, is_file }, end.saturating_add(4))))
}

/// The value of a header and its parameters: names, and values without quotes. The first has the value as its name.
fn parameters(header: &str) -> impl Iterator<Item = (&str, String)> {
    let (mut rest, mut is_first) = (Some(header), true);
    std::iter::from_fn(move || {
        let text = rest?.trim_start();
        let name_end = text.find([';', '=']).unwrap_or(text.len());
        let (name, behind) = text.split_at_checked(name_end)?;
        let name = name.trim();
        if std::mem::take(&mut is_first) || !behind.starts_with('=') {
            rest = behind.split_once(';').map(|(_, rest)| rest);
            return Some((name, String::new()));
        }
        let (value, behind) = value(behind.get(1..)?.trim_start());
        rest = behind.split_once(';').map(|(_, rest)| rest);
        Some((name, value))
    })
}

/// A value, quoted or not, and what follows it.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        let (value, rest) = text.split_at_checked(end).unwrap_or_default();
        return (value.trim().to_owned(), rest);
    };
    let (mut value, mut characters) = (String::new(), quoted.chars());
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => value.extend(characters.next()),
            _ => value.push(character),
        }
    }
    (value, characters.as_str())
}

#[cfg(test)]
#[path = "multipart_tests.rs"]
mod tests;
