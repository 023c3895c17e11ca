//! Renders `--help` from the table of the command line. It happens when the program is compiled, so the binary holds the
//! text and not the code that aligns it.

use opterius_daemon::completions::{CommandForm, CommandLine};

/// A text of `N` bytes under construction. What does not fit is counted and dropped, so a text of 0 bytes measures.
pub(super) struct Text<const N: usize> {
    pub(super) bytes: [u8; N],
    pub(super) length: usize,
}

/// The help: the opening, the forms and the options in two aligned columns each, the closing.
pub(super) const fn render<const N: usize>(opening: &str, table: &CommandLine<'_>, closing: &str) -> Text<N> {
    let mut text = Text::new();
    text.push(opening);
    text.push("\nUsage:\n");
    let (mut forms, width) = (table.forms, form_width(table));
    while let [form, rest @ ..] = forms {
        let start = text.length;
        text.push_form(table.program, form);
        text.pad(start + width);
        text.push(form.about);
        text.push("\n");
        forms = rest;
    }
    text.push("\nOptions:\n");
    let (mut options, width) = (table.options, option_width(table));
    while let [option, rest @ ..] = options {
        let start = text.length;
        text.push_option(option.usage);
        text.pad(start + width);
        text.push(option.about);
        text.push("\n");
        options = rest;
    }
    text.push(closing);
    text
}

const fn form_width(table: &CommandLine<'_>) -> usize {
    let (mut forms, mut width) = (table.forms, 0);
    while let [form, rest @ ..] = forms {
        let mut text = Text::<0>::new();
        text.push_form(table.program, form);
        width = if text.length > width { text.length } else { width };
        forms = rest;
    }
    width
}

const fn option_width(table: &CommandLine<'_>) -> usize {
    let (mut options, mut width) = (table.options, 0);
    while let [option, rest @ ..] = options {
        let mut text = Text::<0>::new();
        text.push_option(option.usage);
        width = if text.length > width { text.length } else { width };
        options = rest;
    }
    width
}

impl<const N: usize> Text<N> {
    const fn new() -> Self {
        Self { bytes: [0; N], length: 0 }
    }

    const fn push(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        while let Some((byte, after)) = rest.split_first() {
            if let Some((_, [place, ..])) = self.bytes.split_at_mut_checked(self.length) {
                *place = *byte;
            }
            self.length += 1;
            rest = after;
        }
    }

    /// Adds each word with a space before it.
    const fn push_words(&mut self, words: &[&str]) {
        let mut rest = words;
        while let [word, after @ ..] = rest {
            self.push(" ");
            self.push(word);
            rest = after;
        }
    }

    const fn push_form(&mut self, program: &str, form: &CommandForm<'_>) {
        self.push("  ");
        self.push(program);
        self.push(" [--config PATH]");
        self.push_words(form.words);
        self.push_words(form.operands);
        self.push_words(form.options);
        self.push("  ");
    }

    const fn push_option(&mut self, usage: &str) {
        self.push("  ");
        self.push(usage);
        self.push("  ");
    }

    const fn pad(&mut self, length: usize) {
        while self.length < length {
            self.push(" ");
        }
    }
}
