//! The systemd units of the accounts' PHP masters: for each PHP version, a template of a socket and of a service, whose
//! instances are the accounts. The helper writes them when a version is first used, so that a new PHP version needs no new
//! package.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::servers::php::settings;
use crate::servers::php::versions;
use crate::systemctl;
use opterius_base::deadline::Deadline;
use opterius_base::files::{self, FileMode};
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::problem::Problem;
use opterius_host::request::values::PhpVersion;

/// The links that make systemd start sockets at boot.
const WANTS: &str = "/etc/systemd/system/sockets.target.wants";

/// The start of the names of all our PHP units.
pub const PREFIX: &str = "opterius-php-";

/// Time limit for deleting unused units.
const PRUNE_TIME: Duration = Duration::from_secs(10);

/// What a mail program needs that is setuid root, such as Exim.
const MAIL_CAPABILITIES: &str =
    "CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_SETGID CAP_SETUID CAP_NET_BIND_SERVICE";

/// The units of one account and PHP version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// The socket.
    pub socket: String,
    /// The service.
    pub service: String,
}

/// The units of an account and PHP version.
pub fn instance(username: &str, version: &PhpVersion) -> Instance {
    let name = |kind: &str| format!("{PREFIX}{version}@{username}.{kind}");
    Instance { socket: name("socket"), service: name("service") }
}

/// The link that enables the socket of an account, and its target.
pub fn enabling_link(host: &Host, username: &str, version: &PhpVersion) -> (PathBuf, PathBuf) {
    let target = host.path(layout::UNITS).join(format!("{PREFIX}{version}@.socket"));
    (host.path(WANTS).join(instance(username, version).socket), target)
}

/// The accounts and versions whose sockets are enabled.
pub fn enabled(host: &Host) -> Vec<(String, PhpVersion)> {
    let entries = fs::read_dir(host.path(WANTS)).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| parse(&name)).collect()
}

/// The account and version of an enabling link.
pub fn linked(host: &Host, path: &Path) -> Option<(String, PhpVersion)> {
    if path.parent() == Some(&*host.path(WANTS)) { parse(path.file_name()?.to_str()?) } else { None }
}

fn parse(name: &str) -> Option<(String, PhpVersion)> {
    let (version, username) = name.strip_prefix(PREFIX)?.strip_suffix(".socket")?.split_once('@')?;
    let version = PhpVersion::parse("php_version", version).ok()?;
    (!username.is_empty()).then(|| (username.to_owned(), version))
}

/// Writes the units that a version needs, if they are missing or not current. They contain nothing of any account, so they
/// are no part of a transaction.
///
/// # Errors
/// A unit cannot be written, or systemd does not load it.
pub fn install(host: &Host, version: &PhpVersion, web_group: &str, deadline: Deadline) -> Result<(), Problem> {
    let program = versions::program(version)
        .ok_or_else(|| Problem::Unavailable(format!("PHP {version} is not installed on this server.")))?;
    let helper = env::current_exe().map_err(|error| Problem::failed("the path of this program", error))?;
    let texts = [
        (format!("{PREFIX}{version}@.socket"), socket(version, web_group)),
        (format!("{PREFIX}{version}@.service"), service(version, &program)),
        (format!("{PREFIX}idle.timer"), IDLE_TIMER.to_owned()),
        (format!("{PREFIX}idle.service"), idle_service(&helper, &host.config)?),
        (format!("{PREFIX}heal.service"), HEAL.to_owned()),
    ];
    let wants = host.path(WANTS);
    fs::create_dir_all(&wants).map_err(|error| Problem::at(&wants, error))?;
    let mut changed = false;
    for (name, text) in texts {
        let path = host.path(layout::UNITS).join(name);
        if fs::read(&path).ok().as_deref() != Some(text.as_bytes()) {
            files::replace(&path, text.as_bytes(), FileMode::mode(0o644)).map_err(|error| Problem::at(&path, error))?;
            changed = true;
        }
    }
    if changed { systemctl::reload_files(deadline) } else { Ok(()) }
}

