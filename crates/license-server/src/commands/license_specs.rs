//! The license commands. A command that changes a license is one row: all share the same code.

use crate::actions::LicenseTerms;
use crate::commands::arguments::Arguments;
use crate::commands::spec::CommandSpec;
use crate::commands::task::Task;
use crate::commands::values::{self, printable};
use crate::model::{Action, Basis, Billing, Change, block_time};
use crate::store::Filter;

/// Licenses that are listed without --limit and --all.
const LISTED: u64 = 50;

/// In the order of the help.
pub(super) const LICENSES: &[CommandSpec] = &[
    CommandSpec {
        words: &["license", "create"],
        operands: &[],
        options: &[
            "--owner NAME",
            "--plan SLUG",
            "[--expires DATE]",
            "[--lock-ip IP]",
            "[--reference TEXT]",
            "[--trial]",
            "[--json]",
        ],
        about: "create a license and print its number and key",
        history_action: Some(Action::Created),
        read: Some(create),
    },
    CommandSpec {
        words: &["license", "list"],
        operands: &[],
        options: &[
            "[--reference TEXT]",
            "[--owner NAME]",
            "[--plan SLUG]",
            "[--standing STANDING]",
            "[--expires-before DATE]",
            "[--server-ip IP]",
            "[--hostname NAME]",
            "[--label LABEL]",
            "[--over-limit]",
            "[--never-used]",
            "[--trial]",
            "[--search TEXT]",
            "[--limit N]",
            "[--cursor CURSOR]",
            "[--all]",
            "[--json]",
        ],
        about: "list the newest 50 licenses that pass all filters, or N, or all; CURSOR continues a list",
        history_action: None,
        read: Some(list),
    },
    CommandSpec {
        words: &["license", "show"],
        operands: &["ID"],
        options: &["[--reveal-key]", "[--json]"],
        about: "show a license with its servers, the refused ones and its latest history",
        history_action: Some(Action::KeyShown),
        read: Some(show),
    },
    CommandSpec {
        words: &["license", "suspend"],
        operands: &["ID"],
        options: &["[--reason TEXT]"],
        about: "suspend the license; if it is suspended, change the reason",
        history_action: Some(Action::Suspended),
        read: Some(|arguments| {
            let reason = arguments.text("reason")?;
            change(arguments, reason.map_or(Change::Suspend, Change::SuspendFor))
        }),
    },
    CommandSpec {
        words: &["license", "resume"],
        operands: &["ID"],
        options: &[],
        about: "resume the license after a suspension or cancellation",
        history_action: Some(Action::Resumed),
        read: Some(|arguments| change(arguments, Change::Resume)),
    },
    CommandSpec {
        words: &["license", "cancel"],
        operands: &["ID"],
        options: &[],
        about: "cancel the license",
        history_action: Some(Action::Cancelled),
        read: Some(|arguments| change(arguments, Change::Cancel)),
    },
    CommandSpec {
        words: &["license", "delete"],
        operands: &["ID"],
        options: &["[--yes]"],
        about: "delete the license and its activations; its history is kept",
        history_action: Some(Action::Deleted),
        read: Some(|arguments| {
            Ok(Task::DeleteLicense { license: arguments.license()?, confirmed: arguments.flag("yes") })
        }),
    },
    CommandSpec {
        words: &["license", "renew"],
        operands: &["ID"],
        options: &["[--until DATE]", "[--add PERIOD]", "[--basis BASIS]"],
        about: "set the expiry, which can be never; or add time, which begins at the expiry, or now if that has passed",
        history_action: Some(Action::Renewed),
        read: Some(|arguments| change(arguments, renewal(arguments)?)),
    },
    CommandSpec {
        words: &["license", "set-plan"],
        operands: &["ID", "SLUG"],
        options: &[],
        about: "change the plan",
        history_action: Some(Action::PlanChanged),
        read: Some(|arguments| change(arguments, Change::SetPlan(arguments.operand(1)?))),
    },
    CommandSpec {
        words: &["license", "lock-ip"],
        operands: &["ID", "IP"],
        options: &[],
        about: "lock the license to an IP address",
        history_action: Some(Action::Locked),
        read: Some(|arguments| change(arguments, Change::LockIp(arguments.ip(1)?))),
    },
    CommandSpec {
        words: &["license", "unlock-ip"],
        operands: &["ID"],
        options: &[],
        about: "allow any IP address again",
        history_action: Some(Action::Unlocked),
        read: Some(|arguments| change(arguments, Change::UnlockIp)),
    },
    CommandSpec {
        words: &["license", "transfer"],
        operands: &["ID", "NAME"],
        options: &[],
        about: "give the license to another user",
        history_action: Some(Action::Transferred),
        read: Some(|arguments| {
            Ok(Task::TransferLicense { license: arguments.license()?, owner: arguments.operand(1)? })
        }),
    },
    CommandSpec {
        words: &["license", "set-reference"],
        operands: &["ID", "REFERENCE"],
        options: &[],
        about: "set the vendor's own number of the license; an empty one removes it",
        history_action: Some(Action::ReferenceChanged),
        read: Some(|arguments| {
            let reference = arguments.operand(1)?;
            change(arguments, Change::SetReference(Some(reference).filter(|reference| !reference.is_empty())))
        }),
    },
    CommandSpec {
        words: &["license", "set-note"],
        operands: &["ID", "TEXT"],
        options: &[],
        about: "set the vendor's note, which the owner does not see; an empty one removes it",
        history_action: Some(Action::NoteChanged),
        read: Some(|arguments| change(arguments, Change::SetNote(arguments.operand(1)?))),
    },
    CommandSpec {
        words: &["license", "set-labels"],
        operands: &["ID", "LABELS"],
        options: &[],
        about: "set the labels, separated by commas; an empty list removes them",
        history_action: Some(Action::LabelsChanged),
        read: Some(|arguments| change(arguments, Change::SetLabels(values::labels(&arguments.operand(1)?)))),
    },
    CommandSpec {
        words: &["license", "set-trial"],
        operands: &["ID", "YES-OR-NO"],
        options: &[],
        about: "make the license a trial, or a full license",
        history_action: Some(Action::TrialChanged),
        read: Some(|arguments| change(arguments, Change::SetTrial(values::yes_or_no(&arguments.operand(1)?)?))),
    },
    CommandSpec {
        words: &["license", "revoke"],
        operands: &["ID", "IP"],
        options: &["[--block TIME]"],
        about: "revoke the activation of a server, which frees its slot; keep the server out for TIME, such as 7d or 12h",
        history_action: Some(Action::Revoked),
        read: Some(|arguments| {
            let block = arguments.text("block")?.map(|text| block_time(&text)).transpose()?;
            Ok(Task::Revoke { license: arguments.license()?, ip: arguments.ip(1)?, block })
        }),
    },
    CommandSpec {
        words: &["license", "unblock"],
        operands: &["ID", "IP"],
        options: &[],
        about: "let a server that is kept out claim a slot again",
        history_action: Some(Action::Unblocked),
        read: Some(|arguments| Ok(Task::Unblock { license: arguments.license()?, ip: arguments.ip(1)? })),
    },
    CommandSpec {
        words: &["license", "move"],
        operands: &["ID", "FROM", "TO"],
        options: &[],
        about: "move an activation or a lock to another IP address",
        history_action: Some(Action::Moved),
        read: Some(|arguments| {
            Ok(Task::Move { from: arguments.ip(1)?, to: arguments.ip(2)?, license: arguments.license()? })
        }),
    },
    CommandSpec {
        words: &["license", "set-billing"],
        operands: &["ID"],
        options: &["--status STATUS", "[--period-end DATE]", "[--cancel-at-period-end]"],
        about: "set the billing status for the Panel: active, past_due, trialing, canceled or none",
        history_action: Some(Action::BillingChanged),
        read: Some(|arguments| change(arguments, Change::SetBilling(billing(arguments)?))),
    },
    CommandSpec {
        words: &["history"],
        operands: &["[ID]"],
        options: &["[--all]", "[--json]"],
        about: "show the latest 50 changes, or all; of one license or of everything",
        history_action: None,
        read: Some(history),
    },
];

