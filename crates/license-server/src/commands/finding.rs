//! What `check` finds: one line for each thing that it looks at.

use serde::Serialize;

use crate::commands::failure::Failure;
use opterius_daemon::{EXIT_CONFIGURATION, EXIT_PERMISSION};

/// One thing that was looked at.
#[derive(Clone, Serialize)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) ok: bool,
    pub(super) message: String,
    #[serde(skip)]
    pub(super) code: u8,
}

/// It is in order.
pub(super) fn passed(check: &'static str, message: String) -> Finding {
    Finding { check, ok: true, message, code: 0 }
}

/// It is not.
pub(super) fn failed(check: &'static str, failure: impl Into<Failure>) -> Finding {
    let Failure { code, sentence } = failure.into();
    // Whatever it is: an installation that is not in order is not one to run.
    let code = if code == EXIT_PERMISSION { EXIT_PERMISSION } else { EXIT_CONFIGURATION };
    Finding { check, ok: false, message: sentence, code }
}
