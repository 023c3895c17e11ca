//! Who has administrators' privileges: members of certain groups, and users and groups in the rules of sudo and doas. Members
//! of the web server's group are no administrators, but reach into all accounts.
//!
//! Such a user is not a customer. The Agent neither adopts it nor changes it, and creates no account with a name to which an
//! old rule still gives privileges.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::host::Host;
use crate::lines;
use crate::problem::Problem;
use crate::users::register::{Group, Register, User};

/// Groups whose members can become root, or read or control what belongs to others.
const GROUPS: [&str; 27] = [
    "adm",
    "admin",
    "backup",
    "disk",
    "docker",
    "google-sudoers",
    "incus",
    "incus-admin",
    "input",
    "kmem",
    "kvm",
    "libvirt",
    "libvirt-qemu",
    "libvirtd",
    "lxd",
    "operator",
    "podman",
    "render",
    "root",
    "shadow",
    "staff",
    "sudo",
    "sudoers",
    "systemd-journal",
    "tty",
    "video",
    "wheel",
];

/// The rules of sudo(8), with the files that they include, and of doas(1).
const SUDOERS: &str = "/etc/sudoers";
const USUALLY_INCLUDED: &str = "@includedir /etc/sudoers.d";
const DOAS: &str = "/etc/doas.conf";

/// The most files of rules that are read.
const MAX_FILES: usize = 200;

/// Why a user has administrators' privileges, as the rest of a sentence that starts with its name; none if it has none.
///
/// # Errors
/// The rules of sudo cannot be read.
pub fn reason(host: &Host, register: &Register, user: &User) -> Result<Option<String>, Problem> {
    let is_member = |name: &&&str| {
        register.group(name).is_some_and(|group| group.gid == user.gid || group.members.contains(&user.name))
    };
    if let Some(group) = GROUPS.iter().find(is_member) {
        let name = &user.name;
        return Ok(Some(format!(
            "is in the group “{group}”, which has administrators' privileges (gpasswd -d {name} {group})"
        )));
    }
    let is_own = |group: &&Group| group.gid == user.gid || group.members.contains(&user.name);
    if let Some(group) = register.web_group().ok().filter(is_own) {
        let (name, group) = (&user.name, &group.name);
        return Ok(Some(format!(
            "is in the web server's group “{group}”, through which it can reach the sites and the PHP of other accounts \
             (gpasswd -d {name} {group})"
        )));
    }
    let groups: Vec<(&str, u32)> =
        register.groups.iter().filter(is_own).map(|group| (group.name.as_str(), group.gid)).collect();
    rule(host, &Subject { name: &user.name, uid: Some(user.uid), groups: &groups })
}

/// Why a user that does not exist yet would have administrators' privileges; none if it would have none.
///
/// # Errors
/// The rules of sudo cannot be read.
pub fn reason_for_new(host: &Host, register: &Register, name: &str) -> Result<Option<String>, Problem> {
    let listed = register.groups.iter().find(|group| group.members.iter().any(|member| member == name));
    if let Some(group) = listed {
        let group = &group.name;
        return Ok(Some(format!("is still listed as a member of the group “{group}” (gpasswd -d {name} {group})")));
    }
    rule(host, &Subject { name, uid: None, groups: &[(name, u32::MAX)] })
}

/// A user, as rules can name it.
struct Subject<'a> {
    name: &'a str,
    uid: Option<u32>,
    groups: &'a [(&'a str, u32)],
}

impl Subject<'_> {
    /// Whether a word of sudoers(5) is this user or one of its groups.
    fn is(&self, word: &str) -> bool {
        let word = word.trim_matches('"');
        let (group, number) = (word.strip_prefix('%'), word.strip_prefix('#'));
        match (group, number) {
            (Some(group), _) => self.groups.iter().any(|(name, gid)| *name == group || format!("#{gid}") == group),
            (_, Some(number)) => self.uid.is_some_and(|uid| number.parse() == Ok(uid)),
            _ => word == self.name,
        }
    }

    /// Whether a word of doas.conf(5) is this user or one of its groups.
    fn is_of_doas(&self, word: &str) -> bool {
        match word.strip_prefix(':') {
            Some(group) => self.is(&format!("%{group}")),
            None => word == self.name || self.uid.is_some_and(|uid| word.parse() == Ok(uid)),
        }
    }
}

