//! How a command is written, and what is read of it.

use crate::commands::arguments::Arguments;
use crate::commands::task::Task;
use crate::commands::values::printable;
use crate::model::Action;

/// Reads what a command asks for; a sentence where that makes no sense.
pub(super) type Read = fn(&Arguments) -> Result<Task, String>;

/// One command.
#[derive(Debug)]
pub struct CommandSpec {
    /// The words that name it.
    pub words: &'static [&'static str],
    /// What follows them, in this order.
    pub operands: &'static [&'static str],
    /// Its options as the help shows them: one that may be left out is in brackets, one that takes a value is followed by
    /// the value's name.
    pub options: &'static [&'static str],
    /// What it does.
    pub about: &'static str,
    /// How the history tells of it, if it does.
    pub history_action: Option<Action>,
    /// What it asks for; none for `serve`, which runs on.
    pub(super) read: Option<Read>,
}

/// An option, read from how the help shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionSpec {
    /// The name, without the hyphens.
    pub name: &'static str,
    /// What the help calls its value, if it takes one.
    pub value: Option<&'static str>,
    /// Whether it may not be left out.
    pub required: bool,
}

/// The options that stand anywhere.
pub const GLOBAL_OPTIONS: [OptionSpec; 3] = [
    OptionSpec { name: "config", value: Some("FILE"), required: false },
    OptionSpec { name: "help", value: None, required: false },
    OptionSpec { name: "version", value: None, required: false },
];

/// A command is named by its words.
impl PartialEq for CommandSpec {
    fn eq(&self, other: &Self) -> bool {
        self.words == other.words
    }
}

impl Eq for CommandSpec {}

impl CommandSpec {
    /// Its options.
    pub fn option_specs(&self) -> impl Iterator<Item = OptionSpec> {
        self.options.iter().map(|shown| parse_option(shown))
    }

    /// How it is written.
    pub fn usage(&self) -> String {
        let parts = self.words.iter().chain(self.operands).chain(self.options);
        parts.copied().collect::<Vec<_>>().join(" ")
    }

    /// Whether the command has these operands and these options.
    pub(super) fn check(&self, arguments: &Arguments) -> Result<(), String> {
        let operands = &arguments.operands;
        let required = self.operands.iter().filter(|operand| !operand.starts_with('[')).count();
        if let Some(missing) = self.operands.get(operands.len()).filter(|_| operands.len() < required) {
            return Err(format!("{missing} is missing"));
        }
        if let Some(extra) = operands.get(self.operands.len()) {
            return Err(format!("“{}” is not expected here", printable(&extra.to_string_lossy())));
        }
        let is_known =
            |name: &str| GLOBAL_OPTIONS.into_iter().chain(self.option_specs()).any(|option| option.name == name);
        if let Some((foreign, _)) = arguments.options.iter().find(|(name, _)| !is_known(name)) {
            return Err(format!("--{foreign} does not go with {}", self.words.join(" ")));
        }
        match self.option_specs().find(|option| option.required && !arguments.flag(option.name)) {
            Some(missing) => Err(format!("--{} {} is missing", missing.name, missing.value.unwrap_or_default())),
            None => Ok(()),
        }
    }
}

fn parse_option(shown: &'static str) -> OptionSpec {
    let bare = shown.trim_start_matches('[').trim_end_matches(']').trim_start_matches('-');
    let (name, value) = bare.split_once(' ').map_or((bare, None), |(name, value)| (name, Some(value)));
    OptionSpec { name, value, required: !shown.starts_with('[') }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_read_from_how_it_is_shown() {
        let table = [
            ("--owner NAME", OptionSpec { name: "owner", value: Some("NAME"), required: true }),
            ("[--lock-ip IP]", OptionSpec { name: "lock-ip", value: Some("IP"), required: false }),
            ("[--json]", OptionSpec { name: "json", value: None, required: false }),
        ];
        for (shown, expected) in table {
            assert_eq!(parse_option(shown), expected);
        }
    }
}
