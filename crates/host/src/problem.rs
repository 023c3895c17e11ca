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
    /// The operation failed and was rolled back.
    Failed(String),
}

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
        Self::Failed(format!("{what}: {cause}"))
    }

    /// A failure with a file: its path, and the cause.
    pub fn at(path: &Path, error: io::Error) -> Self {
        Self::failed(&path.display().to_string(), error)
    }

    /// The status of the response.
    pub fn status(&self) -> u16 {
        match self {
            Self::Invalid { .. } => 422,
            Self::AccountLimit { .. } => 403,
            Self::NotFound(_) => 404,
            Self::Conflict(_) => 409,
            Self::Unavailable(_) => 503,
            Self::TimedOut(_) => 504,
            Self::Failed(_) => 500,
        }
    }

    /// The error code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "validation_failed",
            Self::AccountLimit { .. } => "account_limit_reached",
            Self::NotFound(_) => "not_found",
            Self::Conflict(_) => "conflict",
            Self::Unavailable(_) => "operations_unavailable",
            Self::TimedOut(_) => "operation_timeout",
            Self::Failed(_) => "operation_failed",
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
            (Problem::failed("useradd", "no"), 500, "operation_failed"),
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
