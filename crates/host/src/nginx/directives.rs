//! A tolerant parser of nginx's configuration language: what nginx would reject is skipped, because other files must still
//! be understood.

/// One directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// The names of the blocks around it, the outermost first.
    pub blocks: Vec<String>,
    /// Its name and its parameters, without quotes. Bytes that are not UTF-8 are replaced.
    pub words: Vec<String>,
    /// Its line, starting at 1.
    pub line: usize,
}

impl Directive {
    /// Its name.
    pub fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Its parameters.
    pub fn parameters(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }
}

/// The directives of a file, in order. The head of a block is a directive of its own.
pub fn parse(text: &[u8]) -> Vec<Directive> {
    let mut reader = Reader { rest: text, line: 1 };
    let (mut found, mut blocks, mut words) = (Vec::new(), Vec::new(), Vec::new());
    let mut line = 1;
    while let Some(byte) = reader.next() {
        match byte {
            _ if byte.is_ascii_whitespace() => {}
            b'#' => reader.skip_line(),
            b';' | b'{' => {
                let words = std::mem::take(&mut words);
                let name = words.first().cloned().unwrap_or_default();
                if !words.is_empty() {
                    found.push(Directive { blocks: blocks.clone(), words, line });
                }
                if byte == b'{' {
                    blocks.push(name);
                }
            }
            b'}' => {
                words.clear();
                blocks.pop();
            }
            _ => {
                if words.is_empty() {
                    line = reader.line;
                }
                let word = if matches!(byte, b'"' | b'\'') { reader.quoted(byte) } else { reader.word(byte) };
                words.push(String::from_utf8_lossy(&word).into_owned());
            }
        }
    }
    found
}

struct Reader<'a> {
    rest: &'a [u8],
    line: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        if *byte == b'\n' {
            self.line = self.line.saturating_add(1);
        }
        Some(*byte)
    }

    fn skip_line(&mut self) {
        while self.rest.first().is_some_and(|byte| *byte != b'\n') {
            self.next();
        }
    }

    /// The word that starts with this byte. As in nginx, a `#` or `}` inside a word belongs to it, and so does `{` after `$`.
    fn word(&mut self, first: u8) -> Vec<u8> {
        let mut word = vec![first];
        while let Some(byte) = self.rest.first().copied() {
            let ends = byte.is_ascii_whitespace() || byte == b';' || (byte == b'{' && word.last() != Some(&b'$'));
            if ends {
                break;
            }
            word.push(byte);
            self.next();
        }
        word
    }

    fn quoted(&mut self, quote: u8) -> Vec<u8> {
        let mut word = Vec::new();
        while let Some(byte) = self.next() {
            match byte {
                b'\\' => word.extend(self.next()),
                _ if byte == quote => break,
                _ => word.push(byte),
            }
        }
        word
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_know_their_blocks_and_lines() {
        let text =
            b"user www-data; # a {comment};\nhttp {\n  include \"/etc/nginx/conf.d/*.conf\";\n  server { listen 80; \
                     return 200 ${host}#x; }\n}\nevents {}\nx '\xff;' y";
        let shown: Vec<_> = parse(text)
            .iter()
            .map(|directive| {
                format!("{} {}: {}", directive.line, directive.blocks.join("/"), directive.words.join(" "))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "1 : user www-data",
                "2 : http",
                "3 http: include /etc/nginx/conf.d/*.conf",
                "4 http: server",
                "4 http/server: listen 80",
                "4 http/server: return 200 ${host}#x",
                "6 : events",
            ]
        );
        for text in [&b""[..], b"}{;;", b"'", b"\"\\", b"a", b"#"] {
            assert!(parse(text).iter().all(|directive| !directive.words.is_empty()));
        }
    }
}
