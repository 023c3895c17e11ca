//! The commands on what is not a license: the server itself, plans, users, and signing keys.

use std::path::PathBuf;

use crate::commands::arguments::Arguments;
use crate::commands::spec::CommandSpec;
use crate::commands::task::Task;
use crate::commands::values;
use crate::model::{Action, Plan};

pub(super) const SERVER: &[CommandSpec] = &[
    CommandSpec {
        words: &["init"],
        operands: &[],
        options: &[],
        about: "make the database and the signing key; nothing is ever overwritten",
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
        words: &["check"],
        operands: &[],
        options: &["[--json]"],
        about: "check settings, database and keys, and name what is wrong",
        history_action: None,
        read: Some(|arguments| Ok(Task::Check { json: arguments.flag("json") })),
    },
    CommandSpec {
        words: &["backup"],
        operands: &["FILE"],
        options: &[],
        about: "copy the database, of one moment, to a new file; also while serve runs",
        history_action: None,
        read: Some(|arguments| {
            Ok(Task::Backup { file: arguments.operands.first().map(PathBuf::from).unwrap_or_default() })
        }),
    },
];

pub(super) const PLANS_AND_USERS: &[CommandSpec] = &[
    CommandSpec {
        words: &["plan", "list"],
        operands: &[],
        options: &["[--json]"],
        about: "what the plans allow",
        history_action: None,
        read: Some(|arguments| Ok(Task::ListPlans { json: arguments.flag("json") })),
    },
    CommandSpec {
        words: &["plan", "set"],
        operands: &["SLUG"],
        options: &["--title NAME", "--max-accounts N", "--max-servers N"],
        about: "make a plan or change it, for all its licenses at once; 0 is unlimited",
        history_action: Some(Action::PlanSet),
        read: Some(|arguments| Ok(Task::SetPlan(plan(arguments)?))),
    },
    CommandSpec {
        words: &["user", "list"],
        operands: &[],
        options: &["[--json]"],
        about: "who may sign in to the dashboard",
        history_action: None,
        read: Some(|arguments| Ok(Task::ListUsers { json: arguments.flag("json") })),
    },
    CommandSpec {
        words: &["user", "add"],
        operands: &["NAME"],
        options: &["[--administrator]"],
        about: "make a user; asks for the password, or reads it from stdin",
        history_action: Some(Action::UserAdded),
        read: Some(|arguments| {
            Ok(Task::AddUser { name: arguments.operand(0)?, administrator: arguments.flag("administrator") })
        }),
    },
    CommandSpec {
        words: &["user", "passwd"],
        operands: &["NAME"],
        options: &[],
        about: "set a user's password and end the user's sessions",
        history_action: Some(Action::PasswordChanged),
        read: Some(|arguments| Ok(Task::SetPassword { name: arguments.operand(0)? })),
    },
];

pub(super) const SIGNING_KEYS: &[CommandSpec] = &[
    CommandSpec {
        words: &["keys", "show"],
        operands: &[],
        options: &["[--json]"],
        about: "the public keys, and their line for agent.conf",
        history_action: None,
        read: Some(|arguments| Ok(Task::ShowKeys { json: arguments.flag("json") })),
    },
    CommandSpec {
        words: &["keys", "rotate"],
        operands: &[],
        options: &["[--json]"],
        about: "add a new key; answers are signed with both from then on",
        history_action: Some(Action::KeysChanged),
        read: Some(|arguments| Ok(Task::RotateKeys { json: arguments.flag("json") })),
    },
    CommandSpec {
        words: &["keys", "retire"],
        operands: &[],
        options: &["[--force]", "[--json]"],
        about: "end the old key, 30 days after rotate at the earliest",
        history_action: Some(Action::KeysChanged),
        read: Some(|arguments| Ok(Task::RetireKeys { forced: arguments.flag("force"), json: arguments.flag("json") })),
    },
];

fn plan(arguments: &Arguments) -> Result<Plan, String> {
    let limit = |name| values::integer(name, &arguments.needed(name)?, u32::MAX);
    let (max_accounts, max_servers) = (limit("max-accounts")?, limit("max-servers")?);
    Ok(Plan { slug: arguments.operand(0)?, name: arguments.needed("title")?, max_accounts, max_servers })
}
