//! The commands in one table, from which the arguments are read and the help is written: the two cannot disagree.

use std::fmt::Write;

/// One command.
#[derive(Debug, PartialEq, Eq)]
pub struct Form {
    /// The words that name it.
    pub words: &'static [&'static str],
    /// What follows them, in this order.
    pub operands: &'static [&'static str],
    /// Its options as the help shows them: one that may be left out is in brackets, one that takes a value is followed by
    /// the value's name.
    pub options: &'static [&'static str],
    /// What it does.
    pub about: &'static str,
}

/// An option, read from how the help shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The name, without the hyphens.
    pub name: &'static str,
    /// What the help calls its value, if it takes one.
    pub value: Option<&'static str>,
    /// Whether it may not be left out.
    pub required: bool,
}

impl Form {
    /// Its options.
    pub fn choices(&self) -> impl Iterator<Item = Choice> {
        self.options.iter().map(|shown| choice(shown))
    }

    /// How it is written.
    pub fn usage(&self) -> String {
        let parts = self.words.iter().chain(self.operands).chain(self.options);
        parts.copied().collect::<Vec<_>>().join(" ")
    }
}

fn choice(shown: &'static str) -> Choice {
    let bare = shown.trim_start_matches('[').trim_end_matches(']').trim_start_matches('-');
    let (name, value) = bare.split_once(' ').map_or((bare, None), |(name, value)| (name, Some(value)));
    Choice { name, value, required: !shown.starts_with('[') }
}

/// The options that stand anywhere.
pub const EVERYWHERE: [Choice; 3] = [
    Choice { name: "config", value: Some("FILE"), required: false },
    Choice { name: "help", value: None, required: false },
    Choice { name: "version", value: None, required: false },
];

/// Every option that some command has, and those of all commands.
pub fn find_option(name: &str) -> Option<Choice> {
    let all = FORMS.iter().flat_map(|(_, forms)| forms.iter()).flat_map(Form::choices);
    EVERYWHERE.into_iter().chain(all).find(|choice| choice.name == name)
}

/// Every command, in the order of the help.
pub fn all() -> impl Iterator<Item = &'static Form> {
    FORMS.iter().flat_map(|(_, forms)| forms.iter())
}

macro_rules! form {
    ($words:expr, $operands:expr, $options:expr, $about:expr) => {
        Form { words: &$words, operands: &$operands, options: &$options, about: $about }
    };
}

const FORMS: &[(&str, &[Form])] = &[
    (
        "The server",
        &[
            form!(["init"], [], [], "make the database and the signing key; nothing is ever overwritten"),
            form!(["serve"], [], [], "run the license server in the foreground"),
            form!(["check"], [], ["[--json]"], "check settings, database and keys, and name what is wrong"),
            form!(["backup"], ["FILE"], [], "copy the database, of one moment, to a new file; also while serve runs"),
        ],
    ),
    (
        "Licenses",
        &[
            form!(
                ["license", "create"],
                [],
                ["--owner NAME", "--plan SLUG", "[--expires DATE]", "[--lock-ip IP]", "[--json]"],
                "make a license and print its number and its key"
            ),
            form!(
                ["license", "list"],
                [],
                ["[--owner NAME]", "[--search TEXT]", "[--all]", "[--json]"],
                "the newest 50 licenses, or all; TEXT is a number, the beginning of a key, or an owner"
            ),
            form!(
                ["license", "show"],
                ["ID"],
                ["[--reveal-key]", "[--json]"],
                "one license with its servers and its latest history"
            ),
            form!(["license", "suspend"], ["ID"], [], "no use for now"),
            form!(["license", "resume"], ["ID"], [], "use again, after a suspension or a cancellation"),
            form!(["license", "cancel"], ["ID"], [], "no use any more"),
            form!(["license", "delete"], ["ID"], ["[--yes]"], "delete it with its activations; its history stays"),
            form!(["license", "renew"], ["ID"], ["--until DATE"], "set when it ends; DATE may be never"),
            form!(["license", "set-plan"], ["ID", "SLUG"], [], "give it another plan"),
            form!(["license", "lock-ip"], ["ID", "IP"], [], "allow its use at this address alone"),
            form!(["license", "unlock-ip"], ["ID"], [], "allow its use at any address"),
            form!(["license", "revoke"], ["ID", "IP"], [], "free the slot of a server"),
            form!(["license", "move"], ["ID", "FROM", "TO"], [], "give the slot or the lock of an address to another"),
            form!(
                ["license", "set-billing"],
                ["ID"],
                ["--status STATUS", "[--period-end DATE]", "[--cancel-at-period-end]"],
                "set what Panels show: active, past_due, trialing, canceled or none"
            ),
            form!(
                ["history"],
                ["[ID]"],
                ["[--all]", "[--json]"],
                "the latest 50 changes of a license or of everything, or all of them"
            ),
        ],
    ),
    (
        "Plans and users",
        &[
            form!(["plan", "list"], [], ["[--json]"], "what the plans allow"),
            form!(
                ["plan", "set"],
                ["SLUG"],
                ["--title NAME", "--max-accounts N", "--max-servers N"],
                "make a plan or change it, for all its licenses at once; 0 is unlimited"
            ),
            form!(["user", "list"], [], ["[--json]"], "who may sign in to the dashboard"),
            form!(
                ["user", "add"],
                ["NAME"],
                ["[--administrator]"],
                "make a user; asks for the password, or reads it from stdin"
            ),
            form!(["user", "passwd"], ["NAME"], [], "set a user's password and end the user's sessions"),
        ],
    ),
    (
        "Signing keys",
        &[
            form!(["keys", "show"], [], ["[--json]"], "the public keys, and their line for agent.conf"),
            form!(["keys", "rotate"], [], ["[--json]"], "add a new key; answers are signed with both from then on"),
            form!(
                ["keys", "retire"],
                [],
                ["[--force]", "[--json]"],
                "end the old key, 30 days after rotate at the earliest"
            ),
        ],
    ),
];

