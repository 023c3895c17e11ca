//! `/php/install`: names the package of a version of PHP, which the helper cannot install: programs are read-only in its sandbox,
//! and a package's scripts may do anything.

use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use crate::servers::php::versions;
use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;
use opterius_host::request::php_install::InstallPhp;
use opterius_host::tool::Tool;

impl Perform for InstallPhp {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { version } = self;
        if versions::is_installed(host, version) {
            return Ok(json!({"version": version, "installed": true, "warnings": []}));
        }
        let package = format!("php{version}-fpm");
        Err(Problem::Unavailable(if is_available(&package, deadline) {
            format!(
                "The Agent does not install packages: its helper cannot write to /usr. As root, run: apt-get install {package}"
            )
        } else {
            format!(
                "PHP {version} is the package {package}, which none of this server's package sources has. As root, add a source \
                 that has it (for Debian: https://packages.sury.org/php), then run: apt-get update && apt-get install {package}"
            )
        }))
    }
}

/// Whether a configured package source has the package.
fn is_available(package: &str, deadline: Deadline) -> bool {
    let shown =
        Tool::named("apt-cache").and_then(|tool| tool.args(["show", "--no-all-versions", package]).run(deadline));
    shown.is_ok_and(|output| output.is_success() && output.stdout.contains(&format!("Package: {package}")))
}
