//! The other commands: the server itself, plans and signing keys.

use std::path::PathBuf;

use std::time::Duration;

use crate::actions::TokenTerms;
use crate::commands::arguments::Arguments;
use crate::commands::spec::CommandSpec;
use crate::commands::task::{DatabasePlace, Task};
use crate::commands::values;
use crate::model::{Action, Plan};
use crate::store::Location;

/// How many backups of `backup --every` are kept by default.
const KEPT_BACKUPS: u32 = 14;

/// How long unknown keys are undecided after a restore by default: as long as an Agent works without a verdict.
const UNDECIDED: Duration = Duration::from_secs(48 * 3600);

pub(super) const SERVER: &[CommandSpec] = &[
    CommandSpec {
        words: &["init"],
        operands: &[],
        options: &[],
        about: "create the database and the signing key; never overwrites anything",
        history_action: None,
        read: Some(|_| Ok(Task::Init)),
    },
    CommandSpec {
        words: &["serve"],
        operands: &[],
        options: &[],
        about: "run the license server in the foreground",
        history_action: None,
        read: None,
    },
    CommandSpec {
        words: &["deliver"],
        operands: &[],
        options: &[],
        about: "send events to webhooks, in the foreground, beside serve",
        history_action: None,
        read: None,
    },
    CommandSpec {
        words: &["check"],
        operands: &[],
        options: &["[--json]"],
        about: "check configuration, files, database and keys, and report problems",
        history_action: None,
        read: Some(|arguments| Ok(Task::Check { json: arguments.flag("json") })),
    },
    CommandSpec {
        words: &["stats"],
        operands: &[],
        options: &["[--json]"],
        about: "count licenses, servers and verifications, like the overview page of the dashboard",
        history_action: None,
        read: Some(|arguments| Ok(Task::ShowStatistics { json: arguments.flag("json") })),
    },
    CommandSpec {
        words: &["backup"],
        operands: &["FILE"],
        options: &["[--every TIME]", "[--keep N]"],
        about: "write a copy of the database to a new file; with --every (6h, 1d), to a directory if a copy is due there",
        history_action: None,
        read: Some(backup),
    },
    CommandSpec {
        words: &["restore"],
        operands: &["FILE"],
        options: &["[--undecided TIME]", "[--yes]"],
        about: "replace the database with a backup; unknown keys get 503 instead of a refusal for TIME (48h)",
        history_action: Some(Action::Restored),
        read: Some(|arguments| {
            let undecided = arguments.text("undecided")?;
            let undecided = undecided.map_or(Ok(UNDECIDED), |text| values::time("undecided", &text))?;
            Ok(Task::Restore { file: file(arguments), undecided, confirmed: arguments.flag("yes") })
        }),
    },
    CommandSpec {
        words: &["move"],
        operands: &[],
        options: &["[--from DATABASE]", "[--to DATABASE]", "[--from-config FILE]", "[--to-config FILE]"],
        about: "copy a database that is not in use to an empty one of either engine, and compare both",
        history_action: None,
        read: Some(|arguments| {
            let (from, to) = (place(arguments, "from", "from-config")?, place(arguments, "to", "to-config")?);
            Ok(Task::MoveDatabase { from, to })
        }),
    },
];

pub(super) const PLANS: &[CommandSpec] = &[
    CommandSpec {
        words: &["plan", "list"],
        operands: &[],
        options: &["[--json]"],
        about: "list the plans and their limits",
        history_action: None,
        read: Some(|arguments| Ok(Task::ListPlans { json: arguments.flag("json") })),
    },
    CommandSpec {
        words: &["plan", "set"],
        operands: &["SLUG"],
        options: &["--title NAME", "--max-accounts N", "--max-servers N", "[--yes]"],
        about: "create a plan, or change it for all its licenses; 0 is unlimited; asks if licenses then have too many servers",
        history_action: Some(Action::PlanSet),
        read: Some(|arguments| Ok(Task::SetPlan { plan: plan(arguments)?, confirmed: arguments.flag("yes") })),
    },
];

