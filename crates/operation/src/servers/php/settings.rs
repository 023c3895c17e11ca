//! The settings of an account's own FPM master. Root writes them, and the master reads them as the account's user.

use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};

use crate::servers::php::fastcgi::PING;
use crate::servers::{MAX_BODY_MIB, MAX_SCRIPT_TIME};
use opterius_base::hex::hex;
use opterius_host::host::Host;
use opterius_host::layout;
use opterius_host::request::values::PhpVersion;

/// The variable with the number of requests that a master serves at the same time.
const CHILDREN: &str = "OPTERIUS_PHP_CHILDREN";

/// The variable with the time limit of a request, in seconds.
const SECONDS: &str = "OPTERIUS_PHP_SECONDS";

/// The environment of a master. An administrator can change it with `systemctl edit`, without touching a file of ours.
pub fn environment() -> [(&'static str, String); 2] {
    [(CHILDREN, "10".to_owned()), (SECONDS, MAX_SCRIPT_TIME.to_string())]
}

/// The path of the settings.
pub fn path(host: &Host, username: &str, version: &PhpVersion) -> PathBuf {
    host.path(layout::PHP).join(version.as_str()).join(format!("{username}.conf"))
}

/// The log of the account's masters, which belongs to the account.
pub fn log(host: &Host, username: &str) -> PathBuf {
    host.path(layout::PHP_LOGS).join(username).join("fpm.log")
}

/// The line that disables functions, separated by commas, for a pool; none if there are none.
pub fn disabled_functions(names: &str) -> String {
    if names.is_empty() { String::new() } else { format!("php_admin_value[disable_functions] = {names}\n") }
}

/// The settings, which disable these functions, and the answer to a ping of a master that runs with exactly these.
pub fn render(host: &Host, username: &str, version: &PhpVersion, socket: &Path, disabled: &str) -> (String, String) {
    let home = host.home(username);
    let before = format!(
        "; opterius-agent: PHP {version} of the account {username}; the Agent overwrites this file\n\
         [global]\n\
         error_log = {log}\n\
         log_level = warning\n\
         ; The default wakes up every 10 s.\n\
         systemd_interval = 0\n\
         process_control_timeout = 30s\n\
         \n\
         [account-{username}]\n\
         listen = {socket}\n\
         ; Start processes only when requests arrive. A master without a process has been idle for this time.\n\
         pm = ondemand\n\
         pm.max_children = ${{{children}}}\n\
         pm.process_idle_timeout = 60s\n\
         pm.max_requests = 500\n\
         ; A request that hangs does not occupy a process forever; the log names its script.\n\
         request_terminate_timeout = ${{{seconds}}}\n\
         security.limit_extensions = .php\n\
         catch_workers_output = no\n\
         php_admin_flag[log_errors] = on\n\
         ; nginx names the log of each site.\n\
         php_admin_value[error_log] = {log}\n\
         php_value[max_execution_time] = ${{{seconds}}}\n\
         php_value[post_max_size] = {MAX_BODY_MIB}M\n\
         php_value[upload_max_filesize] = {MAX_BODY_MIB}M\n\
         ; Sessions survive the end of an idle master. Debian's own cleaner does not look here.\n\
         php_value[session.save_path] = {home}/.php/sessions\n\
         php_value[session.gc_probability] = 1\n\
         ; /tmp is small and in memory.\n\
         php_admin_value[sys_temp_dir] = {home}/.php/tmp\n\
         php_admin_value[upload_tmp_dir] = {home}/.php/tmp\n\
         php_value[session.gc_divisor] = 1000\n\
         ; The shared masters restrict these for all of their pools.\n\
         php_admin_value[opcache.restrict_api] = {home}\n\
         php_admin_flag[opcache.validate_permission] = off\n\
         {functions}ping.path = {PING}\n",
        functions = disabled_functions(disabled),
        log = log(host, username).display(),
        socket = socket.display(),
        home = home.display(),
        children = CHILDREN,
        seconds = SECONDS,
    );
    let token = hex(digest(&SHA256, before.as_bytes()).as_ref().get(..16).unwrap_or_default());
    (format!("{before}ping.response = {token}\n"), token)
}

/// The token in the text of settings.
pub fn token(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("ping.response = "))
}
