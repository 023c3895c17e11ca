//! Fault injection for tools: they fail, hang, or kill the helper that runs them.

use crate::support::machine::run;
use std::fs;
use std::path::PathBuf;

/// The tools that operations can run.
const TOOLS: [&str; 18] = [
    "certbot",
    "chage",
    "chpasswd",
    "crontab",
    "gpasswd",
    "groupadd",
    "groupdel",
    "groupmod",
    "mariadb",
    "nginx",
    "openssl",
    "pkill",
    "setpriv",
    "ssh-keygen",
    "systemctl",
    "useradd",
    "userdel",
    "usermod",
];

/// A fault at the nth tool, starting at 1.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// Kill the helper instead of running the tool.
    KillBefore(usize),
    /// Kill the helper after running the tool.
    KillAfter(usize),
    /// Fail without running the tool.
    Refuse(usize),
}

/// Wraps all tools for the helper. Other callers get the real tools.
pub(super) struct Tampered(());

impl Tampered {
    pub(super) fn new() -> Tampered {
        fs::create_dir_all("/run/trial").unwrap();
        TOOLS.iter().filter_map(|name| path(name)).for_each(|path| {
            let path = path.display();
            let script = format!(
                "#!/bin/sh\n\
                 case $(readlink /proc/$PPID/exe) in */opterius-operation) ;; *) exec {path}.real \"$@\";; esac\n\
                 read -r fault at </run/trial/fault; read -r number </run/trial/count; number=$((number + 1))\n\
                 echo $number >/run/trial/count; echo {path} \"$@\" >>/run/trial/log\n\
                 [ $number = $at ] || exec {path}.real \"$@\"\n\
                 case $fault in\n\
                 before) kill -KILL $PPID; exit 1;;\n\
                 after) {path}.real \"$@\"; kill -KILL $PPID; exit 1;;\n\
                 refuse) echo 'refused by the test' >&2; exit 1;;\n\
                 esac\n"
            );
            replace(&path.to_string(), &script);
        });
        let tampered = Tampered(());
        tampered.set(None);
        tampered
    }

    /// Sets or clears the fault.
    pub(super) fn set(&self, fault: Option<Fault>) {
        let line = match fault {
            None => "never 0".to_owned(),
            Some(Fault::KillBefore(number)) => format!("before {number}"),
            Some(Fault::KillAfter(number)) => format!("after {number}"),
            Some(Fault::Refuse(number)) => format!("refuse {number}"),
        };
        fs::write("/run/trial/fault", line + "\n").unwrap();
        fs::write("/run/trial/count", "0\n").unwrap();
        fs::write("/run/trial/log", "").unwrap();
    }

    /// The number of tools run since the last [`Self::set`].
    pub(super) fn count(&self) -> usize {
        fs::read_to_string("/run/trial/count").unwrap().trim().parse().unwrap()
    }

    /// The command lines of these tools.
    pub(super) fn log(&self) -> String {
        fs::read_to_string("/run/trial/log").unwrap()
    }
}

/// Replaces a tool with a script. The tool stays next to it, with the suffix `.real`.
pub(super) fn replace(path: &str, script: &str) {
    run(&format!("test -e {path}.real || mv {path} {path}.real"));
    fs::write(path, script).unwrap();
    run(&format!("chmod 755 {path}"));
}

/// Restores the tool.
pub(super) fn restore(path: &str) {
    run(&format!("mv {path}.real {path}"));
}

fn path(name: &str) -> Option<PathBuf> {
    let found = ["/usr/sbin", "/usr/bin"].iter().map(|directory| PathBuf::from(directory).join(name));
    found.into_iter().find(|path| path.exists())
}
