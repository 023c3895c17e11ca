//! Testing the configuration on disk with `nginx -t`.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;

use crate::servers::nginx::cause;
use opterius_base::deadline::Deadline;
use opterius_base::files::{self, FileMode};
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::nginx::included::{ENABLED, Included, PLAIN};
use opterius_host::problem::Problem;
use opterius_host::tool::{Output, Tool};

/// Tests the current configuration.
///
/// # Errors
/// nginx is not installed, or rejects the configuration; the message includes nginx's.
pub fn test(host: &Host, deadline: Deadline) -> Result<(), Problem> {
    check_kinds(host)?;
    let output = run(host, deadline)?;
    if output.is_success() {
        return Ok(());
    }
    Err(Problem::rejected(
        "nginx",
        cause::located(host, &format!("nginx rejected the configuration. {}", output.complaint())),
    ))
}

/// Refuses files that nginx would wait for, for ever: the main process would then not answer any signal either.
///
/// # Errors
/// nginx includes a named pipe.
pub fn check_kinds(host: &Host) -> Result<(), Problem> {
    let is_pipe = |path: &PathBuf| fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo());
    let Some(pipe) = Included::read(host).files().into_iter().find(is_pipe) else { return Ok(()) };
    let sentence =
        format!("nginx would wait for {}, which is a named pipe and not a file. Move it away.", pipe.display());
    Err(Problem::rejected("nginx", cause::located(host, &sentence)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Tree, soon};

    #[test]
    fn nginx_is_not_made_to_wait_for_a_pipe() {
        let tree = Tree::new();
        let pipe = tree.directory(PLAIN).join("x.conf");
        assert!(check_kinds(&tree.host).is_ok());
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
        let Err(problem) = test(&tree.host, soon()) else { panic!() };
        assert!(problem.message().contains("x.conf, which is a named pipe"), "{}", problem.message());
    }
}
