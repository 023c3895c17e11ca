//! The data directory that every cluster starts as. `initdb` makes it once in each process of tests.

use super::directory::Directory;
use super::programs::{as_server_user, program, run, run_as_server_user};
use super::{PASSWORD, ROLE};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Settings of every cluster. Small segments of the log make a small directory, which is copied quickly. Dynamic shared
/// memory in files disappears with the directory. Commits are durable, as PostgreSQL ships it.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
shared_buffers = 16MB
dynamic_shared_memory_type = mmap
min_wal_size = 4MB
max_wal_size = 64MB
max_connections = 100
max_wal_senders = 4
wal_keep_size = 16MB
timezone = UTC
log_timezone = UTC
";

/// Copies the template to `data`, which must not exist.
pub(super) fn copy_to(data: &Path) {
    static TEMPLATE: OnceLock<Directory> = OnceLock::new();
    let template = TEMPLATE.get_or_init(make).path().join("data");
    let mut command = Command::new("cp");
    command.args(["-a", "--reflink=auto"]).arg(template).arg(data);
    run(command);
}

fn make() -> Directory {
    let directory = Directory::new();
    let data = directory.path().join("data").display().to_string();
    let options = ["--locale=C.UTF-8", "--encoding=UTF8", "--wal-segsize=1", "--no-sync"];
    // A connection over the socket needs no password, one over TCP does.
    let authentication = ["--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256"];
    run_as_server_user(&[&[program("initdb").as_str(), "-D", &data], &options[..], &authentication[..]].concat());
    let mut file = OpenOptions::new().append(true).open(directory.path().join("data/postgresql.conf")).unwrap();
    file.write_all(SETTINGS.as_bytes()).unwrap();
    create_role(&data);
    directory
}

/// Creates the role and its database without starting a server.
fn create_role(data: &str) {
    let words = as_server_user(&[&program("postgres"), "--single", "-j", "-D", data, "postgres"]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).current_dir("/").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let sql = format!(
        "CREATE ROLE {ROLE} LOGIN CREATEDB PASSWORD '{PASSWORD}';\n\nCREATE DATABASE {ROLE} OWNER {ROLE} TEMPLATE template0;\n\n"
    );
    child.stdin.take().unwrap().write_all(sql.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !errors.contains("ERROR"), "{errors}");
}
