//! A strict reader of the part of nginx's language that tenants may use. [`super::directives`] is the tolerant one, for files
//! that others wrote.

/// A directive, with its block if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// Its line, starting at 1.
    pub(super) line: usize,
    /// Its name and parameters, without quotes.
    pub(super) words: Vec<String>,
    /// The directives in its block.
    pub(super) block: Option<Vec<Item>>,
}

impl Item {
    /// Its name.
    pub(super) fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }
}

/// What ends a directive.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Semicolon,
    Block,
    CloseBlock,
    Text,
}

/// A line, and what is wrong there.
pub(super) type Fault = (usize, String);

/// Longest word, in bytes: nginx reads parameters of up to 4 KiB, and quoting can double them.
const MAX_WORD: usize = 1024;

/// The directives of a text. Blocks within blocks within blocks are refused, so that no text uses up the stack.
///
/// # Errors
/// It is not nginx's language.
pub(super) fn read(text: &str) -> Result<Vec<Item>, Fault> {
    let mut reader = Reader { rest: text, line: 1 };
    let items = reader.items(0)?;
    Ok(items)
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let sign = self.rest.chars().next()?;
        self.rest = self.rest.get(sign.len_utf8()..).unwrap_or_default();
        if sign == '\n' {
            self.line = self.line.saturating_add(1);
        }
        Some(sign)
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn fault<T>(&self, cause: &str) -> Result<T, Fault> {
        Err((self.line, cause.to_owned()))
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Item>, Fault> {
        let mut items = Vec::new();
        loop {
            let (line, words, end) = self.directive()?;
            match end {
                End::Text | End::CloseBlock if !words.is_empty() => return Err((line, "a ; is missing".to_owned())),
                End::Text if depth > 0 => return self.fault("a } is missing"),
                End::CloseBlock if depth == 0 => return self.fault("there is no block that this } could end"),
                End::Text | End::CloseBlock => return Ok(items),
                End::Semicolon | End::Block if words.is_empty() => return self.fault("a directive is missing"),
                End::Semicolon => items.push(Item { line, words, block: None }),
                End::Block if depth > 1 => return Err((line, "blocks are nested too deeply".to_owned())),
                End::Block => {
                    let block = Some(self.items(depth.saturating_add(1))?);
                    items.push(Item { line, words, block });
                }
            }
        }
    }

    /// The words up to what ends them, and their line.
    fn directive(&mut self) -> Result<(usize, Vec<String>, End), Fault> {
        let (mut words, mut line) = (Vec::new(), self.line);
        loop {
            let Some(sign) = self.peek() else { return Ok((line, words, End::Text)) };
            if words.is_empty() {
                line = self.line;
            }
            match sign {
                ' ' | '\t' | '\r' | '\n' => drop(self.next()),
                '#' => {
                    while self.peek().is_some_and(|sign| sign != '\n') {
                        self.next();
                    }
                }
                ';' | '{' | '}' => {
                    self.next();
                    let end = match sign {
                        ';' => End::Semicolon,
                        '{' => End::Block,
                        _ => End::CloseBlock,
                    };
                    return Ok((line, words, end));
                }
                '"' | '\'' => {
                    self.next();
                    words.push(self.quoted(sign)?);
                }
                _ => words.push(self.plain()?),
            }
        }
    }

    fn plain(&mut self) -> Result<String, Fault> {
        let mut word = String::new();
        while let Some(sign) = self.peek() {
            match sign {
                ' ' | '\t' | '\r' | '\n' | ';' => break,
                // nginx takes some of these as part of a word, and some as its end.
                '{' | '}' | '"' | '\'' | '#' => return self.fault("words with {, }, # or quotes must be in quotes"),
                _ => self.add(&mut word)?,
            }
        }
        Ok(word)
    }

    fn quoted(&mut self, quote: char) -> Result<String, Fault> {
        let mut word = String::new();
        loop {
            match self.peek() {
                None => return self.fault("a quote is missing"),
                Some(sign) if sign == quote => break,
                Some(_) => self.add(&mut word)?,
            }
        }
        self.next();
        match self.peek() {
            None | Some(' ' | '\t' | '\r' | '\n' | ';' | '{' | '}') => Ok(word),
            Some(_) => self.fault("a space is missing after a quote"),
        }
    }

    /// Adds the next character to a word, and with a backslash, the one after it, as nginx does: the backslash itself stays,
    /// except before quotes and backslashes.
    fn add(&mut self, word: &mut String) -> Result<(), Fault> {
        let Some(sign) = self.next() else { return Ok(()) };
        if sign.is_control() {
            return self.fault("words must be on one line, without control characters");
        }
        word.push(sign);
        if sign == '\\' {
            match self.next() {
                Some(escaped @ ('"' | '\'' | '\\')) => {
                    word.pop();
                    word.push(escaped);
                }
                Some('t' | 'r' | 'n') | None => return self.fault("\\t, \\r and \\n are not allowed"),
                Some(other) if other.is_control() => return self.fault("a line must not end with a backslash"),
                Some(other) => word.push(other),
            }
        }
        if word.len() > MAX_WORD {
            return self.fault("a word is too long");
        }
        Ok(())
    }
}