fn rule(host: &Host, subject: &Subject<'_>) -> Result<Option<String>, Problem> {
    let found = |path: &Path, line: usize| {
        Some(format!("is named in line {line} of {}, which gives administrators' privileges", path.display()))
    };
    let mut files = vec![host.path(SUDOERS)];
    // Also where sudo is not installed yet.
    files.extend(included(host, &host.path(SUDOERS), USUALLY_INCLUDED).into_iter().flatten());
    let mut read = BTreeSet::new();
    while let Some(path) = files.pop().filter(|_| read.len() < MAX_FILES) {
        if !read.insert(path.clone()) {
            continue;
        }
        let text = text(&path).map_err(|error| Problem::at(&path, error))?;
        let mut number = 1_usize;
        for line in logical_lines(&text) {
            match included(host, &path, line.trim()) {
                Some(more) => files.extend(more),
                None if names(line.trim(), subject) => return Ok(found(&path, number)),
                None => {}
            }
            number = number.saturating_add(line.matches('\n').count().saturating_add(1));
        }
    }
    let path = host.path(DOAS);
    let text = text(&path).map_err(|error| Problem::at(&path, error))?;
    let permits = |line: &str| {
        let rule = line.split('#').next().unwrap_or_default();
        let mut words = rule.split_ascii_whitespace();
        words.next() == Some("permit")
            && words.take_while(|word| !matches!(*word, "as" | "cmd")).any(|word| subject.is_of_doas(word))
    };
    Ok(text.lines().position(permits).and_then(|index| found(&path, index.saturating_add(1))))
}

/// The text of a file of rules; empty if there is none.
fn text(path: &Path) -> io::Result<String> {
    match lines::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        bytes => Ok(lines::lossy(&bytes?)),
    }
}

/// Lines that end with a backslash continue.
fn logical_lines(text: &str) -> Vec<String> {
    let mut whole: Vec<String> = Vec::new();
    let mut continues = false;
    for line in text.lines() {
        match whole.last_mut().filter(|_| continues) {
            Some(last) => {
                last.push('\n');
                last.push_str(line.trim_end_matches('\\'));
            }
            None => whole.push(line.trim_end_matches('\\').to_owned()),
        }
        continues = line.ends_with('\\');
    }
    whole
}

/// The files that a line includes; none if it is not such a line.
fn included(host: &Host, from: &Path, line: &str) -> Option<Vec<PathBuf>> {
    let directive = line.strip_prefix(['@', '#'])?;
    let resolve = |path: &str| {
        let path = path.trim().trim_matches('"');
        if path.starts_with('/') { host.path(path) } else { from.with_file_name(path) }
    };
    if let Some(directory) = directive.strip_prefix("includedir").filter(|rest| rest.starts_with([' ', '\t'])) {
        let entries = fs::read_dir(resolve(directory)).into_iter().flatten().flatten();
        // sudo skips names with a dot and backups.
        let counts = |path: &PathBuf| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_none_or(|name| !name.contains('.') && !name.ends_with('~'))
        };
        return Some(entries.map(|entry| entry.path()).filter(counts).collect());
    }
    let file = directive.strip_prefix("include").filter(|rest| rest.starts_with([' ', '\t']))?;
    Some(vec![resolve(file)])
}

/// Whether a line of sudoers(5) gives something to the user: as a rule does, which starts with users, or an alias of users.
fn names(line: &str, subject: &Subject<'_>) -> bool {
    let is_comment = line.starts_with('#')
        && !line.get(1..).is_some_and(|rest| rest.starts_with(|sign: char| sign.is_ascii_digit()));
    let other = ["Defaults", "Runas_Alias", "Host_Alias", "Cmnd_Alias", "Cmd_Alias"];
    if is_comment || other.iter().any(|word| line.starts_with(word)) {
        return false;
    }
    let users = match line.strip_prefix("User_Alias") {
        Some(aliases) => aliases,
        None => line.split('=').next().unwrap_or_default(),
    };
    users.split([' ', '\t', '\n', ',', '=', ':']).any(|word| !word.is_empty() && subject.is(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_users_in_many_ways() {
        let subject = Subject { name: "alice", uid: Some(1001), groups: &[("alice", 1001), ("web", 1500)] };
        let table = [
            ("alice ALL=(ALL:ALL) ALL", true),
            ("bob, alice\tALL = NOPASSWD: ALL", true),
            ("%web ALL=(ALL) ALL", true),
            ("%#1500 ALL=(ALL) ALL", true),
            ("#1001 ALL=(ALL) ALL", true),
            ("\"alice\" ALL=ALL", true),
            ("User_Alias ADMINS = bob, alice : OTHERS = carol", true),
            ("alice", true),
            ("# alice ALL=(ALL) ALL", false),
            ("#10011 ALL=ALL", false),
            ("Defaults:alice !requiretty", false),
            ("bob ALL=(alice) /bin/true", false),
            ("!alice ALL=ALL", false),
            ("alicex ALL=ALL", false),
            ("%alicex ALL=ALL", false),
            ("Cmnd_Alias alice = /bin/true", false),
            ("", false),
        ];
        for (line, expected) in table {
            assert_eq!(names(line, &subject), expected, "{line}");
        }
        assert_eq!(logical_lines("a \\\nb\nc\\"), ["a \nb", "c"]);
    }
}
