//! Request heads: limits are enforced, and an accepted head has the same meaning for a minimal independent parser, so
//! that no proxy in between can have seen a different request (request smuggling).

use std::str;

use opterius_http::head::{self, Framing, Head, STORAGE};
use opterius_http::limits::{MAX_HEAD, MAX_HEADERS};

/// A head, parsed minimally: lines end at CR LF, the first line is split at spaces, and headers at the first colon.
struct Plain<'a> {
    method: &'a str,
    target: &'a str,
    version: &'a str,
    headers: Vec<(&'a str, &'a [u8])>,
}

/// Searches for the end of the head at once and in steps, and parses the head.
pub fn check(data: &[u8]) {
    let found = head::find_end(data, 0);
    let step = usize::from(data.first().copied().unwrap_or_default()).max(1);
    assert_eq!(found_in_steps(data, step), found, "the result depends on how the bytes arrive");
    let Ok(Some(length)) = found else { return };
    let (bytes, _) = data.split_at(length);
    assert!(length <= MAX_HEAD && bytes.ends_with(b"\r\n\r\n"));
    let mut storage = STORAGE;
    let Ok((head, framing)) = head::parse(bytes, &mut storage) else { return };

    let plain = Plain::read(bytes);
    plain.agrees(&head, framing);
    assert_eq!(framing.head_length, length);
    let again = plain.written();
    let mut storage = STORAGE;
    let (repeated, repeated_framing) =
        head::parse(&again, &mut storage).expect("an accepted head is accepted after rewriting");
    plain.agrees(&repeated, repeated_framing);
    assert_eq!(Framing { head_length: length, ..repeated_framing }, framing);
}

/// Like a connection, continues each search where the last one ended.
fn found_in_steps(data: &[u8], step: usize) -> Result<Option<usize>, head::Refusal> {
    let (mut seen, mut arrived) = (0, 0);
    while arrived < data.len() {
        arrived = arrived.saturating_add(step).min(data.len());
        let found = head::find_end(&data[..arrived], seen)?;
        if found.is_some() {
            return Ok(found);
        }
        seen = arrived;
    }
    Ok(None)
}

impl<'a> Plain<'a> {
    fn read(bytes: &'a [u8]) -> Self {
        // One empty line before a request is ignored (RFC 9112 §2.2).
        let mut lines = lines(bytes.strip_prefix(b"\r\n").unwrap_or(bytes));
        let words: Vec<&str> = str::from_utf8(lines.next().unwrap()).unwrap().split(' ').collect();
        let [method, target, version] = words[..] else { panic!("a request line has three words: {words:?}") };
        let headers = lines.map(|line| {
            let colon = line.iter().position(|byte| *byte == b':').expect("every header has a colon");
            (str::from_utf8(&line[..colon]).unwrap(), line[colon + 1..].trim_ascii())
        });
        Self { method, target, version, headers: headers.collect() }
    }

    fn written(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} {}\r\n", self.method, self.target, self.version).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
        }
        bytes.extend(b"\r\n");
        bytes
    }

    fn all(&self, name: &str) -> Vec<&'a [u8]> {
        let named = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        named.map(|(_, value)| *value).collect()
    }

    fn agrees(&self, head: &Head<'_>, framing: Framing) {
        assert_eq!((head.method.as_str(), target(head)), (self.method, self.target.to_owned()));
        assert!(self.target.starts_with('/') && !self.target.bytes().any(|byte| byte <= b' ' || byte == 0x7f));
        assert_eq!(format!("HTTP/{}", head.version), self.version);
        assert!(self.headers.len() <= MAX_HEADERS);
        for (name, value) in &self.headers {
            assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':'), "{name:?}");
            assert!(value.iter().all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f)), "{value:?}");
            assert_eq!(head.all(name).collect::<Vec<_>>(), self.all(name), "{name}");
        }
        let minor = usize::from(self.version == "HTTP/1.1");
        let hosts = self.all("host").len();
        assert!((minor..=1).contains(&hosts), "{hosts} Host headers in {}", self.version);
        assert!(self.all("transfer-encoding").is_empty());
        let declared = match self.all("content-length")[..] {
            [] => 0,
            [value] if value.iter().all(u8::is_ascii_digit) => str::from_utf8(value).unwrap().parse().unwrap(),
            ref values => panic!("accepted with Content-Length {values:?}"),
        };
        assert_eq!(framing.body_length, declared);
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes.strip_suffix(b"\r\n").unwrap();
    std::iter::from_fn(move || {
        let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
        let line = &rest[..end];
        rest = &rest[end + 2..];
        Some(line)
    })
}

fn target(head: &Head<'_>) -> String {
    head.query.map_or_else(|| head.path.to_owned(), |query| format!("{}?{query}", head.path))
}
