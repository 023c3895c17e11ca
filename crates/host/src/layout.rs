//! The paths, groups and program names that Opterius uses on a host.

/// The configuration file.
pub const CONFIG: &str = "/etc/opterius/agent.conf";

/// The state directory.
pub const STATE: &str = "/var/lib/opterius";

/// Published records of sites, one file per site, readable by the Agent.
pub const PUBLISHED: &str = "/var/lib/opterius/sites";

/// Records of accounts, one file per account, readable by the Agent.
pub const ACCOUNTS: &str = "/var/lib/opterius/accounts";

/// What the accounts made in the servers of databases, one file per account. Only root can read it.
pub const DATABASES: &str = "/var/lib/opterius/databases";

/// Responses to ACME challenges, for all sites. Only root can write here.
pub const WEBROOT: &str = "/var/lib/opterius/acme";

/// Uploaded certificates.
pub const UPLOADED: &str = "/var/lib/opterius/certificates";

/// The journal of the change in progress.
pub const JOURNAL: &str = "/var/lib/opterius/unfinished.json";

/// The next free uid, where the host is a directory tree.
pub const NEXT_UID: &str = "/var/lib/opterius/next-uid";

/// nginx files that answer for suspended sites which the Agent does not manage.
pub const SUSPENDED: &str = "/var/lib/opterius/suspended";

/// Settings of sites, one file per site: what its owner has set beyond what the first line of its nginx file says.
pub const SITE_SETTINGS: &str = "/var/lib/opterius/site-settings";

/// Passwords of protected directories, one file per directory, readable by the web server.
pub const SITE_PASSWORDS: &str = "/var/lib/opterius/site-passwords";

/// Settings of the accounts' PHP masters: a directory for each PHP version, a file for each account.
pub const PHP: &str = "/var/lib/opterius/php";

/// Sockets of the accounts' PHP masters, which systemd creates: a directory for each PHP version.
pub const PHP_SOCKETS: &str = "/run/opterius-php";

/// Logs of the accounts' PHP masters, one directory per account.
pub const PHP_LOGS: &str = "/var/log/opterius/php";

/// The main file for nginx's test, where the host is a directory tree.
pub const NGINX_TEST: &str = "/var/lib/opterius/nginx-test";

/// The name of the nginx file with the size of its table of server names.
pub const NGINX_NAMES: &str = "opterius-names.conf";

/// The name of the nginx file that answers for names that no site has.
pub const NGINX_DEFAULT: &str = "opterius-default.conf";

/// The administrator's own nginx directives for sites, one file per site.
pub const NGINX_HOOKS: &str = "/etc/opterius/nginx.d";

/// The crontabs of suspended accounts.
pub const DISABLED_CRONTABS: &str = "/var/spool/cron/opterius-suspended";

/// The directory of all logs.
pub const LOG_ROOT: &str = "/var/log/opterius";

/// The jobs of suspended accounts, one directory per account.
pub const DISABLED_AT_JOBS: &str = "/var/spool/cron/opterius-suspended-at";

/// The machine's directories of temporary files, and where the helper's unit shows them, because its own are private.
pub const SHARED_TEMPORARY: [(&str, &str); 2] =
    [("/tmp", "/run/opterius/shared/tmp"), ("/var/tmp", "/run/opterius/shared/var-tmp")];

/// Logs of sites, one directory per site.
pub const LOGS: &str = "/var/log/opterius/sites";

/// The helper program, where the package installs it.
pub const PROGRAM: &str = "/usr/libexec/opterius/opterius-operation";

/// The file name of the helper program.
pub const PROGRAM_NAME: &str = "opterius-operation";

/// The socket on which systemd listens for the helper.
pub const SOCKET: &str = "/run/opterius/operation.sock";

/// Which of the unused uids a helper or its programs have: locked files with their names.
pub const RESERVED_UIDS: &str = "/run/opterius-uids";

/// The Agent's group, if the host has it.
pub const AGENT_GROUP: &str = "opterius";

/// The group whose members are the accounts.
pub const ACCOUNTS_GROUP: &str = "opterius-accounts";

/// The group of accounts without a login shell, which sshd confines to SFTP.
pub const SFTP_GROUP: &str = "opterius-sftp";

/// Our part of sshd's configuration.
pub const SSHD_DROP_IN: &str = "/etc/ssh/sshd_config.d/50-opterius.conf";

/// Backups: a directory for each account.
pub const BACKUPS: &str = "/var/backups/opterius";

/// The administrator's directory of systemd units.
pub const UNITS: &str = "/etc/systemd/system";