fn change(arguments: &Arguments, change: Change) -> Result<Task, String> {
    Ok(Task::ChangeLicense { license: arguments.license()?, change })
}

fn renewal(arguments: &Arguments) -> Result<Change, String> {
    let basis = arguments.text("basis")?.map(|name| values::basis(&name)).transpose()?;
    match (arguments.text("until")?, arguments.text("add")?) {
        (Some(_), None) if basis.is_some() => Err("--basis needs --add".to_owned()),
        (Some(until), None) => Ok(Change::Renew(values::date_or_never(&until)?)),
        (None, Some(period)) => Ok(Change::Extend(values::period(&period)?, basis.unwrap_or(Basis::NowIfExpired))),
        _ => Err("either --until or --add is needed".to_owned()),
    }
}

fn create(arguments: &Arguments) -> Result<Task, String> {
    let terms = LicenseTerms {
        owner: arguments.required("owner")?,
        plan: arguments.required("plan")?,
        expires_at: arguments.text("expires")?.map(|text| values::date_or_never(&text)).transpose()?.flatten(),
        locked_ip: arguments.text("lock-ip")?.map(|text| values::ip(&text)).transpose()?,
        reference: arguments.text("reference")?,
        is_trial: arguments.flag("trial"),
        ..LicenseTerms::default()
    };
    Ok(Task::CreateLicense { terms, json: arguments.flag("json") })
}