const OPENING: &str = "\
opterius-license-server: keeps licenses, answers those who verify them, and shows owners a dashboard

Usage:
  opterius-license-server [--config FILE] COMMAND
";

const CLOSING: &str = "
Options, anywhere:
  --config FILE   the settings (default: /etc/opterius/license-server.conf)
  --version       print the version
  --help          print this help, or the help of one command: COMMAND --help

ID is a license's number or its full key. DATE is YYYY-MM-DD, through that day (UTC), or RFC 3339. With --json, where a
command lists it, JSON is printed, times in RFC 3339; keys are masked but for license create and with --reveal-key.
Every command may run while serve does.

Exit codes:
  0   done
  1   refused, or a failure while running; nothing was changed
  64  wrong usage
  70  a defect of the program
  77  permission denied
  78  the settings are wrong, or the installation cannot be used

Signals to serve:
  HUP         read the settings and the signing keys again
  TERM, INT   finish running requests within 5 seconds and exit; a second one exits at once
";

/// What `--help` prints.
pub fn help() -> String {
    let mut text = OPENING.to_owned();
    for (title, forms) in FORMS {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n{title}:");
        for form in *forms {
            let _ = writeln!(text, "  {}\n      {}", form.usage(), form.about);
        }
    }
    text.push_str(CLOSING);
    text
}

/// What `COMMAND --help` prints.
pub fn help_of(forms: &[&'static Form]) -> String {
    let mut text = String::from("Usage:\n");
    for form in forms {
        let _ = writeln!(text, "  opterius-license-server [--config FILE] {}\n      {}", form.usage(), form.about);
    }
    text.push_str("\nEverything else: opterius-license-server --help\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_read_from_how_it_is_shown() {
        let table = [
            ("--owner NAME", Choice { name: "owner", value: Some("NAME"), required: true }),
            ("[--lock-ip IP]", Choice { name: "lock-ip", value: Some("IP"), required: false }),
            ("[--json]", Choice { name: "json", value: None, required: false }),
        ];
        for (shown, expected) in table {
            assert_eq!(choice(shown), expected);
        }
    }

    #[test]
    fn an_option_of_one_name_is_the_same_everywhere() {
        for choice in all().flat_map(Form::choices) {
            let known = find_option(choice.name).unwrap();
            assert_eq!(known.value.is_some(), choice.value.is_some(), "{}", choice.name);
        }
    }

    #[test]
    fn the_help_fits_a_screen_of_120_columns_and_names_every_command() {
        let help = help();
        for line in help.lines() {
            assert!(line.chars().count() <= 120, "{line}");
        }
        for form in all() {
            assert!(help.contains(&form.usage()), "{}", form.usage());
        }
    }
}
