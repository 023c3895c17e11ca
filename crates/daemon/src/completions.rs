//! Shell completions as text, generated from the table that a program's `--help` is made of.
//!
//! The programs themselves do not use this module: a test writes the files that the packages install.

pub mod bash;
pub mod fish;
pub mod zsh;

/// A program's command line.
#[derive(Clone, Copy, Debug)]
pub struct CommandLine<'a> {
    /// The program's name.
    pub program: &'a str,
    /// The forms of the command, in the order of the help.
    pub forms: &'a [CommandForm<'a>],
    /// The options that the help explains. Those that no form lists go with every form.
    pub options: &'a [ExplainedOption<'a>],
}

/// One form of the command.
#[derive(Clone, Copy, Debug)]
pub struct CommandForm<'a> {
    /// The words that select it, such as `license create`; none for the command without a subcommand.
    pub words: &'a [&'a str],
    /// The operands after the words, as the help shows them: `FILE`, `[ID]`.
    pub operands: &'a [&'a str],
    /// The options of this form, as the help shows them: `--owner NAME`, `[--json]`.
    pub options: &'a [&'a str],
    /// What the form does.
    pub about: &'a str,
}

/// An option with its explanation.
#[derive(Clone, Copy, Debug)]
pub struct ExplainedOption<'a> {
    /// The option as the help shows it: `--config PATH`.
    pub usage: &'a str,
    /// What the option does.
    pub about: &'a str,
}

/// An option as a completion needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Flag<'a> {
    /// The name, with its hyphens.
    name: &'a str,
    /// The name of its value, if it takes one.
    value: Option<&'a str>,
    about: &'a str,
}

/// What can follow after some words of the command.
#[derive(Debug)]
struct Position<'a> {
    words: &'a [&'a str],
    subcommands: Vec<Subcommand<'a>>,
    operands: &'a [&'a str],
    flags: Vec<Flag<'a>>,
}

#[derive(Debug, PartialEq, Eq)]
struct Subcommand<'a> {
    word: &'a str,
    about: String,
}