/// Deletes the units of versions that no account uses. A failure leaves only unused files.
///
/// Not within a transaction, whose rollback needs the directories.
pub fn prune(host: &Host) {
    if !host.has_systemd() {
        return;
    }
    let deadline = Deadline::within(PRUNE_TIME);
    let used: Vec<PhpVersion> = enabled(host).into_iter().map(|(_, version)| version).collect();
    let entries = fs::read_dir(host.path(layout::UNITS)).into_iter().flatten().flatten();
    let is_unused = |name: &str| {
        let Some(rest) = name.strip_prefix(PREFIX) else { return false };
        let version = rest.strip_suffix("@.socket").or_else(|| rest.strip_suffix("@.service"));
        match version.and_then(|version| PhpVersion::parse("php_version", version).ok()) {
            Some(version) => !used.contains(&version),
            None => used.is_empty() && matches!(rest, "idle.timer" | "idle.service" | "heal.service"),
        }
    };
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let unused: Vec<String> = names.filter(|name| is_unused(name)).collect();
    if unused.is_empty() {
        return;
    }
    if used.is_empty() {
        let _ = systemctl::run(["stop", "opterius-php-idle.timer"], deadline);
    }
    for name in unused {
        let _ = fs::remove_file(host.path(layout::UNITS).join(name));
    }
    let directories = fs::read_dir(host.path(layout::PHP)).into_iter().flatten().flatten();
    for directory in directories {
        // Only an empty one.
        let _ = fs::remove_dir(directory.path());
    }
    let _ = systemctl::reload_files(deadline);
}

/// The path of an account's socket, with systemd's specifier for the account.
pub fn listen(version: &PhpVersion, username: &str) -> String {
    format!("{}/{version}/{username}.sock", layout::PHP_SOCKETS)
}

fn socket(version: &PhpVersion, web_group: &str) -> String {
    format!(
        "# Written by the Opterius Agent, which overwrites it.\n\
         [Unit]\n\
         Description=Socket of PHP {version} for the account %i\n\
         # Too many starts in a row, for example with a broken extension, stop the socket. Listen again soon.\n\
         OnFailure={PREFIX}heal.service\n\
         StartLimitIntervalSec=0\n\
         ConditionPathIsSymbolicLink={link}\n\
         \n\
         [Socket]\n\
         ListenStream={listen}\n\
         SocketUser=root\n\
         SocketGroup={web_group}\n\
         SocketMode=0660\n\
         RemoveOnStop=yes\n\
         \n\
         [Install]\n\
         WantedBy=sockets.target\n",
        listen = listen(version, "%i"),
        link = link(version),
    )
}

/// The enabling link, with systemd's specifier for the account: without it, for example while the account is suspended,
/// nothing starts, even if systemd could not be told.
fn link(version: &PhpVersion) -> String {
    format!("{WANTS}/{}", instance("%i", version).socket)
}

fn service(version: &PhpVersion, program: &Path) -> String {
    let mail = if sendmail_is_setuid() { MAIL_CAPABILITIES } else { "" };
    format!(
        "# Written by the Opterius Agent, which overwrites it. To change it for all accounts, create a file in\n\
         # /etc/systemd/system/opterius-php-.service.d; for one account: systemctl edit {PREFIX}{version}@ACCOUNT.service\n\
         [Unit]\n\
         Description=PHP {version} of the account %i\n\
         Documentation=file:///usr/share/doc/opterius-agent/docs/operations.md\n\
         # An upgrade of PHP and a new php.ini take effect here, too.\n\
         PartOf={shared}.service\n\
         ReloadPropagatedFrom={shared}.service\n\
         Wants={PREFIX}idle.timer\n\
         StartLimitIntervalSec=0\n\
         ConditionPathIsSymbolicLink={link}\n\
         CollectMode=inactive-or-failed\n\
         \n\
         [Service]\n\
         # Not notify: scripts could flood systemd's socket for notifications, and it would do nothing else.\n\
         Type=exec\n\
         User=%i\n\
         # FPM has its own log. The journal's socket is closed to accounts: a flood of connections would stop systemd.\n\
         StandardOutput=null\n\
         Slice=opterius-php.slice\n\
         Environment=FPM_SOCKETS={listen}=3\n\
         # How many requests of the account are served at the same time, while others wait, and how long each may take.\n\
         Environment={environment}\n\
         ExecStartPre=-/bin/mkdir -p -m 0700 /home/%i/.php/sessions /home/%i/.php/tmp\n\
         ExecStart={program} --nodaemonize --fpm-config {settings}/{version}/%i.conf\n\
         ExecReload=/bin/kill -USR2 $MAINPID\n\
         # Finish running requests.\n\
         KillMode=mixed\n\
         KillSignal=SIGQUIT\n\
         TimeoutStopSec=35\n\
         # A script that needs too much memory ends alone.\n\
         OOMPolicy=continue\n\
         # Processes and threads of one account; more would slow down every look at the processes of all.\n\
         TasksMax=1024\n\
         \n\
         # The account sees its own home and processes, and nothing that others can write to.\n\
         CapabilityBoundingSet={mail}\n\
         ProtectSystem=strict\n\
         ReadOnlyPaths=/run\n\
         ReadWritePaths=-{logs} -{php_logs}\n\
         # The queues of mail programs, for PHP's mail().\n\
         ReadWritePaths=-/var/spool/postfix/maildrop -/var/spool/postfix/public -/var/spool/exim4 -/var/log/exim4\n\
         ReadWritePaths=-/var/spool/mqueue-client -/var/spool/nullmailer -/var/spool/smtpd -/var/mail\n\
         TemporaryFileSystem=/home:ro,mode=755\n\
         BindPaths=/home/%i\n\
         TemporaryFileSystem=/dev/shm:rw,nosuid,nodev,mode=1777\n\
         # PrivateTmp would need free files in /tmp, which any tenant can use up.\n\
         TemporaryFileSystem=/tmp:rw,nosuid,nodev,mode=1777,size=64M,nr_inodes=4096\n\
         TemporaryFileSystem=/var/tmp:rw,nosuid,nodev,mode=1777,size=64M,nr_inodes=4096\n\
         PrivateIPC=yes\n\
         PrivateMounts=yes\n\
         KeyringMode=private\n\
         ProtectProc=invisible\n\
         ProtectControlGroups=yes\n\
         InaccessiblePaths=-/run/dbus -/run/systemd/private -/run/systemd/notify -/run/user\n\
         # Not set, because they imply NoNewPrivileges, under which a setgid mail program cannot deliver: PrivateDevices,\n\
         # SystemCallFilter, the Restrict* and the other Protect* directives. A stricter set is in\n\
         # /usr/share/doc/opterius-agent/examples/php-strict.conf.\n",
        shared = versions::service(version),
        link = link(version),
        listen = listen(version, "%i"),
        environment = settings::environment().map(|(name, value)| format!("{name}={value}")).join(" "),
        program = program.display(),
        settings = layout::PHP,
        logs = layout::LOGS,
        php_logs = layout::PHP_LOGS,
    )
}

