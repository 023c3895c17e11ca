//! The package of the license server.

use crate::support::http::{self, Request};
use crate::support::machine::{attempt, run};
use crate::support::package::{file, install, on_a_server};
use crate::support::{SOON, eventually};
use std::path::Path;

const PORT: u16 = 7480;

fn show(property: &str) -> String {
    run(&format!("systemctl show -P {property} opterius-license-server.service")).trim().to_owned()
}

#[test]
fn the_license_server_is_installed_run_and_removed_without_its_licenses() {
    on_a_server(the_license_server_is_installed_run_and_removed_without_its_licenses, || {
        let output = install(&file("opterius-license-server"));
        assert!(output.contains("opterius-license-server init"), "{output}");
        assert_eq!(show("ActiveState"), "inactive");
        run("opterius-license-server init && systemctl start opterius-license-server");
        assert_eq!(show("StatusText"), format!("Answering on 127.0.0.1:{PORT}"));
        let process = show("MainPID");
        assert_eq!(run(&format!("stat -c %U /proc/{process}")).trim(), "opterius-license");
        let health = || http::fetch(PORT, Request::get("/health")).map(|answer| answer.status).ok();
        assert_eq!(health(), Some(200));

        run("systemctl kill --signal=KILL --kill-who=main opterius-license-server");
        assert_eq!(health(), Some(200), "the next process answers requests that waited in the stored socket");
        assert!(eventually(SOON, || show("ActiveState") == "active" && show("MainPID") != process));
        run("opterius-license-server user add owner --administrator <<'END'\ncorrect horse battery staple\nEND");
        run(
            "opterius-license-server license create --owner owner --plan free && systemctl reload opterius-license-server",
        );
        // Installing over a running service restarts it.
        install(&file("opterius-license-server"));
        assert_eq!((health(), show("NRestarts")), (Some(200), "0".to_owned()));
        assert!(run("man 8 opterius-license-server").contains("keys rotate"));
        back_up_and_restore();

        let output = run("DEBIAN_FRONTEND=noninteractive dpkg --purge opterius-license-server 2>&1");
        assert!(output.contains("kept: /var/lib/opterius-license-server"), "{output}");
        assert!(Path::new("/var/lib/opterius-license-server/signing-keys.json").exists());
        assert!(!Path::new("/etc/opterius").exists() && attempt("getent passwd opterius-license").0);
    });
}

/// The backup of the sandboxed unit is the user's own, and can be restored.
fn back_up_and_restore() {
    for _ in 0..2 {
        run("systemctl start opterius-license-server-backup.service");
    }
    let backups = run("find /var/backups/opterius-license-server -type f -printf '%m %u %p\\n'");
    assert_eq!(backups.lines().count(), 1, "no second one is due: {backups}");
    let backup = backups.strip_prefix("600 opterius-license ").unwrap_or_else(|| panic!("{backups}")).trim().to_owned();
    run("systemctl enable --now opterius-license-server-backup.timer");
    let restore = format!("opterius-license-server restore {backup} --yes");
    assert!(!attempt(&restore).0, "the server runs");
    run(&format!("systemctl stop opterius-license-server && {restore} && opterius-license-server check"));
    run("systemctl start opterius-license-server && opterius-license-server license list | grep owner");
    assert_eq!(run("find /var/lib/opterius-license-server ! -user opterius-license"), "");
}
