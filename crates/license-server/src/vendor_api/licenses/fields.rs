//! The members of bodies and the parameters of queries about licenses.

use crate::model::{MAX_LABEL, MAX_LABELS, MAX_NOTE, MAX_REASON, MAX_REFERENCE};
use crate::vendor_api::fields::{
    CURSOR, LIMIT, MAX_DISPLAY_NAME, MAX_EMAIL, MAX_NAME, MAX_SLUG, nullable, optional, required,
};
use crate::vendor_api::members::{Kind, Member};

/// An owner that may have to be made.
const OWNER: &[Member] = &[
    required("name", Kind::Line(MAX_NAME), "The sign-in name."),
    nullable("email", Kind::Line(MAX_EMAIL), "The e-mail address, for a user who is made."),
    nullable("display_name", Kind::Line(MAX_DISPLAY_NAME), "The name to show, for a user who is made."),
];

/// The body of a new license.
pub(in crate::vendor_api) const NEW_LICENSE: &[Member] = &[
    required(
        "owner",
        Kind::LineOrObject(MAX_NAME, OWNER),
        "The name of a user; or an object, from which the user is made when there is none with the name. Such a user cannot \
         sign in before an administrator sends an invitation.",
    ),
    required("plan", Kind::Line(MAX_SLUG), "The slug of a plan."),
    nullable("expires_at", Kind::Instant, "The instant at which the license expires. Null or absent: never."),
    nullable("reference", Kind::Line(MAX_REFERENCE), "Your own number of the license, unique among all licenses."),
    optional("note", Kind::Text(MAX_NOTE), "A note that the owner does not see."),
    nullable("lock_ip", Kind::Address, "The only address that can use the license. Null or absent: any."),
    optional("trial", Kind::Flag, "Whether it is a trial."),
    optional("labels", Kind::Lines(MAX_LABELS, MAX_LABEL), "Labels of letters, digits and . _ - : /"),
];

/// The parameters of the list.
pub(in crate::vendor_api) const FILTERS: &[Member] = &[
    optional("reference", Kind::Line(MAX_REFERENCE), "Only the license with exactly this reference."),
    optional("owner", Kind::Line(MAX_NAME), "Only licenses of the user with this name."),
    optional("plan", Kind::Line(MAX_SLUG), "Only licenses of this plan."),
    optional(
        "standing",
        Kind::Choice(&["active", "suspended", "cancelled", "expired"]),
        "Only licenses with this standing.",
    ),
    optional("expires_before", Kind::Instant, "Only licenses that expire at or before this instant."),
    optional("server_ip", Kind::Address, "Only licenses that a server at this address uses, or that are locked to it."),
    optional("hostname", Kind::Line(253), "Only licenses that a server with exactly this host name uses."),
    optional("label", Kind::Line(MAX_LABEL), "Only licenses with this label."),
    optional("over_limit", Kind::Flag, "With true, only licenses that more servers use than their plan allows."),
    optional("never_used", Kind::Flag, "With true, only licenses that no server has ever used."),
    optional("trial", Kind::Flag, "With true, only trials."),
    LIMIT,
    CURSOR,
];

/// The body of a suspension.
pub(in crate::vendor_api) const SUSPENSION: &[Member] = &[nullable(
    "reason",
    Kind::Line(MAX_REASON),
    "Why, in your words; the history of the license shows it to the owner. A suspended license gets the new reason.",
)];

/// The body of a renewal: `until`, or `add`.
pub(in crate::vendor_api) const RENEWAL: &[Member] = &[
    nullable("until", Kind::Instant, "The new expiry. Null: never."),
    optional("add", Kind::Line(32), "An ISO 8601 duration of years, months, weeks or days to add, such as P1M."),
    optional(
        "basis",
        Kind::Choice(&["expiry", "now", "now_if_expired"]),
        "Where added time begins: at the expiry, now, or (if absent) at the expiry unless that has passed.",
    ),
];

/// The members of a license that can be changed.
pub(in crate::vendor_api) const CHANGES: &[Member] = &[
    optional("plan", Kind::Line(MAX_SLUG), "The slug of a plan."),
    optional("owner", Kind::Line(MAX_NAME), "The name of a user, who gets the license."),
    nullable("reference", Kind::Line(MAX_REFERENCE), "Your own number of the license. Null removes it."),
    optional("note", Kind::Text(MAX_NOTE), "A note that the owner does not see."),
    nullable("lock_ip", Kind::Address, "The only address that can use the license. Null: any."),
    optional("trial", Kind::Flag, "Whether it is a trial."),
    optional("labels", Kind::Lines(MAX_LABELS, MAX_LABEL), "All labels that it has from then on."),
];
