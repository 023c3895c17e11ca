//! nginx: tested before it is told of anything new.

use std::fs;
use std::path::PathBuf;

use log::warn;

use opterius_base::deadline::Deadline;
use opterius_base::files::{self, FileMode};
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::tool::Tool;

/// Debian's place for site files, and the one of others, where files are not linked but are there or not.
const AVAILABLE: &str = "/etc/nginx/sites-available";
const ENABLED: &str = "/etc/nginx/sites-enabled";
const PLAIN: &str = "/etc/nginx/conf.d";

/// Where a site's file is, and the link that enables it where there are such.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// The link to it.
    pub link: Option<PathBuf>,
}

/// The place of a site's file by its name, such as `example.com.conf`.
pub fn place(host: &Host, name: &str) -> Place {
    if host.path(AVAILABLE).is_dir() {
        Place { file: host.path(AVAILABLE).join(name), link: Some(host.path(ENABLED).join(name)) }
    } else {
        Place { file: host.path(PLAIN).join(name), link: None }
    }
}

/// Whether the configuration as it is now can be used.
///
/// # Errors
/// nginx is not installed, or refuses it; its own words are in the sentence.
pub fn test(host: &Host, deadline: Deadline) -> Result<(), Problem> {
    let tool = Tool::named("nginx")?.args(["-t", "-q"]);
    let tool = if host.is_machine() {
        tool
    } else {
        let prefix = host.path("/var/lib/opterius/nginx-test");
        let main = prefix.join("nginx.conf");
        fs::create_dir_all(&prefix).map_err(|error| Problem::at(&prefix, error))?;
        files::replace(&main, main_file(host).as_bytes(), FileMode::mode(0o644))
            .map_err(|error| Problem::at(&main, error))?;
        tool.args(["-e", "stderr", "-p"]).arg(&prefix).arg("-c").arg(&main)
    };
    let output = tool.run(deadline)?;
    if output.is_success() {
        return Ok(());
    }
    Err(Problem::Failed(format!("nginx does not take the configuration. {}", output.complaint())))
}

/// A main file for a tree that is not the machine: everything that nginx makes while it tests is below the tree, too.
fn main_file(host: &Host) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("    {name}_temp_path {name};\n"))
        .concat();
    let sites =
        [ENABLED, PLAIN].map(|directory| format!("    include {}/*.conf;\n", host.path(directory).display())).concat();
    format!("pid nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n    access_log off;\n{temporary}{sites}}}\n")
}

/// Has the running nginx take the configuration, which was tested. Below a root that is not the machine nothing is told.
pub fn reload(host: &Host, deadline: Deadline) -> Option<String> {
    if !host.is_machine() {
        return None;
    }
    let told = if host.has_systemd() {
        // A reload by systemctl would wait for its own test; this one tells the main process at once.
        Tool::named("systemctl")
            .map(|tool| tool.args(["kill", "--signal=HUP", "--kill-who=main", "nginx.service"]))
            .and_then(|tool| tool.succeed(deadline))
    } else {
        Tool::named("nginx").map(|tool| tool.args(["-s", "reload"])).and_then(|tool| tool.succeed(deadline))
    };
    let problem = told.err()?;
    let cause = problem.message();
    warn!("nginx could not be told of its new configuration: {cause}");
    Some(format!("nginx serves what it had before, or nothing: {cause} If it is not running: systemctl start nginx"))
}