/// Whether the mail program is setuid root; Postfix's is not.
fn sendmail_is_setuid() -> bool {
    Host::tool("sendmail").and_then(|path| fs::metadata(path).ok()).is_some_and(|found| found.mode() & 0o4000 != 0)
}

/// It runs only as long as a master does.
const IDLE_TIMER: &str = "\
# Written by the Opterius Agent, which overwrites it.
[Unit]
Description=Ends the idle PHP masters of accounts
StopWhenUnneeded=yes

[Timer]
OnActiveSec=30s
OnUnitInactiveSec=30s
AccuracySec=5s
";

fn idle_service(helper: &Path, config: &Path) -> Result<String, Problem> {
    let (helper, config) = (word(helper)?, word(config)?);
    Ok(format!(
        "# Written by the Opterius Agent, which overwrites it.\n\
         [Unit]\n\
         Description=Ends the idle PHP masters of accounts\n\
         \n\
         [Service]\n\
         Type=oneshot\n\
         ExecStart={helper} --config {config} end-idle-php\n\
         NoNewPrivileges=yes\n\
         CapabilityBoundingSet=CAP_DAC_READ_SEARCH\n\
         ProtectSystem=strict\n\
         ProtectHome=read-only\n\
         RestrictAddressFamilies=AF_UNIX\n\
         SystemCallFilter=@system-service\n"
    ))
}

/// A path that systemd takes literally.
fn word(path: &Path) -> Result<&str, Problem> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte);
    path.to_str().filter(|text| text.bytes().all(plain)).ok_or_else(|| {
        Problem::Unavailable(format!(
            "{} has characters in its path that systemd would interpret. Move it to a plain path.",
            path.display()
        ))
    })
}

/// `systemctl` finds the units that match.
const HEAL: &str = "\
# Written by the Opterius Agent, which overwrites it.
[Unit]
Description=Listens again on sockets of PHP that failed
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStartPre=/bin/sleep 10
ExecStart=/bin/systemctl --state=failed restart opterius-php-*@*.socket
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_unit_names_account_and_version() {
        let version = PhpVersion::parse("php_version", "8.2").unwrap();
        for username in ["alice", "a-8", "_x", "a_b-c"] {
            let units = instance(username, &version);
            assert_eq!(parse(&units.socket), Some((username.to_owned(), version.clone())));
        }
        for name in
            ["opterius-php-8.2@.socket", "opterius-php-x@a.socket", "php-8.2@a.socket", "opterius-php-8.2@a.service"]
        {
            assert_eq!(parse(name), None, "{name}");
        }
    }

    #[test]
    fn systemd_takes_every_path_literally() {
        assert!(word(Path::new("/usr/libexec/opterius/opterius-operation")).is_ok());
        for path in ["/a b", "/a%b", "/a$b", "/a;b", "/a\"b", "/a\nb"] {
            assert!(word(Path::new(path)).is_err(), "{path:?}");
        }
    }
}
