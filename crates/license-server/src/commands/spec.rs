//! The specification of a command: syntax, help and parsing.

use crate::commands::arguments::Arguments;
use crate::commands::task::Task;
use crate::commands::values::printable;
use crate::model::Action;

/// Parses the arguments of a command into a task; the error is a message.
pub(super) type Read = fn(&Arguments) -> Result<Task, String>;

/// One command.
#[derive(Debug)]
pub struct CommandSpec {
    /// The words of its name.
    pub words: &'static [&'static str],
    /// The names of its operands, in order; an optional one is in brackets.
    pub operands: &'static [&'static str],
    /// Its options as in the help: an optional one is in brackets, one with a value is followed by the value's name.
    pub options: &'static [&'static str],
    /// The description in the help.
    pub about: &'static str,
    /// The action that it records in the history, if any.
    pub history_action: Option<Action>,
    /// Parses the arguments; `None` for `serve` and `deliver`, which are not tasks.
    pub(super) read: Option<Read>,
}

/// An option, parsed from its form in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionSpec {
    /// The name, without the hyphens.
    pub name: &'static str,
    /// The name of its value, if it takes one.
    pub value: Option<&'static str>,
    /// Whether it is required.
    pub required: bool,
}

/// The options of all commands.
pub const GLOBAL_OPTIONS: [OptionSpec; 3] = [
    OptionSpec { name: "config", value: Some("FILE"), required: false },
    OptionSpec { name: "help", value: None, required: false },
    OptionSpec { name: "version", value: None, required: false },
];

/// The width of the help.
pub const COLUMNS: usize = 120;

/// Commands are equal if their names are.
impl PartialEq for CommandSpec {
    fn eq(&self, other: &Self) -> bool {
        self.words == other.words
    }
}

impl Eq for CommandSpec {}

impl CommandSpec {
    /// Its options.
    pub fn option_specs(&self) -> impl Iterator<Item = OptionSpec> {
        self.options.iter().map(|syntax| parse_option(syntax))
    }

    /// The usage line, without the program name.
    pub fn usage(&self) -> String {
        let parts = self.words.iter().chain(self.operands).chain(self.options);
        parts.copied().collect::<Vec<_>>().join(" ")
    }

    /// The usage after `before`, in lines that a screen of [`COLUMNS`] shows whole.
    pub fn wrapped_usage(&self, before: &str) -> String {
        let parts = self.words.iter().chain(self.operands).chain(self.options);
        let (mut text, mut column) = (before.to_owned(), before.chars().count());
        for (index, part) in parts.enumerate() {
            let width = part.chars().count();
            if index > 0 && column.saturating_add(width) >= COLUMNS {
                text.push_str("\n         ");
                column = 9;
            }
            text.push_str(if index == 0 { "" } else { " " });
            text.push_str(part);
            column = column.saturating_add(width).saturating_add(1);
        }
        text
    }

    /// Checks the number of operands and that the command has these options.
    pub(super) fn check(&self, arguments: &Arguments) -> Result<(), String> {
        let operands = &arguments.operands;
        let required = self.operands.iter().filter(|operand| !operand.starts_with('[')).count();
        if let Some(missing) = self.operands.get(operands.len()).filter(|_| operands.len() < required) {
            return Err(format!("missing operand {missing}"));
        }
        if let Some(extra) = operands.get(self.operands.len()) {
            return Err(format!("unexpected argument “{}”", printable(&extra.to_string_lossy())));
        }
        let is_known =
            |name: &str| GLOBAL_OPTIONS.into_iter().chain(self.option_specs()).any(|option| option.name == name);
        if let Some((unknown, _)) = arguments.options.iter().find(|(name, _)| !is_known(name)) {
            return Err(format!("{} has no option --{unknown}", self.words.join(" ")));
        }
        match self.option_specs().find(|option| option.required && !arguments.flag(option.name)) {
            Some(missing) => Err(format!("missing option --{} {}", missing.name, missing.value.unwrap_or_default())),
            None => Ok(()),
        }
    }
}

fn parse_option(syntax: &'static str) -> OptionSpec {
    let bare = syntax.trim_start_matches('[').trim_end_matches(']').trim_start_matches('-');
    let (name, value) = bare.split_once(' ').map_or((bare, None), |(name, value)| (name, Some(value)));
    OptionSpec { name, value, required: !syntax.starts_with('[') }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_parsed_from_its_help_form() {
        let table = [
            ("--owner NAME", OptionSpec { name: "owner", value: Some("NAME"), required: true }),
            ("[--lock-ip IP]", OptionSpec { name: "lock-ip", value: Some("IP"), required: false }),
            ("[--json]", OptionSpec { name: "json", value: None, required: false }),
        ];
        for (syntax, expected) in table {
            assert_eq!(parse_option(syntax), expected);
        }
    }
}
