//! The command line: its table, its parser, its help.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use lexopt::{Arg, Parser};

use crate::cli::help;
use crate::config::file::DEFAULT_PATH;
use opterius_daemon::completions::{CommandForm, CommandLine, ExplainedOption};
use opterius_daemon::config_file;

/// Every form and option of the command. The help and the shell completions are generated from this table, and a test
/// holds [`parse`] against it.
pub const COMMAND_LINE: CommandLine<'static> = CommandLine {
    program: "opterius-agent",
    forms: &[
        form(&[], &[], "run the daemon in the foreground"),
        form(&[], &["--check-config"], "check agent.conf and exit"),
        form(&["status"], &["[--json]"], "show the license status of the running daemon"),
        form(&["doctor"], &["[--json]"], "diagnose problems and suggest fixes"),
        form(&["reverify"], &[], "verify the license now and show the result"),
        form(&["operation"], &[], "run the host operation read from stdin, as the helper does"),
        form(&["operation", "adopt"], &[], "adopt existing accounts"),
    ],
    options: &[
        option("--config PATH", "the configuration file (default: /etc/opterius/agent.conf)"),
        option("--check-config", "check the configuration file and report the first error"),
        option("--json", "print JSON: the status as the daemon returns it, or the doctor's findings"),
        option("--version", "print the version"),
        option("--help", "print this help"),
    ],
};

const OPENING: &str = "\
opterius-agent: verifies this server's license and serves requests from its Opterius Panel
";

const CLOSING: &str = "
Exit codes:
  0   success; for status and reverify: the license is valid; for doctor: no check FAILs
  1   runtime failure; for status and reverify: the license is restricted; for doctor: a check FAILs
  2   status and reverify: the daemon does not respond, or its response is not a status
  64  usage error
  70  internal error: a bug in the program
  77  permission denied
  78  configuration error

Signals:
  HUP         reload agent.conf and verify the license now
  TERM, INT   finish running requests within 5 seconds and exit; a second signal exits immediately
";

const HELP_LENGTH: usize = help::render::<0>(OPENING, &COMMAND_LINE, CLOSING).length;
const HELP_BYTES: [u8; HELP_LENGTH] = help::render(OPENING, &COMMAND_LINE, CLOSING).bytes;

/// The text that `--help` prints.
pub const HELP: &str = match str::from_utf8(&HELP_BYTES) {
    Ok(text) => text,
    Err(_) => panic!("text made of texts is text"),
};

const fn form(
    words: &'static [&'static str],
    options: &'static [&'static str],
    about: &'static str,
) -> CommandForm<'static> {
    CommandForm { words, operands: &[], options, about }
}

const fn option(usage: &'static str, about: &'static str) -> ExplainedOption<'static> {
    ExplainedOption { usage, about }
}

/// A parsed command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Run the daemon.
    Run {
        /// The configuration file.
        config: PathBuf,
    },
    /// Check the configuration.
    CheckConfig {
        /// The configuration file.
        config: PathBuf,
    },
    /// Show the license status of the running daemon.
    Status {
        /// The configuration file.
        config: PathBuf,
        /// Print the status as the daemon returns it.
        json: bool,
    },
    /// Diagnose problems and suggest fixes.
    Doctor {
        /// The configuration file.
        config: PathBuf,
        /// Print the findings as JSON.
        json: bool,
    },
    /// Have the running daemon verify the license now.
    Reverify {
        /// The configuration file.
        config: PathBuf,
    },
    /// Run the helper, which has the root privileges that the daemon lacks.
    Operation {
        /// The configuration file.
        config: PathBuf,
        /// The helper's task.
        task: Task,
    },
    /// Print the version.
    Version,
    /// Print the help.
    Help,
}

/// A task of the helper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Run the host operation read from stdin.
    Serve,
    /// Adopt existing accounts.
    Adopt,
    /// Install a certificate that certbot has just renewed. Only certbot's hook uses it, so the help does not list it.
    Renewed,
}

impl Task {
    /// The helper's subcommand; none for the default task.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::Serve => None,
            Self::Adopt => Some("adopt"),
            Self::Renewed => Some("renewed"),
        }
    }
}

/// Parses the arguments, the program's name first.
///
/// # Errors
/// A sentence that names the wrong argument.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut config = PathBuf::from(DEFAULT_PATH);
    let (mut check, mut json, mut information) = (false, false, None);
    let mut words: Vec<OsString> = Vec::new();
    let mut parser = Parser::from_iter(arguments);
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        match argument {
            Arg::Long("help") | Arg::Short('h') => information = Some(Command::Help),
            Arg::Long("version") | Arg::Short('V') => information = Some(Command::Version),
            Arg::Long("config") => config = config_file::absolute(parser.value().map_err(|error| error.to_string())?),
            Arg::Long("check-config") => check = true,
            Arg::Long("json") => json = true,
            Arg::Value(value) if words.first().is_none_or(|first| first == "operation") => words.push(value),
            other => return Err(other.unexpected().to_string()),
        }
    }
    if let Some(information) = information {
        return Ok(information);
    }
    let subcommand = words.first().map(|word| word.to_string_lossy().into_owned());
    match (subcommand.as_deref(), check, json) {
        (Some("operation"), false, false) => Ok(Command::Operation { config, task: task(words)? }),
        (None, false, false) => Ok(Command::Run { config }),
        (None, true, false) => Ok(Command::CheckConfig { config }),
        (Some("status"), false, json) => Ok(Command::Status { config, json }),
        (Some("doctor"), false, json) => Ok(Command::Doctor { config, json }),
        (Some("reverify"), false, false) => Ok(Command::Reverify { config }),
        (Some("status" | "doctor" | "reverify" | "operation"), true, _) => {
            Err("--check-config cannot be used with a subcommand".to_owned())
        }
        (_, _, true) => Err("--json can be used with status and doctor only".to_owned()),
        (Some(other), ..) => Err(format!("unknown subcommand “{other}”")),
    }
}

