//! nginx: testing and reloading its configuration.

use std::fs;
use std::path::PathBuf;

use log::warn;

use opterius_base::deadline::Deadline;
use opterius_base::files::{self, FileMode};
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::problem::Problem;
use opterius_host::tool::Tool;

/// Directories for site files: on Debian, available files are enabled by links; elsewhere, all files in conf.d are enabled.
const AVAILABLE: &str = "/etc/nginx/sites-available";
const ENABLED: &str = "/etc/nginx/sites-enabled";
const PLAIN: &str = "/etc/nginx/conf.d";

/// The path of a site's file, and of the link that enables it, if this host uses links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SitePaths {
    /// The file.
    pub file: PathBuf,
    /// The link to it.
    pub link: Option<PathBuf>,
}

/// The paths for a site file with this name, such as `example.com.conf`.
pub fn place(host: &Host, name: &str) -> SitePaths {
    if host.path(AVAILABLE).is_dir() {
        SitePaths { file: host.path(AVAILABLE).join(name), link: Some(host.path(ENABLED).join(name)) }
    } else {
        SitePaths { file: host.path(PLAIN).join(name), link: None }
    }
}

/// Every directory in which a site file or a link to one can be, whichever [`place`] chooses today.
pub fn directories(host: &Host) -> [PathBuf; 3] {
    [AVAILABLE, PLAIN, ENABLED].map(|directory| host.path(directory))
}

/// Tests the current configuration.
///
/// # Errors
/// nginx is not installed, or rejects the configuration; the message includes nginx's.
pub fn test(host: &Host, deadline: Deadline) -> Result<(), Problem> {
    let tool = Tool::named("nginx")?.args(["-t", "-q"]);
    let tool = if host.is_machine() {
        tool
    } else {
        let prefix = host.path(layout::NGINX_TEST);
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
    Err(Problem::rejected("nginx", format!("nginx rejected the configuration. {}", output.complaint())))
}

/// A main configuration file for a host that is a directory tree, which keeps all files that a test creates inside the
/// tree.
fn main_file(host: &Host) -> String {
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("    {name}_temp_path {name};\n"))
        .concat();
    let sites =
        [ENABLED, PLAIN].map(|directory| format!("    include {}/*.conf;\n", host.path(directory).display())).concat();
    format!("pid nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n    access_log off;\n{temporary}{sites}}}\n")
}

/// Makes the running nginx reload its configuration, which must have been tested. Does nothing if the host is a directory
/// tree. Returns a warning on failure.
pub fn reload(host: &Host, deadline: Deadline) -> Option<String> {
    if !host.is_machine() {
        return None;
    }
    let reloaded = if host.has_systemd() {
        // `systemctl reload` would run and wait for another test; this signals the main process directly.
        Tool::named("systemctl")
            .map(|tool| tool.args(["kill", "--signal=HUP", "--kill-who=main", "nginx.service"]))
            .and_then(|tool| tool.succeed(deadline))
    } else {
        Tool::named("nginx").map(|tool| tool.args(["-s", "reload"])).and_then(|tool| tool.succeed(deadline))
    };
    let problem = reloaded.err()?;
    let cause = problem.message();
    warn!("nginx could not reload its configuration: {cause}");
    Some(format!(
        "nginx did not reload and still uses its previous configuration, or is stopped: {cause} To start it, run: systemctl \
         start nginx"
    ))
}
