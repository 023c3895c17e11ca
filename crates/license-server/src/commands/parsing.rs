//! Parses the arguments into a typed task.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser};

use crate::commands::arguments::Arguments;
use crate::commands::spec::{CommandSpec, OptionSpec};
use crate::commands::task::Task;
use crate::commands::{specs, suggestions};
use crate::config::DEFAULT_PATH;

/// What the arguments ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Print the help of all commands, or of these.
    Help(Option<Vec<&'static CommandSpec>>),
    /// Print the version.
    Version,
    /// Run the daemon.
    Serve {
        /// The configuration file.
        config_file: PathBuf,
    },
    /// Run the deliverer.
    Deliver {
        /// The configuration file.
        config_file: PathBuf,
    },
    /// Run a command.
    Task {
        /// The configuration file.
        config_file: PathBuf,
        /// The command.
        task: Task,
    },
}

/// Parses the arguments; the first is the program name.
///
/// # Errors
/// A message that names the wrong argument and where to find help.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let all = RawArguments::read(arguments);
    if all.arguments.flag("help") {
        let specs = matching(&all.words);
        return Ok(Command::Help(if all.words.is_empty() || specs.is_empty() { None } else { Some(specs) }));
    }
    let found = find(&all.words);
    let more = |sentence: String| format!("{sentence}\nTry: opterius-license-server --help");
    let usage =
        |spec: &CommandSpec, sentence: String| format!("{sentence}\nUsage: opterius-license-server {}", spec.usage());
    match (&all.error, found) {
        (Some(error), Ok(spec)) => Err(usage(spec, error.sentence(Some(spec)))),
        (Some(error), Err(_)) => Err(more(error.sentence(None))),
        (None, _) if all.arguments.flag("version") => Ok(Command::Version),
        (None, Err(sentence)) => Err(more(sentence)),
        (None, Ok(spec)) => all.command(spec).map_err(|sentence| usage(spec, sentence)),
    }
}

/// The commands that begin with these words.
fn matching(words: &[OsString]) -> Vec<&'static CommandSpec> {
    let begins = |spec: &&CommandSpec| spec.words.iter().zip(words).all(|(word, given)| *word == given.as_os_str());
    specs::all().filter(begins).collect()
}

fn find(words: &[OsString]) -> Result<&'static CommandSpec, String> {
    let Some(first) = words.first() else { return Err("missing command".to_owned()) };
    let found = matching(words);
    if let Some(spec) = found.iter().find(|spec| spec.words.len() <= words.len()) {
        return Ok(spec);
    }
    let second = words.get(1).map(|word| word.to_string_lossy());
    Err(suggestions::no_command(&first.to_string_lossy(), second.as_deref()))
}

/// An invalid option.
enum OptionError {
    /// An option that no command has, as typed.
    Unknown(String),
    Sentence(String),
}

impl OptionError {
    fn sentence(&self, spec: Option<&CommandSpec>) -> String {
        match self {
            Self::Unknown(typed) => suggestions::no_option(typed, spec),
            Self::Sentence(sentence) => sentence.clone(),
        }
    }
}

/// The arguments before they are matched with a command.
struct RawArguments {
    words: Vec<OsString>,
    arguments: Arguments,
    /// The first error. Parsing continues after it, because suggestions depend on the command.
    error: Option<OptionError>,
}

impl RawArguments {
    fn read(arguments: impl IntoIterator<Item = OsString>) -> Self {
        let mut all = Self { words: Vec::new(), arguments: Arguments::default(), error: None };
        let mut parser = Parser::from_iter(arguments);
        loop {
            match parser.next() {
                Ok(Some(Arg::Value(word))) => all.words.push(word),
                Ok(Some(Arg::Short('h'))) => all.arguments.options.push(("help", None)),
                Ok(Some(Arg::Short('V'))) => all.arguments.options.push(("version", None)),
                Ok(Some(Arg::Short(letter))) => {
                    // `-owner` is one mistyped option, not five.
                    let rest = parser.optional_value().unwrap_or_default();
                    all.wrong(OptionError::Unknown(format!("-{letter}{}", rest.to_string_lossy())));
                }
                Ok(Some(Arg::Long(name))) => {
                    let name = name.to_owned();
                    all.option(&name, &mut parser);
                }
                Ok(None) => break,
                Err(error) => {
                    all.wrong(OptionError::Sentence(error.to_string()));
                    break;
                }
            }
        }
        all.take_help();
        all
    }

    fn option(&mut self, name: &str, parser: &mut Parser) {
        let Some(OptionSpec { name, value, .. }) = specs::find_option(name) else {
            let _ = parser.optional_value();
            return self.wrong(OptionError::Unknown(format!("--{name}")));
        };
        if self.arguments.flag(name) {
            self.wrong(OptionError::Sentence(format!("--{name} is given more than once")));
        }
        match value.map(|value| parser.value().map_err(|_| value)) {
            Some(Err(value)) => self.wrong(OptionError::Sentence(format!("--{name} requires {value}"))),
            Some(Ok(value)) => self.arguments.options.push((name, Some(value))),
            None => self.arguments.options.push((name, None)),
        }
    }

    fn wrong(&mut self, error: OptionError) {
        self.error.get_or_insert(error);
    }

    /// Treats `help` as `--help` if it is the first word, or follows the first word of a two-word command.
    fn take_help(&mut self) {
        let is_help = |word: Option<&OsString>| word.is_some_and(|word| word == "help");
        let before = self.words.len().saturating_sub(1);
        if is_help(self.words.first()) {
            self.words.remove(0);
        } else if is_help(self.words.last())
            && matching(self.words.get(..before).unwrap_or_default()).iter().all(|spec| spec.words.len() > before)
        {
            self.words.pop();
        } else {
            return;
        }
        self.arguments.options.push(("help", None));
    }

    /// The parsed command for this spec.
    fn command(mut self, spec: &CommandSpec) -> Result<Command, String> {
        self.arguments.operands = self.words.split_off(spec.words.len());
        spec.check(&self.arguments)?;
        let config_file = self.arguments.raw("config").map_or_else(|| PathBuf::from(DEFAULT_PATH), PathBuf::from);
        match spec.read {
            None if spec.words == ["deliver"] => Ok(Command::Deliver { config_file }),
            None => Ok(Command::Serve { config_file }),
            Some(read) => Ok(Command::Task { config_file, task: read(&self.arguments)? }),
        }
    }
}

#[cfg(test)]
#[path = "parsing_tests.rs"]
mod tests;
