//! The changes that can be made to several licenses at once. Each is a row with its texts and its input.

use super::field::{Field, FieldKind, plan_option};
use super::form::Form;
use super::license_fields::{choice_of_renewal, reason_field, renewal, suspension};
use crate::actions::{Change, Refusal};
use crate::model::{Basis, Period, Plan};

/// A change of several licenses.
pub(super) struct BulkChange {
    /// Its name in URLs.
    pub(super) name: &'static str,
    pub(super) heading: &'static str,
    /// The label of the button, before the number of licenses.
    pub(super) verb: &'static str,
    /// The result, after the number of licenses.
    pub(super) done: &'static str,
    pub(super) dangerous: bool,
    /// The input, with its current values.
    pub(super) fields: fn(&Form, &[Plan]) -> Vec<Field>,
    /// The change that the form asks for.
    pub(super) change: fn(&Form) -> Result<Change, Refusal>,
}

static BULK_CHANGES: [BulkChange; 4] = [
    BulkChange {
        name: "renew",
        heading: "Renew several licenses",
        verb: "Renew",
        done: "renewed",
        dangerous: false,
        fields: |form, _| {
            let choice = Some(form.text("add")).filter(|choice| !choice.is_empty()).unwrap_or("P1M");
            vec![
                choice_of_renewal(choice),
                Field {
                    name: "until",
                    label: "Last day",
                    kind: FieldKind::Date,
                    value: form.text("until").to_owned(),
                    hint: "For “Until the last day below”: the licenses are valid through this day (UTC).",
                    ..Field::default()
                },
            ]
        },
        change: |form| match form.get("add") {
            Some(_) => renewal(form),
            None => Ok(Change::Extend(Period::months(1), Basis::NowIfExpired)),
        },
    },
    BulkChange {
        name: "plan",
        heading: "Change the plan of several licenses",
        verb: "Change the plan of",
        done: "changed to the new plan",
        dangerous: false,
        fields: |form, plans| {
            vec![Field {
                name: "to_plan",
                label: "Plan",
                kind: FieldKind::Select,
                value: form.text("to_plan").to_owned(),
                required: true,
                options: plans.iter().map(plan_option).collect(),
                ..Field::default()
            }]
        },
        change: |form| match form.text("to_plan") {
            "" => Err(Refusal::Invalid("Choose a plan.".to_owned())),
            slug => Ok(Change::SetPlan(slug.to_owned())),
        },
    },
    BulkChange {
        name: "suspend",
        heading: "Suspend several licenses",
        verb: "Suspend",
        done: "suspended",
        dangerous: true,
        fields: |form, _| vec![reason_field(form.text("reason"))],
        change: |form| Ok(suspension(form)),
    },
    BulkChange {
        name: "resume",
        heading: "Resume several licenses",
        verb: "Resume",
        done: "resumed",
        dangerous: false,
        fields: |_, _| Vec::new(),
        change: |_| Ok(Change::Resume),
    },
];

impl BulkChange {
    /// The change with this name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        BULK_CHANGES.iter().find(|change| change.name == name)
    }
}
