//! The users and groups of a host. An account is a member of the group `opterius-accounts`. They are read directly from
//! /etc/passwd and /etc/group, so that a host below another root can be read too.
//!
//! Users choose some of the bytes in these files (chfn(1)), so only the fields that are used must be text.

use std::io::ErrorKind;

use crate::host::Host;
use crate::layout::ACCOUNTS_GROUP;
use crate::lines;
use crate::problem::Problem;
use crate::request::values::Username;

/// Lowest uid of a regular user.
pub const FIRST_UID: u32 = 1000;

/// One line of passwd(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The username.
    pub name: String,
    /// The uid.
    pub uid: u32,
    /// The primary group's gid.
    pub gid: u32,
    /// The home directory.
    pub home: String,
    /// The login shell.
    pub shell: String,
}

/// One line of group(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group's name.
    pub name: String,
    /// The gid.
    pub gid: u32,
    /// The usernames of its members.
    pub members: Vec<String>,
}

/// The users and groups of a host.
#[derive(Clone, Debug, Default)]
pub struct Register {
    /// The users.
    pub users: Vec<User>,
    /// The groups.
    pub groups: Vec<Group>,
}

impl Register {
    /// Reads the users and groups of a host.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(host: &Host) -> Result<Self, Problem> {
        let read = |name: &str| match lines::read(&host.path(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound && !host.is_machine() => Ok(Vec::new()),
            result => result.map_err(|error| Problem::failed(name, error)),
        };
        Ok(Self::parse(read("/etc/passwd")?, read("/etc/group")?))
    }

    /// Parses passwd(5) and group(5). A malformed line is ignored, and logged once.
    pub fn parse(passwd: impl AsRef<[u8]>, group: impl AsRef<[u8]>) -> Self {
        Self {
            users: lines::parse("/etc/passwd", passwd.as_ref(), user),
            groups: lines::parse("/etc/group", group.as_ref(), self::group),
        }
    }

    /// The user with this name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The group with this name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The usernames of all accounts.
    pub fn accounts(&self) -> &[String] {
        self.group(ACCOUNTS_GROUP).map_or(&[], |group| &group.members)
    }

    /// The user of an account.
    ///
    /// # Errors
    /// The account does not exist.
    pub fn account(&self, username: &Username) -> Result<&User, Problem> {
        let user = self.user(username.as_str()).filter(|user| self.accounts().contains(&user.name));
        user.ok_or_else(|| Problem::NotFound(format!("The account “{username}” does not exist on this server.")))
    }

    /// The web server's group, which can traverse home directories.
    ///
    /// # Errors
    /// The host has no such group.
    pub fn web_group(&self) -> Result<&Group, Problem> {
        let found = ["www-data", "nginx", "apache"].iter().find_map(|name| self.group(name));
        found.ok_or_else(|| {
            Problem::Unavailable("This server has no web server group (www-data or nginx). Install nginx.".to_owned())
        })
    }
}

fn user(line: &[u8]) -> Option<User> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
    let [name, _, uid, gid, _, home, shell] = fields.as_slice() else { return None };
    Some(User {
        name: name_of(name)?,
        uid: lines::number(uid)?,
        gid: lines::number(gid)?,
        home: lines::lossy(home),
        shell: lines::lossy(shell),
    })
}

fn group(line: &[u8]) -> Option<Group> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
    let [name, _, gid, members] = fields.as_slice() else { return None };
    // A member that is not text costs itself alone.
    let members = members.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter_map(name_of).collect();
    Some(Group { name: name_of(name)?, gid: lines::number(gid)?, members })
}

fn name_of(bytes: &[u8]) -> Option<String> {
    lines::field(bytes).filter(|name| !name.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_not_text_costs_itself_alone() {
        let register = Register::parse(
            b"root:x:0:0:root:/root:/bin/sh\nalice:x:1001:1001:,\xff,,:/home/alice:/bin/sh\nb\xffb:x:1002:1002::/:/bin/sh\n\xff\ncarol:x:1003:1003::/home/carol:/bin/sh",
            b"\xff\nopterius-accounts:x:990:alice,\xff,carol\n\xff:x:1:\nalice:x:1001:\n",
        );
        let names: Vec<&str> = register.users.iter().map(|user| user.name.as_str()).collect();
        assert_eq!(names, ["root", "alice", "carol"]);
        assert_eq!(register.accounts(), ["alice", "carol"]);
        assert!(register.group("alice").is_some());
    }

    #[test]
    fn an_account_is_a_user_in_the_group() {
        let register = Register::parse(
            "root:x:0:0:root:/root:/bin/bash\nalice:x:1001:1001::/home/alice:/bin/bash\nbob:x:1002:1002::/home/bob:/bin/sh\nbroken\n",
            "root:x:0:\nwww-data:x:33:\nopterius-accounts:x:990:alice, gone\n",
        );
        let named = |name: &str| Username::parse("username", name).unwrap();
        assert_eq!(register.account(&named("alice")).unwrap().uid, 1001);
        for name in ["bob", "root", "gone", "nobody"] {
            assert!(matches!(register.account(&named(name)), Err(Problem::NotFound(_))), "{name}");
        }
        assert_eq!((register.users.len(), register.accounts().len()), (3, 2));
        assert_eq!(register.web_group().unwrap().gid, 33);
        assert!(Register::default().web_group().is_err());
    }
}