impl<'a> CommandLine<'a> {
    /// Every position of the command line, the beginning first.
    fn positions(&self) -> impl Iterator<Item = Position<'a>> {
        let mut prefixes: Vec<&'a [&'a str]> = Vec::new();
        for words in self.forms.iter().map(|form| form.words) {
            for prefix in (0..=words.len()).filter_map(|length| words.get(..length)) {
                if !prefixes.contains(&prefix) {
                    prefixes.push(prefix);
                }
            }
        }
        prefixes.into_iter().map(|words| self.position(words))
    }

    fn position(&self, words: &'a [&'a str]) -> Position<'a> {
        let forms = || self.forms.iter().filter(|form| form.words == words);
        let own = forms().flat_map(|form| form.options).map(|usage| self.flag(usage));
        Position {
            words,
            subcommands: self.subcommands(words),
            operands: forms().map(|form| form.operands).max_by_key(|operands| operands.len()).unwrap_or_default(),
            flags: own.chain(self.common_flags()).collect(),
        }
    }

    fn subcommands(&self, words: &[&'a str]) -> Vec<Subcommand<'a>> {
        let with_about = |word| Subcommand { word, about: self.about(&[words, &[word]].concat()) };
        self.next_words(words).into_iter().map(with_about).collect()
    }

    /// The words that can follow these.
    fn next_words(&self, words: &[&'a str]) -> Vec<&'a str> {
        let mut found = Vec::new();
        for word in self.forms.iter().filter_map(|form| form.words.strip_prefix(words)?.first()) {
            if !found.contains(word) {
                found.push(*word);
            }
        }
        found
    }

    /// What the form with these words does. The help says nothing about words that several forms begin with, so the words
    /// that follow them must do.
    fn about(&self, words: &[&'a str]) -> String {
        match self.forms.iter().find(|form| form.words == words) {
            Some(form) => form.about.to_owned(),
            None => self.next_words(words).join(", "),
        }
    }

    /// The options that go with every form.
    fn common_flags(&self) -> impl Iterator<Item = Flag<'a>> {
        let listed = |flag: &Flag<'_>| {
            self.forms.iter().flat_map(|form| form.options).any(|usage| name_and_value(usage).0 == flag.name)
        };
        self.options.iter().map(|option| self.flag(option.usage)).filter(move |flag| !listed(flag))
    }

    /// Every option that takes a value, once.
    fn flags_with_value(&self) -> Vec<Flag<'a>> {
        let mut found: Vec<Flag<'a>> = Vec::new();
        for flag in self.positions().flat_map(|position| position.flags).filter(|flag| flag.value.is_some()) {
            if found.iter().all(|known| known.name != flag.name) {
                found.push(flag);
            }
        }
        found
    }

    fn flag(&self, usage: &'a str) -> Flag<'a> {
        let (name, value) = name_and_value(usage);
        let explained = self.options.iter().find(|option| name_and_value(option.usage).0 == name);
        Flag { name, value, about: explained.map(|option| option.about).or(value).unwrap_or_default() }
    }

    /// The program's name as part of the name of a shell function.
    fn identifier(&self) -> String {
        self.program.replace('-', "_")
    }

    fn first_line(&self, shell: &str) -> String {
        format!("# {shell} completion for {}, generated from the table that its --help is made of.\n", self.program)
    }
}

impl Position<'_> {
    /// Whether the next operand is a file.
    fn takes_file(&self) -> bool {
        self.operands.first().is_some_and(|operand| is_file(operand))
    }
}

/// Whether the help calls a file by this name.
fn is_file(value: &str) -> bool {
    ["FILE", "PATH"].contains(&value.trim_matches(['[', ']']))
}

/// An option's name with its hyphens, and the name of its value, from how the help shows it.
fn name_and_value(usage: &str) -> (&str, Option<&str>) {
    let bare = usage.trim_matches(['[', ']']);
    bare.split_once(' ').map_or((bare, None), |(name, value)| (name, Some(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn form(
        words: &'static [&'static str],
        operands: &'static [&'static str],
        options: &'static [&'static str],
    ) -> CommandForm<'static> {
        CommandForm { words, operands, options, about: "do it" }
    }

    const EXAMPLE: CommandLine<'_> = CommandLine {
        program: "an-example",
        forms: &[
            form(&[], &[], &[]),
            form(&[], &[], &["--check"]),
            form(&["plan", "list"], &[], &["[--json]"]),
            form(&["plan", "set"], &["SLUG"], &["--title NAME"]),
            form(&["copy"], &["[FILE]"], &[]),
            form(&["adopt"], &[], &[]),
            form(&["adopt", "all"], &[], &[]),
        ],
        options: &[
            ExplainedOption { usage: "--config PATH", about: "the file" },
            ExplainedOption { usage: "--json", about: "print JSON" },
        ],
    };

    fn at(words: &[&str]) -> Position<'static> {
        EXAMPLE.positions().find(|position| position.words == words).unwrap()
    }

    #[test]
    fn every_position_offers_what_can_follow() {
        let words = |position: Position<'static>| -> Vec<&str> {
            position.subcommands.iter().map(|subcommand| subcommand.word).collect()
        };
        assert_eq!(words(at(&[])), ["plan", "copy", "adopt"]);
        assert_eq!(words(at(&["plan"])), ["list", "set"]);
        assert_eq!(words(at(&["adopt"])), ["all"]);
        assert_eq!(at(&["plan", "set"]).operands, ["SLUG"]);
        assert!(at(&["copy"]).takes_file() && !at(&["plan", "set"]).takes_file());
    }

    #[test]
    fn a_group_is_described_by_its_commands() {
        let abouts: Vec<String> = at(&[]).subcommands.into_iter().map(|subcommand| subcommand.about).collect();
        assert_eq!(abouts, ["list, set", "do it", "do it"]);
    }

    #[test]
    fn an_option_that_no_form_lists_goes_with_every_form() {
        let names = |words| -> Vec<&str> { at(words).flags.iter().map(|flag| flag.name).collect() };
        assert_eq!(names(&[]), ["--check", "--config"]);
        assert_eq!(names(&["plan"]), ["--config"]);
        assert_eq!(names(&["plan", "list"]), ["--json", "--config"]);
        let flags = EXAMPLE.flags_with_value();
        let expected = [
            Flag { name: "--config", value: Some("PATH"), about: "the file" },
            Flag { name: "--title", value: Some("NAME"), about: "NAME" },
        ];
        assert_eq!(flags, expected);
    }
}
