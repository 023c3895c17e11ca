//! The commands in one table, from which the arguments are read and the help is written: the two cannot disagree.

use std::fmt::Write;

use crate::commands::license_specs::LICENSES;
use crate::commands::spec::{CommandSpec, GLOBAL_OPTIONS, OptionSpec};
use crate::commands::vendor_specs::{PLANS_AND_USERS, SERVER, SIGNING_KEYS};

/// Every option that some command has, and those of all commands.
pub fn find_option(name: &str) -> Option<OptionSpec> {
    let all = SECTIONS.iter().flat_map(|(_, specs)| specs.iter()).flat_map(CommandSpec::option_specs);
    GLOBAL_OPTIONS.into_iter().chain(all).find(|option| option.name == name)
}

/// Every command, in the order of the help.
pub fn all() -> impl Iterator<Item = &'static CommandSpec> {
    SECTIONS.iter().flat_map(|(_, specs)| specs.iter())
}

const SECTIONS: &[(&str, &[CommandSpec])] = &[
    ("The server", SERVER),
    ("Licenses", LICENSES),
    ("Plans and users", PLANS_AND_USERS),
    ("Signing keys", SIGNING_KEYS),
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
    for (title, specs) in SECTIONS {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n{title}:");
        for spec in *specs {
            let _ = writeln!(text, "  {}\n      {}", spec.usage(), spec.about);
        }
    }
    text.push_str(CLOSING);
    text
}

/// What `COMMAND --help` prints.
pub fn help_of(specs: &[&'static CommandSpec]) -> String {
    let mut text = String::from("Usage:\n");
    for spec in specs {
        let _ = writeln!(text, "  opterius-license-server [--config FILE] {}\n      {}", spec.usage(), spec.about);
    }
    text.push_str("\nEverything else: opterius-license-server --help\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Action;

    #[test]
    fn an_option_of_one_name_is_the_same_everywhere() {
        for option in all().flat_map(CommandSpec::option_specs) {
            let known = find_option(option.name).unwrap();
            assert_eq!(known.value.is_some(), option.value.is_some(), "{}", option.name);
        }
    }

    #[test]
    fn every_action_has_its_command() {
        let is_done_by_people = |action: &&Action| {
            // Servers do these, and time.
            !matches!(action, Action::Activated | Action::Forgotten | Action::ClockStepped)
        };
        for action in Action::ALL.iter().filter(is_done_by_people) {
            assert!(
                all().any(|spec| spec.history_action == Some(*action)),
                "no command is told as “{}”",
                action.as_str()
            );
        }
    }

    #[test]
    fn the_help_fits_a_screen_of_120_columns_and_names_every_command() {
        let help = help();
        for line in help.lines() {
            assert!(line.chars().count() <= 120, "{line}");
        }
        for spec in all() {
            assert!(help.contains(&spec.usage()), "{}", spec.usage());
        }
    }
}
