//! The table of all commands. Argument parsing and help are both derived from it.

use std::fmt::Write;

use crate::commands::license_specs::LICENSES;
use crate::commands::spec::{CommandSpec, GLOBAL_OPTIONS, OptionSpec};
use crate::commands::user_specs::USERS;
use crate::commands::vendor_specs::{PLANS, SERVER, SIGNING_KEYS, TOKENS};
use crate::commands::webhook_specs::WEBHOOKS;

/// Finds an option by name among the global options and those of all commands.
pub fn find_option(name: &str) -> Option<OptionSpec> {
    let all = SECTIONS.iter().flat_map(|(_, specs)| specs.iter()).flat_map(CommandSpec::option_specs);
    GLOBAL_OPTIONS.into_iter().chain(all).find(|option| option.name == name)
}

/// All commands, in the order of the help.
pub fn all() -> impl Iterator<Item = &'static CommandSpec> {
    SECTIONS.iter().flat_map(|(_, specs)| specs.iter())
}

const SECTIONS: &[(&str, &[CommandSpec])] = &[
    ("The server", SERVER),
    ("Licenses", LICENSES),
    ("Plans", PLANS),
    ("Users", USERS),
    ("Tokens of the API", TOKENS),
    ("Webhooks", WEBHOOKS),
    ("Signing keys", SIGNING_KEYS),
];

const OPENING: &str = "\
opterius-license-server: license server for Opterius Agents and Panels

Usage:
  opterius-license-server [--config FILE] COMMAND
";

const CLOSING: &str = "
Global options:
  --config FILE   the configuration file (default: /etc/opterius/license-server.conf)
  --version       print the version
  --help          print this help; COMMAND --help prints the help of one command

ID is a license's number or its full key. DATE is YYYY-MM-DD (valid through that day, UTC) or an RFC 3339 time.
PERIOD is an ISO 8601 duration such as P1M, P1Y or P2W. BASIS is expiry, now or now_if_expired.
DATABASE is the absolute path of a SQLite file or a PostgreSQL URI, without a password.
STANDING is active, suspended, cancelled or expired. --search finds what the search of the dashboard finds.
SCOPES are licenses:read, licenses:write, keys:reveal, users:write, events:read and webhooks:write, separated by commas.
NETWORKS are addresses or networks such as 203.0.113.0/24, separated by commas.
--json prints JSON with RFC 3339 times. Only license create and --reveal-key print a full key; all other output masks
keys. All commands but restore and move work while serve runs.

Exit codes:
  0   success
  1   refused or failed; nothing was changed
  64  usage error
  70  internal error
  77  permission denied
  78  invalid configuration or unusable installation

Signals of serve and deliver:
  HUP         reload the configuration and the signing keys
  TERM, INT   finish running requests within 5 seconds, deliveries within 10, and exit; a second signal exits at once
";

/// The output of `--help`.
pub fn help() -> String {
    let mut text = OPENING.to_owned();
    for (title, specs) in SECTIONS {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n{title}:");
        for spec in *specs {
            let _ = writeln!(text, "{}\n      {}", spec.wrapped_usage("  "), spec.about);
        }
    }
    text.push_str(CLOSING);
    text
}

/// The output of `COMMAND --help`.
pub fn help_of(specs: &[&'static CommandSpec]) -> String {
    let mut text = String::from("Usage:\n");
    for spec in specs {
        let usage = spec.wrapped_usage("  opterius-license-server [--config FILE] ");
        let _ = writeln!(text, "{usage}\n      {}", spec.about);
    }
    text.push_str("\nAll commands: opterius-license-server --help\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::spec::COLUMNS;
    use crate::model::Action;

    #[test]
    fn an_option_takes_a_value_in_all_commands_or_in_none() {
        for option in all().flat_map(CommandSpec::option_specs) {
            let known = find_option(option.name).unwrap();
            assert_eq!(known.value.is_some(), option.value.is_some(), "{}", option.name);
        }
    }

    #[test]
    fn every_action_has_its_command() {
        let is_user_action = |action: &&Action| {
            // The server records these itself.
            let by_server = matches!(
                action,
                Action::Activated | Action::Paired | Action::Separated | Action::Forgotten | Action::ClockStepped
            );
            // A second factor is added by the one who has it; deleting a user transfers its licenses.
            let by_others = matches!(
                action,
                Action::SecondFactorAdded | Action::RecoveryCodesMade | Action::RecoveryCodeUsed | Action::Transferred
            );
            !by_server && !by_others
        };
        for action in Action::ALL.iter().filter(is_user_action) {
            assert!(
                all().any(|spec| spec.history_action == Some(*action)),
                "no command for the action “{}”",
                action.as_str()
            );
        }
    }

    #[test]
    fn the_help_fits_a_screen_of_120_columns_and_names_every_command() {
        let help = help();
        for line in help.lines() {
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        for spec in all() {
            assert!(words(&help).contains(&spec.usage()), "{}", spec.usage());
            assert!(help_of(&[spec]).lines().all(|line| line.chars().count() <= COLUMNS), "{}", spec.usage());
        }
    }
}
