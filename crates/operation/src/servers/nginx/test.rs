//! Testing the configuration on disk with `nginx -t`.

use std::fs;

use crate::servers::nginx::cause;
use opterius_base::deadline::Deadline;
use opterius_base::files::{self, FileMode};
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::nginx::included::{ENABLED, PLAIN};
use opterius_host::problem::Problem;
use opterius_host::tool::{Output, Tool};

/// Tests the current configuration.
///
/// # Errors
/// nginx is not installed, or rejects the configuration; the message includes nginx's.
pub fn test(host: &Host, deadline: Deadline) -> Result<(), Problem> {
    let output = run(host, deadline)?;
    if output.is_success() {
        return Ok(());
    }
    Err(Problem::rejected(
        "nginx",
        cause::located(host, &format!("nginx rejected the configuration. {}", output.complaint())),
    ))
}

/// What nginx says about a configuration that it accepts: its warnings, one line each.
///
/// # Errors
/// nginx is not installed, or timed out.
pub fn warnings(host: &Host, deadline: Deadline) -> Result<Vec<String>, Problem> {
    let output = run(host, deadline)?;
    Ok(output.stderr.lines().filter_map(|line| Some(line.split_once("[warn] ")?.1.to_owned())).collect())
}

fn run(host: &Host, deadline: Deadline) -> Result<Output, Problem> {
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
    tool.run(deadline)
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
