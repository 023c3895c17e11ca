//! `GET /version`: the versions of the Agent and the webmail, for the Panel's Updates page.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use opterius_http::response::Response;

/// Where the Panel's installer installs the webmail.
const WEBMAIL: &str = "opt/opterius-mail";

#[derive(Serialize)]
struct Version {
    agent_version: &'static str,
    mail_installed: bool,
    mail_version: Option<String>,
}

/// The response for the host below `root`.
pub fn answer(root: &Path) -> Response {
    let webmail = root.join(WEBMAIL);
    Response::json(
        200,
        &Version {
            agent_version: env!("CARGO_PKG_VERSION"),
            mail_installed: webmail.is_dir(),
            mail_version: webmail_version(&webmail),
        },
    )
}

/// The webmail's version, from its file `VERSION` or its `composer.json`.
fn webmail_version(webmail: &Path) -> Option<String> {
    let read = |name: &str| std::fs::read_to_string(webmail.join(name)).ok();
    let plain = read("VERSION").map(|text| text.trim().to_owned());
    plain.filter(|version| !version.is_empty()).or_else(|| {
        let composer: Value = serde_json::from_str(&read("composer.json")?).ok()?;
        Some(composer.get("version")?.as_str()?.to_owned())
    })
}
