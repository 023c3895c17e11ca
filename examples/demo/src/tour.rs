//! The tour that the demo prints: URLs, passwords, and commands to copy.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::demo_dir::DemoDir;
use crate::tools::Programs;
use opterius_base::secret::Secret;
use opterius_base::text::one_line;
use opterius_license_server::commands::failure::Failure;

/// The users of the demo.
pub(super) const OWNER: &str = "owner";
pub(super) const ADMINISTRATOR: &str = "administrator";

/// The request of the Panel that creates an account with its first site; the shell replaces `$user`.
const CREATION: &str = r#"{"domain":"$user.example","username":"$user","document_root":"/home/$user/$user.example/public_html","php_version":"8.4"}"#;

/// The call of a shop that sells another license.
const SALE: &str = r#"{"owner": {"name": "erin"}, "plan": "business", "reference": "demo-2"}"#;

/// The account that the demo creates.
const FIRST_ACCOUNT: &str = "alice";

/// Creates the first account through the Agent, as the Panel does.
pub(super) fn create_first_account(directory: &DemoDir) -> Result<(), Failure> {
    let body = CREATION.replace("$user", FIRST_ACCOUNT);
    let output = Command::new(directory.path("panel"))
        .args(["POST", "/domains/create", &body])
        .output()
        .map_err(|error| Failure::refused(format!("{}: {error}", directory.path("panel").display())))?;
    let answer = String::from_utf8_lossy(&output.stdout);
    if answer.contains("HTTP 200") {
        return Ok(());
    }
    Err(Failure::refused(format!("the Agent did not create the account: {}", one_line(&answer, 1000))))
}

/// The data of the tour.
pub(super) struct Tour {
    pub(super) directory: PathBuf,
    pub(super) server_port: u16,
    pub(super) agent_port: u16,
    pub(super) owner_password: Secret,
    pub(super) administrator_password: Secret,
    pub(super) key: Secret,
    pub(super) license: i64,
}

impl Tour {
    /// The text of the tour.
    pub(super) fn text(&self, status: &Value, programs: &Programs) -> String {
        // Absolute paths, for terminals in other directories.
        let in_demo = |name: &str| self.directory.join(name).display().to_string();
        let license = self.license;
        let server =
            format!("{} --config {} license", programs.license_server.display(), in_demo("license-server.conf"));
        let reverify = format!("{} --config {} reverify", programs.agent.display(), in_demo("agent.conf"));
        let (panel, shop) = (in_demo("panel"), in_demo("shop"));
        let creation = format!("{panel} POST /domains/create \"{}\"", CREATION.replace('"', "\\\""));
        let write = format!("user={FIRST_ACCOUNT}; {creation}");
        let dashboard = format!("http://127.0.0.1:{}", self.server_port);
        let agent_url = format!("http://127.0.0.1:{}", self.agent_port);
        format!(
            "
{status_line}

  Dashboard   {dashboard}
              user {OWNER:<14} password {owner}
              user {ADMINISTRATOR:<14} password {administrator}
  Agent       {agent_url}   (log: {log})
  License     {license}, {key}

A short tour, for another terminal:

  1. Show the license status, which is public on this machine:
       curl --noproxy '*' {agent_url}/license/status; echo

  2. List the accounts, as the Panel does. The demo has created one with a site, in {root}:
       {panel} GET /accounts

  3. See the license as a shop does, which sold it through the vendor API, and sell another:
       {shop} GET /licenses/ref:demo-1
       {shop} POST /licenses '{SALE}'

  4. Create more accounts. The license allows 5, so the sixth is refused with 403 account_limit_reached:
       for user in bob carol dave erin frank; do {creation}; done

  5. Suspend the license, as {ADMINISTRATOR} at {dashboard}/licenses/{license}, or with:
       {server} suspend {license}

  6. See that the shop was told: its webhook got license.created, server.activated and now license.suspended:
       cut -c 1-200 {events}

  7. Make the Agent verify its license now, instead of once a day:
       {reverify}

  8. Try a change. It is refused with 403 license_required; reads still work:
       {write}

  9. Read the log: License: INVALID — License is suspended.
       tail -n 3 {log}

 10. Resume the license:
       {server} resume {license}
       {reverify}

All files are in {directory}; the next demo replaces them. Press Ctrl-C to stop both.
",
            status_line = status_line(status),
            owner = self.owner_password.expose(),
            administrator = self.administrator_password.expose(),
            key = self.key.expose(),
            log = in_demo("agent.log"),
            events = in_demo("events.log"),
            root = in_demo("root"),
            directory = self.directory.display(),
        )
    }
}

/// The status in the format of the log.
fn status_line(status: &Value) -> String {
    let text = |name: &str| status.get(name).and_then(Value::as_str).map(|text| one_line(text, 100));
    let limit = |name: &str| match status.get(name).and_then(Value::as_u64) {
        Some(0) | None => "unlimited".to_owned(),
        Some(limit) => limit.to_string(),
    };
    format!(
        "License: valid (plan: {}, max_accounts: {}, max_servers: {}, expires: {})",
        text("plan").unwrap_or_default(),
        limit("max_accounts"),
        limit("max_servers"),
        text("expires_at").unwrap_or_else(|| "never".to_owned())
    )
}
