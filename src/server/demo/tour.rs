//! What the demo prints: where everything is, and lines to copy.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::secret::Secret;
use crate::server::demo::furniture::{ADMINISTRATOR, OWNER};
use crate::text::one_line;

/// A request that the Panel sends to make a site.
const WRITE: &str = "POST /domains/create '{\"domain\":\"example.com\",\"username\":\"alice\",\
                     \"document_root\":\"/home/alice/example.com/public_html\",\"php_version\":\"8.4\"}'";

/// What there is to tell.
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
    /// Everything, once the Agent has this status.
    pub(super) fn text(&self, status: &Value, agent: &Path) -> String {
        // Whole paths: another terminal is likely to open in another directory.
        let in_demo = |name: &str| self.directory.join(name).display().to_string();
        let own = std::env::current_exe()
            .map_or_else(|_| "opterius-license-server".to_owned(), |own| own.display().to_string());
        let license = self.license;
        let server = format!("{own} --config {} license", in_demo("license-server.conf"));
        let reverify = format!("{} --config {} reverify", agent.display(), in_demo("agent.conf"));
        let write = format!("{} {WRITE}", in_demo("panel"));
        let dashboard = format!("http://127.0.0.1:{}", self.server_port);
        let agent_url = format!("http://127.0.0.1:{}", self.agent_port);
        format!(
            "
{standing}

  Dashboard   {dashboard}
              sign in as {OWNER:<14} with the password {owner}
              sign in as {ADMINISTRATOR:<14} with the password {administrator}
  Agent       {agent_url}   (log: {log})
  License     {license}, {key}

A short tour, in another terminal:

  1. The standing, as every program on this machine may read it:
       curl --noproxy '*' {agent_url}/license/status; echo

  2. A write, signed as the Panel signs it. It passes signature and gate; host operations come next, so until then the
     answer is 501 not_implemented:
       {write}

  3. Suspend the license, as {ADMINISTRATOR} at {dashboard}/licenses/{license}, or so:
       {server} suspend {license}

  4. Have the Agent ask now; by itself it asks once a day:
       {reverify}

  5. The same write is refused now, with 403 license_required:
       {write}

  6. The log says: License: INVALID — License is suspended.
       tail -n 3 {log}

  7. Resume it, and all is well again:
       {server} resume {license}
       {reverify}

Everything is below {directory}, and the next demo replaces it. Ctrl-C ends both.
",
            standing = standing(status),
            owner = self.owner_password.expose(),
            administrator = self.administrator_password.expose(),
            key = self.key.expose(),
            log = in_demo("agent.log"),
            directory = self.directory.display(),
        )
    }
}

/// The status in the words of the log.
fn standing(status: &Value) -> String {
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