fn task(words: Vec<OsString>) -> Result<Task, String> {
    let mut words = words.into_iter().skip(1);
    let task = words.next();
    match (task.as_deref().map(OsStr::to_str), words.next()) {
        (None, None) => Ok(Task::Serve),
        (Some(Some("adopt")), None) => Ok(Task::Adopt),
        (Some(Some("renewed")), None) => Ok(Task::Renewed),
        _ => Err("operation takes no argument but adopt".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Command, String> {
        parse(std::iter::once("opterius-agent").chain(arguments.iter().copied()).map(OsString::from))
    }

    /// The options of a form, without brackets, with a value for those that take one.
    fn arguments<'a>(usages: impl IntoIterator<Item = &'a &'a str>) -> Vec<&'a str> {
        let bare = |usage: &&'a str| usage.trim_matches(['[', ']']);
        usages.into_iter().flat_map(|usage| bare(usage).split(' ')).collect()
    }

    #[test]
    fn the_parser_accepts_exactly_the_options_of_the_table() {
        let listed: Vec<&str> = COMMAND_LINE.forms.iter().flat_map(|form| arguments(form.options)).collect();
        let mut commands: Vec<Command> = Vec::new();
        for form in COMMAND_LINE.forms {
            let with_options = [form.words, &arguments(form.options)].concat();
            let command = parsed(&with_options).unwrap();
            assert!(!commands.contains(&command), "{with_options:?} is another form's command too");
            commands.push(command);
        }
        for option in COMMAND_LINE.options {
            let option = arguments([&option.usage]);
            for words in COMMAND_LINE.forms.iter().map(|form| form.words) {
                let mut same_words = COMMAND_LINE.forms.iter().filter(|form| form.words == words);
                let allowed = !listed.contains(&option[0]) || same_words.any(|form| arguments(form.options) == option);
                assert_eq!(parsed(&[words, &option].concat()).is_ok(), allowed, "{words:?} {option:?}");
            }
        }
    }

    #[test]
    fn the_help_is_aligned_and_fits_120_columns() {
        let table = "\
Usage:
  opterius-agent [--config PATH]                  run the daemon in the foreground
  opterius-agent [--config PATH] --check-config   check agent.conf and exit
  opterius-agent [--config PATH] status [--json]  show the license status of the running daemon
";
        assert!(HELP.starts_with("opterius-agent: ") && HELP.contains(table), "{HELP}");
        assert!(HELP.contains("\nOptions:\n  --config PATH   the config"), "{HELP}");
        assert!(HELP.lines().all(|line| line.len() <= 120 && line.trim_end() == line), "{HELP}");
    }

    #[test]
    fn every_documented_form_is_parsed() {
        let default = || PathBuf::from(DEFAULT_PATH);
        let other = || PathBuf::from("/x/agent.conf");
        let operation = |task| Command::Operation { config: default(), task };
        let table: [(&[&str], Command); 15] = [
            (&[], Command::Run { config: default() }),
            (&["--config", "/x/agent.conf"], Command::Run { config: other() }),
            (&["--config=/x/agent.conf"], Command::Run { config: other() }),
            (&["--check-config"], Command::CheckConfig { config: default() }),
            (&["status"], Command::Status { config: default(), json: false }),
            (&["status", "--json", "--config", "/x/agent.conf"], Command::Status { config: other(), json: true }),
            (&["doctor"], Command::Doctor { config: default(), json: false }),
            (&["--config", "/x/agent.conf", "doctor", "--json"], Command::Doctor { config: other(), json: true }),
            (&["--config", "/x/agent.conf", "reverify"], Command::Reverify { config: other() }),
            (&["operation"], operation(Task::Serve)),
            (&["operation", "adopt"], operation(Task::Adopt)),
            (&["operation", "renewed"], operation(Task::Renewed)),
            (&["--version"], Command::Version),
            (&["--help"], Command::Help),
            (&["status", "--help"], Command::Help),
        ];
        for (arguments, expected) in table {
            assert_eq!(parsed(arguments), Ok(expected), "{arguments:?}");
        }
    }

    #[test]
    fn an_error_names_the_wrong_argument() {
        let table: [(&[&str], &str); 15] = [
            (&["--version=1"], "version"),
            (&["--help=x"], "help"),
            (&["--confg", "x"], "--confg"),
            (&["--config"], "--config"),
            (&["stauts"], "stauts"),
            (&["status", "now"], "now"),
            (&["operation", "adpot"], "adopt"),
            (&["operation", "adopt", "x"], "adopt"),
            (&["operation", "--json"], "--json"),
            (&["--json"], "--json"),
            (&["reverify", "--json"], "--json"),
            (&["status", "--check-config"], "--check-config"),
            (&["doctor", "--check-config"], "--check-config"),
            (&["doctor", "me"], "me"),
            (&["-x"], "-x"),
        ];
        for (arguments, word) in table {
            let sentence = parsed(arguments).unwrap_err();
            assert!(sentence.contains(word), "{arguments:?}: {sentence}");
        }
    }
}
