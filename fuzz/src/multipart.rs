//! Multipart bodies: what the parser finds does not depend on how the bytes arrive, is bounded, and is what a minimal parser
//! finds that has the whole body.

use opterius_http::multipart::{Event, Malformed, Multipart};

use super::input::Input;

/// Most bytes that the parser holds besides those of one piece: a part's head.
const MAX_HELD: usize = 4096 + 128;

/// The input is a line with the boundary, a line whose length is that of the pieces, and the body.
pub fn check(data: &[u8]) {
    let mut input = Input::new(data);
    let boundary = input.text();
    if !(1..=70).contains(&boundary.len()) || !boundary.bytes().all(|byte| matches!(byte, b'!'..=b'~')) {
        return;
    }
    let size = input.text().len().max(1);
    let body = input.rest();
    let parts = parse(&boundary, body, size);
    assert_eq!(parts, parse(&boundary, body, body.len().max(1)), "the result depends on how the bytes arrive");
    let Ok(parts) = parts else { return };
    let plain = contents(boundary.as_bytes(), body);
    let found: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    assert_eq!(found, plain);
}

/// The contents of the parts of a body that arrives in pieces of this size.
fn parse(boundary: &str, body: &[u8], size: usize) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut multipart = Multipart::new(boundary);
    let (mut parts, mut current, mut reported) = (Vec::new(), None, 0);
    for piece in body.chunks(size) {
        multipart.push(piece, |event| {
            match event {
                Event::Begin(head) => {
                    assert!(head.name.len() <= 4096 && current.replace(Vec::new()).is_none());
                }
                Event::Content(bytes) => {
                    assert!(!bytes.is_empty() && bytes.len() <= size + MAX_HELD);
                    reported += bytes.len();
                    current.as_mut().expect("content belongs to a part").extend_from_slice(bytes);
                }
                Event::End => parts.push(current.take().expect("a part that began ends")),
            }
            Ok::<(), Malformed>(())
        })?;
    }
    multipart.finish()?;
    assert!(current.is_none() && reported <= body.len());
    Ok(parts)
}

/// The contents of the parts of a valid body: it is cut at the delimiters, and each part at its first empty line.
fn contents<'a>(boundary: &[u8], body: &'a [u8]) -> Vec<&'a [u8]> {
    let delimiter = [b"\r\n--", boundary].concat();
    let first = &delimiter[2..];
    let mut rest = match body.strip_prefix(first) {
        Some(rest) => rest,
        None => cut(body, &delimiter).expect("a valid body has a delimiter").1,
    };
    let mut contents = Vec::new();
    while !rest.starts_with(b"--") {
        let head_begins = rest.iter().position(|byte| *byte == b'\n').expect("a delimiter ends its line") + 1;
        let (_, behind_head) = cut(&rest[head_begins..], b"\r\n\r\n").expect("a part has a head");
        let (content, next) = cut(behind_head, &delimiter).expect("a part ends");
        contents.push(content);
        rest = next;
    }
    contents
}

/// What is before and behind the first occurrence of `separator`.
fn cut<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(separator.len()).position(|window| window == separator)?;
    Some((&bytes[..at], &bytes[at + separator.len()..]))
}
