//! The license gate: writes are allowed only while the license is valid.

use serde::Serialize;
use serde_json::Value;

use opterius_base::text::one_line;
use opterius_http::response::Response;
use opterius_license::reason::Guide;
use opterius_license::standing::Standing;

/// The error code for a write that the license does not allow.
pub const LICENSE_REQUIRED: &str = "license_required";

#[derive(Serialize)]
struct Refused<'a> {
    // The word that the product's documentation promises, not a sentence.
    error: &'static str,
    code: &'static str,
    reason: &'a str,
    message: String,
    help: String,
}

/// Allows a write while the license is valid; `message` explains the standing.
///
/// # Errors
/// The response otherwise: 403 `license_required` with reason, message and help.
pub fn check(standing: &Standing, message: impl FnOnce() -> String, guide: &Guide) -> Result<(), Response> {
    let Some(reason) = standing.reason() else { return Ok(()) };
    let refused = Refused {
        error: LICENSE_REQUIRED,
        code: LICENSE_REQUIRED,
        reason,
        message: message(),
        help: guide.help(reason),
    };
    Err(Response::json(403, &refused))
}

/// The members of a request that say what it concerns.
const SUBJECTS: [&str; 18] = [
    "username",
    "domain",
    "alias_domain",
    "email",
    "name",
    "type",
    "id",
    "filename",
    "source",
    "pg_username",
    "working_dir",
    "backup_dir",
    "path",
    "ip",
    "jail",
    "number",
    "cron_job_id",
    "fingerprint",
];

/// What a request concerns, such as its account and domain, for the log: escaped and short.
pub fn subject(request: &Value) -> String {
    let field = |name: &&str| match request.get(*name)? {
        Value::String(text) => Some(format!("{name} “{}”", one_line(text, 64))),
        Value::Number(number) => Some(format!("{name} {number}")),
        _ => None,
    };
    let fields: Vec<String> = SUBJECTS.iter().filter_map(field).collect();
    if fields.is_empty() { "an unnamed object".to_owned() } else { fields.join(", ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use opterius_base::clock::Timestamp;

    #[test]
    fn a_restricted_license_blocks_writes_with_reason_and_help() {
        let check = |standing: &Standing| check(standing, || "Unpaid.".to_owned(), &Guide::default());
        assert!(check(&Standing::Active).is_ok());
        assert!(check(&Standing::Grace { until: Timestamp::from_unix(0) }).is_ok());
        let answer = check(&Standing::Restricted { reason: "suspended".into(), message: String::new() }).unwrap_err();
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer.status, 403);
        assert_eq!(
            ["error", "code", "reason", "message"].map(|key| body[key].clone()),
            ["license_required", "license_required", "suspended", "Unpaid."].map(Value::from)
        );
        assert!(body["help"].as_str().unwrap().contains("opterius-agent reverify"));
    }

    #[test]
    fn the_object_of_a_request_is_one_short_line() {
        assert_eq!(
            subject(&json!({"username": "alice", "domain": "a.example"})),
            "username “alice”, domain “a.example”"
        );
        assert_eq!(subject(&json!({"username": "a\nLicense: valid"})), "username “a License: valid”");
        assert_eq!(subject(&json!({"number": 3, "domain": null, "ip": "192.0.2.1"})), "ip “192.0.2.1”, number 3");
        assert_eq!(subject(&Value::Null), "an unnamed object");
        assert!(subject(&json!({"name": "x".repeat(1000)})).chars().count() < 100);
    }
}