fn list(arguments: &Arguments) -> Result<Task, String> {
    let filter = Filter {
        reference: arguments.text("reference")?,
        plan: arguments.text("plan")?,
        standing: arguments.text("standing")?.map(|name| values::standing(&name)).transpose()?,
        expires_before: arguments.text("expires-before")?.map(|text| values::date(&text)).transpose()?,
        server_ip: arguments.text("server-ip")?.map(|text| values::ip(&text)).transpose()?,
        hostname: arguments.text("hostname")?,
        label: arguments.text("label")?,
        over_limit: arguments.flag("over-limit"),
        never_used: arguments.flag("never-used"),
        trial: arguments.flag("trial"),
        search: arguments.text("search")?,
        after: arguments.text("cursor")?.map(|text| values::cursor(&text)).transpose()?,
        ..Filter::default()
    };
    let limit = match arguments.text("limit")? {
        Some(_) if arguments.flag("all") => return Err("--limit and --all cannot be combined".to_owned()),
        Some(text) => Some(values::limit(&text)?),
        None if arguments.flag("all") => None,
        None => Some(LISTED),
    };
    let (owner, json) = (arguments.text("owner")?, arguments.flag("json"));
    Ok(Task::ListLicenses { owner, filter: Box::new(filter), limit, json })
}

fn show(arguments: &Arguments) -> Result<Task, String> {
    let (reveal_key, json) = (arguments.flag("reveal-key"), arguments.flag("json"));
    Ok(Task::ShowLicense { license: arguments.license()?, reveal_key, json })
}

fn history(arguments: &Arguments) -> Result<Task, String> {
    let license = if arguments.operands.is_empty() { None } else { Some(arguments.license()?) };
    Ok(Task::History { license, all: arguments.flag("all"), json: arguments.flag("json") })
}

fn billing(arguments: &Arguments) -> Result<Billing, String> {
    let status = arguments.required("status")?;
    let current_period_end = arguments.text("period-end")?.map(|text| values::date(&text)).transpose()?;
    let ends = arguments.flag("cancel-at-period-end");
    match status.as_str() {
        "none" if current_period_end.is_some() || ends => {
            Err("--period-end and --cancel-at-period-end need a subscription and cannot be combined with --status none"
                .to_owned())
        }
        "none" => Ok(Billing::default()),
        "active" | "past_due" | "trialing" | "canceled" => {
            Ok(Billing { subscription_status: Some(status), cancel_at_period_end: Some(ends), current_period_end })
        }
        other => Err(format!("--status “{}” must be active, past_due, trialing, canceled or none", printable(other))),
    }
}
