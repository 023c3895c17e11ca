//! The fields of what a vendor keeps beside a license, and of renewals and suspensions, with their parsing. The page of a
//! license, the form of a new one and changes of several licenses share them.

use super::field::{Field, FieldKind, typed_date};
use super::form::Form;
use super::license_context::LicenseContext;
use crate::actions::Refusal;
use crate::model::{Basis, Change, Period};

/// How long a renewal is.
pub(super) fn renewal_field(context: &LicenseContext) -> Field {
    // A license that never expires has no end that time could be added to.
    choice_of_renewal(if context.license.expires_at.is_some() { "P1M" } else { "until" })
}

/// How long a renewal is, with this choice.
pub(super) fn choice_of_renewal(value: &str) -> Field {
    let options = [
        ("P1M", "1 month more"),
        ("P1Y", "1 year more"),
        ("until", "Until the last day below"),
        ("never", "Without an end"),
    ];
    Field {
        name: "add",
        label: "Renew for",
        kind: FieldKind::Select,
        value: value.to_owned(),
        options: options.map(|(value, label)| (value.to_owned(), label.to_owned())).to_vec(),
        hint: "More time begins at the expiry, or now if the license has expired.",
        required: true,
        ..Field::default()
    }
}

/// The renewal that the form asks for. A form without the choice has a last day.
pub(super) fn renewal(form: &Form) -> Result<Change, Refusal> {
    let is_dated = !form.text("until").is_empty();
    match form.text("add") {
        "" => Ok(Change::Renew(typed_date(form, "until")?)),
        "until" if is_dated => Ok(Change::Renew(typed_date(form, "until")?)),
        "until" => Err(Refusal::Invalid("Enter the last day.".to_owned())),
        // A date that would be ignored is a mistake in one of the two fields.
        _ if is_dated => {
            Err(Refusal::Invalid("Choose “Until the last day below”, or leave the last day empty.".to_owned()))
        }
        "never" => Ok(Change::Renew(None)),
        period => {
            let period: Period =
                period.parse().map_err(|()| Refusal::Invalid("Choose how long to renew.".to_owned()))?;
            Ok(Change::Extend(period, Basis::NowIfExpired))
        }
    }
}

/// Why a license is suspended.
pub(super) fn reason_field(value: &str) -> Field {
    Field {
        name: "reason",
        label: "Reason",
        value: value.to_owned(),
        hint: "The owner sees the reason. It can be empty.",
        ..Field::default()
    }
}

/// The suspension that the form asks for.
pub(super) fn suspension(form: &Form) -> Change {
    match form.text("reason") {
        "" => Change::Suspend,
        reason => Change::SuspendFor(reason.to_owned()),
    }
}

/// The vendor's own number of a license.
pub(super) fn reference_field(value: &str) -> Field {
    Field {
        name: "reference",
        label: "Reference",
        value: value.to_owned(),
        hint: "Each reference belongs to one license. It can be empty.",
        ..Field::default()
    }
}

pub(super) fn typed_reference(form: &Form) -> Option<String> {
    Some(form.text("reference").to_owned()).filter(|reference| !reference.is_empty())
}

/// The vendor's labels.
pub(super) fn labels_field(value: &str) -> Field {
    Field {
        name: "labels",
        label: "Labels",
        value: value.to_owned(),
        hint: "Words of letters, digits and . _ - : / with blanks between them.",
        ..Field::default()
    }
}

pub(super) fn typed_labels(form: &Form) -> Vec<String> {
    let words = form.text("labels").split([' ', ',', '\t']).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// The vendor's note.
pub(super) fn note_field(value: &str) -> Field {
    Field { name: "note", label: "Note", kind: FieldKind::Lines, value: value.to_owned(), ..Field::default() }
}

/// The note; browsers send line ends of two characters.
pub(super) fn typed_note(form: &Form) -> String {
    form.text("note").replace("\r\n", "\n")
}
