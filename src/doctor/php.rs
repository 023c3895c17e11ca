//! PHP: all pools of one FPM master share its memory, so the Panel's own pool must not be in the master of accounts.

use std::fs;
use std::path::Path;

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use opterius_host::users::register::Register;

/// Where the Panel is installed.
const PANEL: &str = "/opt/opterius";

/// A pool of a shared master.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Pool {
    user: String,
    listen: String,
}

/// Whether accounts share the memory of a PHP master with each other, or with the Panel.
pub fn masters(context: &Context<'_>) -> Option<Finding> {
    let host = context.host()?;
    let register = Register::read(&host).ok()?;
    let enabled = ["/etc/nginx/sites-enabled", "/etc/nginx/conf.d"].map(|path| host.path(path));
    let panel: Vec<String> =
        enabled.iter().flat_map(|path| files(path)).flat_map(|text| panel_sockets(&text)).collect();
    let (mut with_panel, mut shared) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(host.path("/etc/php")).into_iter().flatten().flatten() {
        let version = entry.file_name().to_string_lossy().into_owned();
        let pools: Vec<Pool> = files(&entry.path().join("fpm/pool.d")).iter().flat_map(|text| parse(text)).collect();
        let is_account = |pool: &&Pool| {
            register.accounts().contains(&pool.user)
                || register
                    .users
                    .iter()
                    .any(|user| user.uid.to_string() == pool.user && register.accounts().contains(&user.name))
        };
        if pools.iter().any(|pool| is_account(&pool)) {
            if pools.iter().any(|pool| panel.contains(&pool.listen)) {
                with_panel.push(version);
            } else {
                shared.push(version);
            }
        }
    }
    Some(judge(&with_panel, &shared, &context.command("operation adopt")))
}

fn judge(with_panel: &[String], shared: &[String], adopt: &str) -> Finding {
    if !with_panel.is_empty() {
        return Finding::fail(
            format!(
                "the Panel's own PHP shares a master with pools of accounts (PHP {}): a tenant's script can read the Panel's \
                 settings from the opcode cache",
                with_panel.join(", ")
            ),
            format!("{adopt}; move pools of accounts that remain to another PHP version than the Panel's"),
        );
    }
    if shared.is_empty() {
        return Finding::pass("no account shares a PHP master");
    }
    Finding::warn(
        format!("accounts still share a PHP master (PHP {}), and its APCu cache", shared.join(", ")),
        format!("{adopt}; then create sites of accounts that remain again in the Panel"),
    )
}

/// The texts of all .conf files of a directory, and of files without an extension, as in sites-enabled.
fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let entries = entries.filter(|path| path.extension().is_none_or(|extension| extension == "conf"));
    entries.filter_map(|path| fs::read(path).ok()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}

/// The PHP sockets in an nginx file that serves the Panel.
fn panel_sockets(text: &str) -> Vec<String> {
    let directives = || text.split([';', '{', '}', '\n']).map(str::trim).filter(|part| !part.starts_with('#'));
    let is_root =
        |part: &str| part.strip_prefix("root").is_some_and(|path| path.trim().trim_matches('"').starts_with(PANEL));
    if !directives().any(is_root) {
        return Vec::new();
    }
    let passed = directives().filter_map(|part| part.strip_prefix("fastcgi_pass"));
    passed.map(|target| target.trim().trim_matches('"').trim_start_matches("unix:").to_owned()).collect()
}

/// The pools in a file.
fn parse(text: &str) -> Vec<Pool> {
    let mut pools: Vec<(String, Pool)> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            pools.push((name.to_owned(), Pool::default()));
        }
        let (Some((name, pool)), Some((key, value))) = (pools.last_mut(), line.split_once('=')) else { continue };
        let value = value.split(';').next().unwrap_or_default().trim().trim_matches(['"', '\'']).replace("$pool", name);
        match key.trim() {
            "user" => pool.user = value,
            "listen" => pool.listen = value,
            _ => {}
        }
    }
    pools.into_iter().map(|(_, pool)| pool).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    #[test]
    fn the_panels_socket_is_found_in_its_server_block() {
        let panel = "server {\n  root /opt/opterius/public;\n  location ~ \\.php$ { fastcgi_pass unix:/run/php/php8.4-fpm.sock; }\n}\n";
        assert_eq!(panel_sockets(panel), ["/run/php/php8.4-fpm.sock"]);
        assert_eq!(panel_sockets(&panel.replace("/opt/opterius", "/home/alice")), [""; 0]);
        assert_eq!(panel_sockets(&panel.replace("  root", "  # root")), [""; 0]);
    }

    #[test]
    fn pools_are_parsed() {
        let text = "[alice]\nuser = $pool\nlisten = /a ; note\n[global]\n[www]\nuser = \"www-data\"\n";
        let users: Vec<String> = parse(text).into_iter().map(|pool| pool.user).collect();
        assert_eq!(users, ["alice", "", "www-data"]);
    }

    #[test]
    fn a_master_shared_with_the_panel_fails() {
        let version = ["8.4".to_owned()];
        assert_eq!(judge(&version, &[], "adopt").verdict, Verdict::Fail);
        assert_eq!(judge(&[], &version, "adopt").verdict, Verdict::Warn);
        assert_eq!(judge(&[], &[], "adopt").verdict, Verdict::Pass);
    }
}
