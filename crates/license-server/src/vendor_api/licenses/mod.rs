//! Licenses.

mod change;
mod create;
mod fields;
mod list;
mod show;

pub(super) use self::change::{cancel, patch, renew, resume, suspend};
pub(super) use self::create::create;
pub(super) use self::fields::{CHANGES, FILTERS, NEW_LICENSE, RENEWAL, SUSPENSION};
pub(super) use self::list::list;
pub(super) use self::show::show;
