//! Errors of operations: one variant for each way a caller can react, each with a message for the Panel's user.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// A field is invalid. Nothing was changed.
    Invalid {
        /// The field's name.
        field: String,
        /// The rule, as the rest of a sentence that starts with the field's name.
        rule: String,
    },
    /// The license does not allow another account.
    AccountLimit {
        /// Existing accounts.
        used: u64,
        /// Allowed accounts.
        limit: u64,
        /// The license's plan, if known.
        plan: Option<String>,
    },
    /// The object of the request does not exist.
    NotFound(String),
    /// An existing object prevents the operation.
    Conflict(String),
    /// This host lacks something that the operation needs.
    Unavailable(String),
    /// The operation timed out and was stopped.
    TimedOut(String),
    /// A disk is full, or a disk quota is used up.
    InsufficientStorage(String),
    /// A server rejected the configuration that the operation wrote, or one that was there before.
    Rejected {
        /// The server's program, such as `nginx` or `php-fpm8.2`.
        program: String,
        /// What it said.
        sentence: String,
    },
    /// A server's configuration was invalid before the operation changed anything.
    BrokenBefore(String),
    /// The operation failed and was rolled back.
    Failed(String),
}

/// What the operating system calls a full disk and a used-up quota, in its own errors and in those of tools.
const OUT_OF_SPACE: [&str; 2] = ["No space left on device", "Disk quota exceeded"];

/// What it calls a file system that cannot be written to.
const READ_ONLY: &str = "Read-only file system";

/// How to fix an exceeded account limit.
const LIMIT_HELP: &str =
    "Switch the license to a larger plan in the license dashboard, or delete an account that is no longer needed.";

impl Problem {
    /// An invalid field.
    pub fn invalid(field: &str, rule: impl Into<String>) -> Self {
        Self::Invalid { field: field.to_owned(), rule: rule.into() }
    }

    /// A failure: what failed, and the cause.
    pub fn failed(what: &str, cause: impl std::fmt::Display) -> Self {
        Self::failure(format!("{what}: {cause}"))
    }

    /// A failure described by this text, which can be a tool's output. Recognizes full and read-only disks, and adds how to
    /// fix them.
    pub fn failure(text: String) -> Self {
        let text = text.trim_end_matches('.');
        if OUT_OF_SPACE.iter().any(|words| text.contains(words)) {
            let remedy = "Free some space there (df -h and df -i show how much there is), then repeat the operation.";
            return Self::InsufficientStorage(format!("{text}. {remedy}"));
        }
        if text.contains(READ_ONLY) {
            let remedy =
                "Find the cause with dmesg, then make it writable (mount -o remount,rw) and repeat the operation.";
            return Self::Failed(format!("{text}. {remedy}"));
        }
        Self::Failed(text.to_owned())
    }

    /// A failure with a file: its path, and the cause.
    pub fn at(path: &Path, error: io::Error) -> Self {
        Self::failed(&path.display().to_string(), error)
    }

    /// A server's program that rejected its configuration, and what it said.
    pub fn rejected(program: &str, sentence: String) -> Self {
        match Self::failure(sentence) {
            Self::Failed(sentence) => Self::Rejected { program: program.to_owned(), sentence },
            full => full,
        }
    }

    /// The same with a sentence in front, such as what was done before it.
    #[must_use]
    pub fn after(self, sentence: &str) -> Self {
        let text = |cause: String| format!("{sentence} {cause}");
        match self {
            Self::NotFound(cause) => Self::NotFound(text(cause)),
            Self::Conflict(cause) => Self::Conflict(text(cause)),
            Self::Unavailable(cause) => Self::Unavailable(text(cause)),
            Self::TimedOut(cause) => Self::TimedOut(text(cause)),
            Self::InsufficientStorage(cause) => Self::InsufficientStorage(text(cause)),
            Self::Failed(cause) => Self::Failed(text(cause)),
            other => other,
        }
    }

    /// The status of the response.
    pub fn status(&self) -> u16 {
        match self {
            Self::Invalid { .. } => 422,
            Self::AccountLimit { .. } => 403,
            Self::NotFound(_) => 404,
            Self::Conflict(_) => 409,
            Self::Unavailable(_) | Self::BrokenBefore(_) => 503,
            Self::TimedOut(_) => 504,
            Self::InsufficientStorage(_) => 507,
            Self::Rejected { .. } | Self::Failed(_) => 500,
        }
    }

