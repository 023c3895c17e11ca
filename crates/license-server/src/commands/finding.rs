//! Results of `check`: one line for each check.

use serde::Serialize;

use crate::commands::failure::Failure;
use opterius_daemon::{EXIT_CONFIGURATION, EXIT_PERMISSION};

/// The result of one check.
#[derive(Clone, Serialize)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    pub(super) ok: bool,
    pub(super) message: String,
    #[serde(skip)]
    pub(super) code: u8,
}

/// A check that passed.
pub(super) fn passed(check: &'static str, message: String) -> Finding {
    Finding { check, ok: true, message, code: 0 }
}

/// A check that failed.
pub(super) fn failed(check: &'static str, failure: impl Into<Failure>) -> Finding {
    let Failure { code, sentence } = failure.into();
    // Any failed check means that the installation cannot be served.
    let code = if code == EXIT_PERMISSION { EXIT_PERMISSION } else { EXIT_CONFIGURATION };
    Finding { check, ok: false, message: sentence, code }
}
