//! The settings of PHP that a site's scripts run with.
//!
//! nginx passes those of a site with each request. A process of FPM keeps what it was given for its next request, which can be
//! for another site of the account, so the other sites then pass the same settings with the values of php.ini. Disabled
//! functions are gone from a process for good: they are the master's, for all sites of an account that share it.

use std::collections::{BTreeMap, BTreeSet};

use crate::servers::php::versions;
use crate::servers::{MAX_BODY_MIB, MAX_SCRIPT_TIME};
use crate::web::site::Site;
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::php_settings::PhpKey;
use opterius_host::request::values::PhpVersion;
use opterius_host::tool::Tool;

/// What a site's file and its master must say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhpValues {
    /// The settings that nginx passes, each with its value.
    pub passed: Vec<(PhpKey, String)>,
    /// The functions that the account's master disables, separated by commas.
    pub disabled: String,
    /// Largest body of a request, in MiB.
    pub max_body: u64,
}

impl PhpValues {
    /// Those of a site, one of these sites of its account.
    ///
    /// # Errors
    /// PHP does not say what its php.ini has.
    pub fn of(host: &Host, site: &Site, account: &[Site], deadline: Deadline) -> Result<Self, Problem> {
        let is_beside = |other: &&Site| other.php_version == site.php_version && other.username == site.username;
        let beside = account.iter().filter(|other| other.domain != site.domain).filter(is_beside).chain([site]);
        let mut keys: BTreeSet<PhpKey> = beside.clone().flat_map(|site| site.php_settings.keys()).collect();
        let has_disabled = keys.remove(&PhpKey::DisableFunctions);
        let ini = if keys.iter().all(|key| site.php_settings.get(*key).is_some()) {
            BTreeMap::new()
        } else {
            defaults(host, &site.php_version, deadline)?
        };
        let value = |key: PhpKey| site.php_settings.get(key).or_else(|| ini.get(&key).map(String::as_str));
        let passed = keys.iter().filter_map(|key| Some((*key, value(*key)?.to_owned()))).collect();
        let disabled = if has_disabled { disabled(beside) } else { String::new() };
        let sizes = [PhpKey::UploadMaxFilesize, PhpKey::PostMaxSize].map(|key| site.php_settings.mebibytes(key));
        let max_body = sizes.into_iter().flatten().chain([u64::from(MAX_BODY_MIB)]).max().unwrap_or_default();
        Ok(Self { passed, disabled, max_body })
    }

    /// The parameter with which nginx passes the settings; none if there are none.
    pub fn parameter(&self) -> String {
        if self.passed.is_empty() {
            return String::new();
        }
        let lines: Vec<String> = self.passed.iter().map(|(key, value)| format!("{}={value}", key.name())).collect();
        format!("    fastcgi_param PHP_VALUE \"{}\";\n", lines.join("\\n"))
    }
}

/// All functions that one of these sites disables.
fn disabled<'a>(sites: impl Iterator<Item = &'a Site>) -> String {
    let lists = sites.filter_map(|site| site.php_settings.get(PhpKey::DisableFunctions));
    let names: BTreeSet<&str> = lists.flat_map(|list| list.split(',')).collect();
    names.into_iter().collect::<Vec<_>>().join(",")
}

/// The values for a site that sets none: those of php.ini, and of the Agent for sizes and the time limit.
///
/// # Errors
/// The version is not installed, or does not say what its php.ini has.
pub fn defaults(host: &Host, version: &PhpVersion, deadline: Deadline) -> Result<BTreeMap<PhpKey, String>, Problem> {
    let size = format!("{MAX_BODY_MIB}M");
    let mut values = BTreeMap::from([
        (PhpKey::MaxExecutionTime, MAX_SCRIPT_TIME.to_string()),
        (PhpKey::UploadMaxFilesize, size.clone()),
        (PhpKey::PostMaxSize, size),
    ]);
    if !versions::is_installed(host, version) {
        return Ok(values);
    }
    let program = versions::program(version)
        .ok_or_else(|| Problem::Unavailable(format!("PHP {version} is not installed on this server.")))?;
    let shown = Tool::at(program).arg("-i").succeed(deadline)?.stdout;
    values.extend(parse(&shown).into_iter().filter(|(key, _)| !values.contains_key(key)).collect::<Vec<_>>());
    Ok(values)
}

/// The settings in the output of `php-fpm -i`: name, value in effect and value in php.ini.
fn parse(shown: &str) -> BTreeMap<PhpKey, String> {
    let rows = shown.lines().filter_map(|line| {
        let mut parts = line.split(" => ");
        let (key, value) = (PhpKey::named(parts.next()?)?, parts.next()?.trim());
        // A value that our own rule refuses, such as no limit of memory, is passed as it is; but only if it is plain.
        let is_plain = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_,.".contains(&byte));
        is_plain.then(|| (key, value.to_owned()))
    });
    rows.collect()
}

/// All sites that a change of one concerns: its own, and those of its account if any of them has settings of PHP. `account` is
/// all sites of the account as they are.
pub fn concerned(changed: &Site, account: Vec<Site>) -> Vec<Site> {
    let has_settings = |site: &Site| !site.php_settings.is_empty();
    // Also those that the site had before.
    let all_of_them = has_settings(changed) || account.iter().any(has_settings);
    let others = account.into_iter().filter(|site| all_of_them && site.domain != changed.domain);
    std::iter::once(changed.clone()).chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_from_what_php_shows() {
        let shown = "phpinfo()\nmemory_limit => 256M => 128M\ndisplay_errors => Off => Off\nmax_input_vars => 1000 => 1000\n\
                     disable_functions => no value => no value\nallow_url_fopen => On => On\nmemory_limit\nx => y => z\n";
        let parsed = parse(shown);
        let expected = [
            (PhpKey::MemoryLimit, "256M"),
            (PhpKey::MaxInputVars, "1000"),
            (PhpKey::DisplayErrors, "Off"),
            (PhpKey::AllowUrlFopen, "On"),
        ];
        assert_eq!(parsed, expected.map(|(key, value)| (key, value.to_owned())).into());
        assert_eq!(parse("memory_limit => -1 => -1")[&PhpKey::MemoryLimit], "-1");
        assert!(parse("memory_limit => 1\";x => 1").is_empty());
    }
}
