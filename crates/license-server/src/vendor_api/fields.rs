//! Parameters that several lists share, and lengths.

use super::members::{Kind, Member, Presence};

/// The longest name of a user, in characters.
pub(super) const MAX_NAME: usize = 128;

/// The longest slug of a plan.
pub(super) const MAX_SLUG: usize = 32;

/// The longest e-mail address (RFC 5321 §4.5.3.1.3), and the longest display name.
pub(super) const MAX_EMAIL: usize = 254;
/// The longest display name.
pub(super) const MAX_DISPLAY_NAME: usize = 128;

/// How many items a page has.
pub(super) const LIMIT: Member = optional("limit", Kind::Integer(1, 100), "At most this many items; 20 if absent.");

/// Where a page begins.
pub(super) const CURSOR: Member =
    optional("cursor", Kind::Line(200), "Where to continue: `next` of the previous page, with the same filters.");

/// A member that may be absent.
pub(super) const fn optional(name: &'static str, kind: Kind, about: &'static str) -> Member {
    Member { name, kind, presence: Presence::Optional, about }
}

/// A member that may be absent or null.
pub(super) const fn nullable(name: &'static str, kind: Kind, about: &'static str) -> Member {
    Member { name, kind, presence: Presence::Nullable, about }
}

/// A member that must be there.
pub(super) const fn required(name: &'static str, kind: Kind, about: &'static str) -> Member {
    Member { name, kind, presence: Presence::Required, about }
}