    /// The error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "validation_failed",
            Self::AccountLimit { .. } => "account_limit_reached",
            Self::NotFound(_) => "not_found",
            Self::Conflict(_) => "conflict",
            Self::Unavailable(_) | Self::BrokenBefore(_) => "operations_unavailable",
            Self::TimedOut(_) => "operation_timeout",
            Self::InsufficientStorage(_) => "insufficient_storage",
            Self::Rejected { .. } | Self::Failed(_) => "operation_failed",
        }
    }

    /// The message.
    pub fn message(&self) -> String {
        match self {
            Self::Invalid { field, rule } => format!("“{field}” {rule}."),
            Self::AccountLimit { used, limit, .. } => {
                format!("The license allows {limit} accounts on this server, and {used} are in use.")
            }
            Self::NotFound(sentence)
            | Self::Conflict(sentence)
            | Self::Unavailable(sentence)
            | Self::TimedOut(sentence)
            | Self::InsufficientStorage(sentence)
            | Self::Rejected { sentence, .. }
            | Self::BrokenBefore(sentence)
            | Self::Failed(sentence) => sentence.clone(),
        }
    }

    /// The body of the response. The Panel shows `error` and nothing else, so it is the message, except for the account
    /// limit, for which the product's documentation promises the code.
    pub fn body(&self) -> Value {
        let (code, message) = (self.code(), self.message());
        let error = if matches!(self, Self::AccountLimit { .. }) { code } else { &message };
        let mut body = json!({"error": error, "code": code, "message": message});
        let details = match self {
            Self::Invalid { field, .. } => vec![("field", json!(field))],
            Self::AccountLimit { used, limit, plan } => {
                vec![("used", json!(used)), ("limit", json!(limit)), ("plan", json!(plan)), ("help", json!(LIMIT_HELP))]
            }
            _ => Vec::new(),
        };
        if let Some(members) = body.as_object_mut() {
            members.extend(details.into_iter().map(|(name, value)| (name.to_owned(), value)));
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_the_format_that_the_panel_reads() {
        let table = [
            (Problem::invalid("domain", "is missing"), 422, "validation_failed"),
            (Problem::AccountLimit { used: 5, limit: 5, plan: Some("free".into()) }, 403, "account_limit_reached"),
            (Problem::NotFound("No.".into()), 404, "not_found"),
            (Problem::Conflict("No.".into()), 409, "conflict"),
            (Problem::Unavailable("No.".into()), 503, "operations_unavailable"),
            (Problem::TimedOut("No.".into()), 504, "operation_timeout"),
            (Problem::BrokenBefore("No.".into()), 503, "operations_unavailable"),
            (Problem::Rejected { program: "nginx".into(), sentence: "No.".into() }, 500, "operation_failed"),
            (Problem::failed("useradd", "no"), 500, "operation_failed"),
            (Problem::failed("/etc/x", io::Error::from_raw_os_error(30)), 500, "operation_failed"),
            (Problem::at(Path::new("/etc/x"), io::Error::from_raw_os_error(28)), 507, "insufficient_storage"),
            (Problem::at(Path::new("/etc/x"), io::Error::from_raw_os_error(122)), 507, "insufficient_storage"),
            (Problem::failure("cp: No space left on device".into()), 507, "insufficient_storage"),
        ];
        for (problem, status, code) in table {
            let body = problem.body();
            assert_eq!((problem.status(), body["code"].as_str()), (status, Some(code)));
            let shown = if code == "account_limit_reached" { &body["code"] } else { &body["message"] };
            assert_eq!(&body["error"], shown);
            assert!(body["message"].as_str().unwrap().ends_with('.') || status == 500, "{body}");
        }
    }

    #[test]
    fn the_account_limit_explains_itself() {
        let body = Problem::AccountLimit { used: 7, limit: 5, plan: None }.body();
        assert_eq!((&body["used"], &body["limit"], &body["plan"]), (&json!(7), &json!(5), &Value::Null));
        assert!(body["help"].as_str().unwrap().contains("plan"));
    }
}
