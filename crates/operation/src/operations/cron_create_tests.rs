use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::testing::{Tree, user};
use opterius_host::request::Request;

const SPOOL: &str = "/var/spool/cron/crontabs";
const ALICE: &str = "/var/spool/cron/crontabs/alice";

fn ask(tree: &Tree, path: &str, body: Value) -> Result<Value, Problem> {
    match Request::from_json(path, Some(body))? {
        Request::CreateCronJob(request) => tree.perform(&request),
        Request::ToggleCronJob(request) => tree.perform(&request),
        Request::DeleteCronJob(request) => tree.perform(&request),
        _ => panic!("{path}"),
    }
}

fn create(tree: &Tree, id: u64, command: &str) -> Result<Value, Problem> {
    let body =
        json!({"username": "alice", "schedule": "*/5 * * * *", "command": command, "cron_job_id": id.to_string()});
    ask(tree, "/cron/create", body)
}

fn with_alice() -> Tree {
    let tree = Tree::new();
    tree.account(&[]);
    // Root's ids, so that the test needs no privileges.
    let own = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let uid = if own.0 == 0 { 1001 } else { own.0.max(1000) };
    tree.write("/etc/passwd", format!("alice:x:{uid}:1001::/home/alice:/bin/bash\n"));
    tree.write("/etc/group", format!("opterius-accounts:x:990:alice\ncrontab:x:{}:\n", own.1));
    tree
}

#[test]
fn a_crontab_is_made_changed_and_removed() {
    let tree = with_alice();
    let problem = create(&tree, 1, "true").unwrap_err();
    assert!(problem.status() == 503 && problem.message().contains("apt-get install cron"), "{problem:?}");
    let spool = tree.directory(SPOOL);
    assert_eq!(create(&tree, 1, "true").unwrap()["changed"], true);
    assert_eq!(create(&tree, 1, "true").unwrap()["changed"], false);
    let file = tree.host.path(ALICE);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(fs::read_to_string(&file).unwrap().contains("\n*/5 * * * * true\n"));
    assert_eq!(create(&tree, 2, "true").unwrap_err().status(), 409);
    let job = json!({"username": "alice", "command": "true", "enabled": false});
    ask(&tree, "/cron/toggle", job.clone()).unwrap();
    assert!(fs::read_to_string(&file).unwrap().contains("\n#*/5 * * * * true\n"));
    ask(&tree, "/cron/delete", job.clone()).unwrap();
    assert!(fs::read_dir(spool).unwrap().next().is_none());
    for path in ["/cron/toggle", "/cron/delete"] {
        assert_eq!(ask(&tree, path, job.clone()).unwrap_err().status(), 404, "{path}");
    }
    assert_eq!(create(&tree, 1, "x").unwrap()["username"], "alice");
}

#[test]
fn something_else_in_its_place_is_refused() {
    let tree = with_alice();
    tree.directory(SPOOL);
    let secret = tree.write("/secret", "kept");
    symlink(&secret, tree.host.path(ALICE)).unwrap();
    assert_eq!(create(&tree, 1, "true").unwrap_err().status(), 409);
    assert_eq!(fs::read(secret).unwrap(), b"kept");
    fs::remove_file(tree.host.path(ALICE)).unwrap();
    tree.write(ALICE, vec![b'#'; 512 * 1024 + 1]);
    assert_eq!(create(&tree, 1, "true").unwrap_err().status(), 409);
    let other = json!({"username": "bob", "command": "true"});
    assert_eq!(ask(&tree, "/cron/delete", other).unwrap_err().status(), 404);
    assert_eq!(refused(&user("alice"), &Refusal::TooMany).status(), 409);
}