pub(super) const TOKENS: &[CommandSpec] = &[
    CommandSpec {
        words: &["token", "add"],
        operands: &["NAME"],
        options: &["--scopes SCOPES", "[--expires DATE]", "[--networks NETWORKS]", "[--json]"],
        about: "add a token of the API and print it; it is shown only once",
        history_action: Some(Action::TokenAdded),
        read: Some(|arguments| Ok(Task::AddToken { terms: token(arguments)?, json: arguments.flag("json") })),
    },
    CommandSpec {
        words: &["token", "list"],
        operands: &[],
        options: &["[--json]"],
        about: "list the tokens, with their last use",
        history_action: None,
        read: Some(|arguments| Ok(Task::ListTokens { json: arguments.flag("json") })),
    },
    CommandSpec {
        words: &["token", "revoke"],
        operands: &["NAME"],
        options: &[],
        about: "revoke a token; calls with it are refused at once",
        history_action: Some(Action::TokenRevoked),
        read: Some(|arguments| Ok(Task::RevokeToken { name: arguments.operand(0)? })),
    },
];

pub(super) const SIGNING_KEYS: &[CommandSpec] = &[
    CommandSpec {
        words: &["keys", "show"],
        operands: &[],
        options: &["[--json]"],
        about: "show the public keys and their line for agent.conf",
        history_action: None,
        read: Some(|arguments| Ok(Task::ShowKeys { json: arguments.flag("json") })),
    },
    CommandSpec {
        words: &["keys", "rotate"],
        operands: &[],
        options: &["[--json]"],
        about: "add a new key; responses are signed with both keys from then on",
        history_action: Some(Action::KeysChanged),
        read: Some(|arguments| Ok(Task::RotateKeys { json: arguments.flag("json") })),
    },
    CommandSpec {
        words: &["keys", "retire"],
        operands: &[],
        options: &["[--force]", "[--json]"],
        about: "retire the old key, at the earliest 30 days after rotate",
        history_action: Some(Action::KeysChanged),
        read: Some(|arguments| Ok(Task::RetireKeys { forced: arguments.flag("force"), json: arguments.flag("json") })),
    },
];

fn file(arguments: &Arguments) -> PathBuf {
    arguments.operands.first().map(PathBuf::from).unwrap_or_default()
}

/// A database by its location or by a configuration file. Every user of the machine can see an argument, so it has no password.
fn place(arguments: &Arguments, name: &str, config: &str) -> Result<DatabasePlace, String> {
    match (arguments.text(name)?, arguments.raw(config)) {
        (Some(_), Some(_)) => Err(format!("--{name} and --{config} exclude each other")),
        (None, None) => Err(format!("missing option --{name} DATABASE or --{config} FILE")),
        (None, Some(file)) => Ok(DatabasePlace::Config(PathBuf::from(file))),
        (Some(text), None) => {
            let location = Location::parse(&text).map_err(|sentence| format!("--{name} {sentence}"))?;
            if location.has_password() {
                return Err(format!(
                    "--{name}: every user of this machine can see an argument, so it must not have a password. Use \
                     passfile=FILE in it, ~/.pgpass, or --{config} FILE with the database of a license-server.conf"
                ));
            }
            Ok(DatabasePlace::Location(location))
        }
    }
}

fn backup(arguments: &Arguments) -> Result<Task, String> {
    let (every, keep) = (arguments.text("every")?, arguments.text("keep")?);
    let Some(every) = every else {
        return if keep.is_some() {
            Err("--keep needs --every".to_owned())
        } else {
            Ok(Task::Backup { file: file(arguments) })
        };
    };
    let keep = keep.map_or(Ok(KEPT_BACKUPS), |text| values::integer("keep", &text, 10_000))?;
    if keep == 0 {
        return Err("--keep must be at least 1".to_owned());
    }
    Ok(Task::RepeatedBackup { directory: file(arguments), every: values::time("every", &every)?, keep })
}

fn plan(arguments: &Arguments) -> Result<Plan, String> {
    let limit = |name| values::integer(name, &arguments.required(name)?, u32::MAX);
    let (max_accounts, max_servers) = (limit("max-accounts")?, limit("max-servers")?);
    Ok(Plan { slug: arguments.operand(0)?, name: arguments.required("title")?, max_accounts, max_servers })
}

fn token(arguments: &Arguments) -> Result<TokenTerms, String> {
    let networks = arguments.text("networks")?.map(|text| values::networks(&text)).transpose()?.unwrap_or_default();
    let expires_at = arguments.text("expires")?.map(|text| values::date_or_never(&text)).transpose()?.flatten();
    let scopes = values::scopes(&arguments.required("scopes")?)?;
    Ok(TokenTerms { name: arguments.operand(0)?, scopes, networks, expires_at })
}
