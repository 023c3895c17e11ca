//! The actions of administrators on a license. Each is a row with the texts of its confirmation page.

use super::field::{Field, FieldKind, plan_option, typed_ip};
use super::license_action::{ActionTarget, LicenseAction, Operation};
use super::license_context::LicenseContext;
use super::license_fields::{
    labels_field, note_field, reason_field, reference_field, renewal, renewal_field, suspension, typed_labels,
    typed_note, typed_reference,
};
use crate::model::describe::limit;
use crate::model::{Action, Basis, Change, Period, Status};
use opterius_base::dates::{Moment, ended_day};

/// In the order of the links on the page of a license.
pub(super) static LICENSE_ACTIONS: &[LicenseAction] = &[
    LicenseAction {
        name: "renew",
        history_action: Action::Renewed,
        target: ActionTarget::License { label: "Renew…", is_available: |_| true },
        heading: |context| format!("Renew license {}", context.license.id),
        confirm_text: renew,
        fields: |context| vec![renewal_field(context), last_day_field()],
        confirm: "Renew",
        dangerous: false,
        parse: |form| Ok(Operation::Change(renewal(form)?)),
    },
    LicenseAction {
        name: "plan",
        history_action: Action::PlanChanged,
        target: ActionTarget::License { label: "Change plan…", is_available: |_| true },
        heading: |context| format!("Change the plan of license {}", context.license.id),
        confirm_text: plan,
        fields: |context| vec![plan_field(context)],
        confirm: "Change plan",
        dangerous: false,
        parse: |form| Ok(Operation::Change(Change::SetPlan(form.text("plan").to_owned()))),
    },
    LicenseAction {
        name: "convert",
        history_action: Action::TrialChanged,
        target: ActionTarget::License {
            label: "Convert to a full license…", is_available: |license| license.is_trial
        },
        heading: |context| format!("Convert trial {} to a full license", context.license.id),
        confirm_text: convert,
        fields: |_| Vec::new(),
        confirm: "Convert",
        dangerous: false,
        parse: |_| Ok(Operation::Change(Change::SetTrial(false))),
    },
    LicenseAction {
        name: "reference",
        history_action: Action::ReferenceChanged,
        target: ActionTarget::License { label: "Reference…", is_available: |_| true },
        heading: |context| format!("Reference of license {}", context.license.id),
        confirm_text: |_| {
            vec!["Your own number of the license, such as that of the order. The owner sees it.".to_owned()]
        },
        fields: |context| vec![reference_field(context.license.reference.as_deref().unwrap_or_default())],
        confirm: "Save",
        dangerous: false,
        parse: |form| Ok(Operation::Change(Change::SetReference(typed_reference(form)))),
    },
    LicenseAction {
        name: "labels",
        history_action: Action::LabelsChanged,
        target: ActionTarget::License { label: "Labels…", is_available: |_| true },
        heading: |context| format!("Labels of license {}", context.license.id),
        confirm_text: |_| vec!["Lists can be filtered by label. The owner does not see labels.".to_owned()],
        fields: |context| vec![labels_field(&context.license.labels.join(" "))],
        confirm: "Save",
        dangerous: false,
        parse: |form| Ok(Operation::Change(Change::SetLabels(typed_labels(form)))),
    },
    LicenseAction {
        name: "note",
        history_action: Action::NoteChanged,
        target: ActionTarget::License { label: "Note…", is_available: |_| true },
        heading: |context| format!("Note on license {}", context.license.id),
        confirm_text: |_| vec!["The owner does not see the note.".to_owned()],
        fields: |context| vec![note_field(&context.license.note)],
        confirm: "Save",
        dangerous: false,
        parse: |form| Ok(Operation::Change(Change::SetNote(typed_note(form)))),
    },
    LicenseAction {
        name: "lock",
        history_action: Action::Locked,
        target: ActionTarget::License {
            label: "Lock to an address…",
            is_available: |license| license.locked_ip.is_none(),
        },
        heading: |context| format!("Lock license {} to an address", context.license.id),
        confirm_text: lock,
        fields: |_| vec![Field::address("ip", "Address")],
        confirm: "Lock",
        dangerous: false,
        parse: |form| Ok(Operation::Change(Change::LockIp(typed_ip(form, "ip")?))),
    },
    LicenseAction {
        name: "unlock",
        history_action: Action::Unlocked,
        target: ActionTarget::License { label: "Unlock…", is_available: |license| license.locked_ip.is_some() },
        heading: |context| format!("Unlock license {}", context.license.id),
        confirm_text: unlock,
        fields: |_| Vec::new(),
        confirm: "Unlock",
        dangerous: false,
        parse: |_| Ok(Operation::Change(Change::UnlockIp)),
    },
    LicenseAction {
        name: "suspend",
        history_action: Action::Suspended,
        target: ActionTarget::License { label: "Suspend…", is_available: |license| license.status == Status::Active },
        heading: |context| format!("Suspend license {}", context.license.id),
        confirm_text: suspend,
        fields: |_| vec![reason_field("")],
        confirm: "Suspend license",
        dangerous: true,
        parse: |form| Ok(Operation::Change(suspension(form))),
    },
    LicenseAction {
        name: "resume",
        history_action: Action::Resumed,
        target: ActionTarget::License { label: "Resume…", is_available: |license| license.status != Status::Active },
        heading: |context| format!("Resume license {}", context.license.id),
        confirm_text: resume,
        fields: |_| Vec::new(),
        confirm: "Resume",
        dangerous: false,
        parse: |_| Ok(Operation::Change(Change::Resume)),
    },
    LicenseAction {
        name: "cancel",
        history_action: Action::Cancelled,
        target: ActionTarget::License {
            label: "Cancel license…",
            is_available: |license| license.status != Status::Cancelled,
        },
        heading: |context| format!("Cancel license {}", context.license.id),
        confirm_text: cancel,
        fields: |_| Vec::new(),
        confirm: "Cancel license",
        dangerous: true,
        parse: |_| Ok(Operation::Change(Change::Cancel)),
    },
    LicenseAction {
        name: "delete",
        history_action: Action::Deleted,
        target: ActionTarget::License { label: "Delete license…", is_available: |_| true },
        heading: |context| format!("Delete license {}", context.license.id),
        confirm_text: delete,
        fields: |_| Vec::new(),
        confirm: "Delete license",
        dangerous: true,
        parse: |_| Ok(Operation::Delete),
    },
];

