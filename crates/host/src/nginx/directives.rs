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
                if byte == b'{' && name.ends_with("_by_lua_block") {
                    reader.skip_lua();
                } else if byte == b'{' {
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
        let mut word = Vec::new();
        self.add(&mut word, first);
        while let Some(byte) = self.rest.first().copied() {
            let ends = byte.is_ascii_whitespace() || byte == b';' || (byte == b'{' && word.last() != Some(&b'$'));
            if ends {
                break;
            }
            self.next();
            self.add(&mut word, byte);
        }
        word
    }

    fn quoted(&mut self, quote: u8) -> Vec<u8> {
        let mut word = Vec::new();
        while let Some(byte) = self.next().filter(|byte| *byte != quote) {
            self.add(&mut word, byte);
        }
        word
    }

    /// Adds a byte that was just read to a word, and with a backslash, the byte after it. As in nginx, the backslash itself
    /// stays, except before quotes, backslashes and letters for control characters: regular expressions need theirs.
    fn add(&mut self, word: &mut Vec<u8>, byte: u8) {
        if byte != b'\\' {
            return word.push(byte);
        }
        match self.next() {
            Some(escaped @ (b'"' | b'\'' | b'\\')) => word.push(escaped),
            Some(b't') => word.push(b'\t'),
            Some(b'r') => word.push(b'\r'),
            Some(b'n') => word.push(b'\n'),
            other => word.extend([Some(byte), other].into_iter().flatten()),
        }
    }

    /// Skips a block of Lua up to its closing brace: quotes and braces in it are none of nginx's.
    fn skip_lua(&mut self) {
        let mut depth = 1_usize;
        while let Some(byte) = self.next() {
            match byte {
                b'{' => depth = depth.saturating_add(1),
                b'}' if depth == 1 => return,
                b'}' => depth = depth.saturating_sub(1),
                b'"' | b'\'' => _ = self.quoted(byte),
                b'[' if self.rest.starts_with(b"[") => self.skip_past(b"]]"),
                b'-' if self.rest.starts_with(b"-[[") => self.skip_past(b"]]"),
                b'-' if self.rest.starts_with(b"-") => self.skip_line(),
                _ => {}
            }
        }
    }

    fn skip_past(&mut self, end: &[u8]) {
        while !self.rest.starts_with(end) && self.next().is_some() {}
        end.iter().for_each(|_| _ = self.next());
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
        for text in
            [&b""[..], b"}{;;", b"'", b"\"\\", b"a", b"#", b"a\\", b"a_by_lua_block {", b"a_by_lua_block { --[["]
        {
            assert!(parse(text).iter().all(|directive| !directive.words.is_empty()));
        }
    }

    #[test]
    fn backslashes_are_kept_as_nginx_keeps_them() {
        let table = [
            (r#"server_name "~^x\d{1,2}\.example\.com$";"#, r"~^x\d{1,2}\.example\.com$"),
            (r"server_name '~^(?<a>\w+)\.b$';", r"~^(?<a>\w+)\.b$"),
            (r"server_name ~^\d+\;\{$;", r"~^\d+\;\{$"),
            (r#"server_name "a\"b\\c\'d\te";"#, "a\"b\\c'd\te"),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text.as_bytes())[0].words[1], expected, "{text}");
        }
        let text = r"location ~ \{x { } location ~ \;{ return 200 a\;b\}; } server_name b;";
        let last = parse(text.as_bytes()).pop().unwrap();
        assert_eq!((last.blocks.len(), last.words.join(" ")), (0, "server_name b".to_owned()));
    }

    #[test]
    fn lua_is_skipped() {
        let text = b"server { content_by_lua_block {\n -- don't {\n --[[ ' } ]] a = [[ } ' ]] if x then { y = \"}\\\"\" } end\n} \
                     server_name a; }\nserver_name b;";
        let names: Vec<String> =
            parse(text).iter().map(|found| format!("{}:{}", found.blocks.join("/"), found.name())).collect();
        assert_eq!(names, [":server", "server:content_by_lua_block", "server:server_name", ":server_name"]);
    }
}
