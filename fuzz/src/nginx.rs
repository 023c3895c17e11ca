//! An independent parser of nginx's configuration language.

/// One directive: the depth of its block, and its words, the last of which is the character that ends it.
pub type Directive = (usize, Vec<String>);

/// Parses a file.
///
/// # Panics
/// nginx would reject the file: a quote or block is not closed, or a block is closed that was not opened.
pub fn directives(text: &str) -> Vec<Directive> {
    let (mut found, mut words, mut depth) = (Vec::new(), Vec::new(), 0_usize);
    let mut rest = text.chars().peekable();
    while let Some(sign) = rest.next() {
        match sign {
            _ if sign.is_ascii_whitespace() => {}
            '#' => while rest.next_if(|sign| *sign != '\n').is_some() {},
            ';' | '{' | '}' => {
                assert!(words.is_empty() == (sign == '}'), "{words:?} before {sign}");
                words.push(sign.to_string());
                found.push((depth, std::mem::take(&mut words)));
                depth = match sign {
                    '{' => depth + 1,
                    '}' => depth.checked_sub(1).expect("a closed block was opened"),
                    _ => depth,
                };
            }
            '"' | '\'' => words.push(quoted(sign, &mut rest)),
            _ => {
                let mut word = String::from(sign);
                while let Some(sign) = rest.next_if(|sign| !sign.is_ascii_whitespace() && !";{".contains(*sign)) {
                    word.push(sign);
                }
                words.push(word);
            }
        }
    }
    assert!(depth == 0 && words.is_empty(), "the file ends in {words:?} at depth {depth}");
    found
}

fn quoted(quote: char, rest: &mut impl Iterator<Item = char>) -> String {
    let mut word = String::new();
    loop {
        match rest.next().expect("a quote is closed") {
            '\\' => word.extend(rest.next()),
            sign if sign == quote => return word,
            sign => word.push(sign),
        }
    }
}