fn last_day_field() -> Field {
    Field {
        name: "until",
        label: "Last day",
        kind: FieldKind::Date,
        hint: "For “Until the last day below”: the license is valid through this day (UTC).",
        ..Field::default()
    }
}

fn plan_field(context: &LicenseContext) -> Field {
    Field {
        name: "plan",
        label: "Plan",
        kind: FieldKind::Select,
        value: context.license.plan.slug.clone(),
        required: true,
        options: context.plans.iter().map(plan_option).collect(),
        ..Field::default()
    }
}

fn renew(context: &LicenseContext) -> Vec<String> {
    let now = match context.license.expires_at.map(|at| Moment::expiry(at, context.now)) {
        None => "The license currently never expires.".to_owned(),
        Some(end) if context.license.is_expired(context.now) => {
            format!("The license expired {} ({}).", end.relative, end.text)
        }
        Some(end) => format!("The license expires {} ({}).", end.relative, end.text),
    };
    let added = |months| {
        let start = Basis::NowIfExpired.start(context.license.expires_at, context.now)?;
        let end = Period::months(months).after(start);
        Some(ended_day(end).map_or_else(|| Moment::new(end, context.now).text, |day| format!("the end of {day}")))
    };
    let ends = added(1).zip(added(12));
    let ends = ends.map(|(month, year)| format!("With another month it ends at {month}, with another year at {year}."));
    let servers = "Servers get the new expiry at their next check, within 24 hours.".to_owned();
    [Some(now), ends, Some(servers)].into_iter().flatten().collect()
}

fn convert(context: &LicenseContext) -> Vec<String> {
    let end = match context.license.expires_at.map(|at| Moment::expiry(at, context.now)) {
        Some(end) => format!("It keeps its expiry, {}. Renew it to let it run longer.", end.text),
        None => "It never expires.".to_owned(),
    };
    vec![context.usage(), end]
}

fn plan(context: &LicenseContext) -> Vec<String> {
    let end = "If the new plan allows fewer servers than use the license, the servers that were activated first keep their \
               slots, and the others are refused at their next check. Existing accounts are not affected.";
    vec![context.usage(), end.to_owned()]
}

fn lock(_: &LicenseContext) -> Vec<String> {
    let words = "Only the server at this address will be able to use the license. All others are refused at their next \
                 check, within 24 hours.";
    vec![words.to_owned()]
}

fn unlock(context: &LicenseContext) -> Vec<String> {
    let ip = context.license.locked_ip.map_or_else(|| "no address".to_owned(), |ip| ip.to_string());
    let servers = limit(context.license.plan.max_servers);
    vec![
        format!("The license is currently locked to {ip}."),
        format!("Servers at any address will be able to use it, up to the limit of its plan: {servers}."),
    ]
}

fn suspend(context: &LicenseContext) -> Vec<String> {
    let end = "Each server is refused at its next check, within 24 hours, and then rejects changes. You can resume the \
               license at any time.";
    vec![context.usage(), end.to_owned()]
}

fn resume(context: &LicenseContext) -> Vec<String> {
    let mut confirm_text = vec![
        format!("This license of {} is currently {}.", context.license.owner_name, context.license.status.as_str()),
        "Each server can use it again from its next check on.".to_owned(),
    ];
    if context.license.is_expired(context.now) {
        confirm_text.push("It has also expired: renew it to make it usable.".to_owned());
    }
    confirm_text
}

fn cancel(context: &LicenseContext) -> Vec<String> {
    let end = "Each server is refused at its next check, within 24 hours, and then rejects changes. The license and its \
               history are kept.";
    vec![context.usage(), end.to_owned()]
}

fn delete(context: &LicenseContext) -> Vec<String> {
    vec![
        context.usage(),
        "The license, its key and its activations are deleted permanently. Its history is kept.".to_owned(),
        "At its next check, within 24 hours, each server learns that its key is not known, and then rejects changes. If \
         the license may be needed again, cancel it instead."
            .to_owned(),
    ]
}
