//! Which users can read or replace a file, by its mode and those of the directories above it. Ignores access control lists.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use opterius_host::users::register::Register;

/// A kind of access; the value is its mode bits for “others”.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAccess {
    /// Read a file.
    Read = 0o4,
    /// Traverse a directory.
    Pass = 0o1,
    /// Create, replace and delete files in a directory.
    Change = 0o3,
}

/// A user and its groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnixUser {
    /// The user name.
    pub name: String,
    /// The user ID; `None` if the user does not exist, in which case the bits for “others” apply.
    pub uid: Option<u32>,
    groups: Vec<u32>,
}

impl UnixUser {
    /// Looks up a user by name.
    pub fn lookup(register: &Register, name: &str) -> Self {
        let user = register.user(name);
        let member = |members: &[String]| members.iter().any(|member| member == name);
        let further = register.groups.iter().filter(|group| member(&group.members)).map(|group| group.gid);
        Self {
            name: name.to_owned(),
            uid: user.map(|user| user.uid),
            groups: user.map(|user| user.gid).into_iter().chain(further).collect(),
        }
    }

    /// The user with this ID; one without a name is named by the ID.
    pub fn of(register: &Register, uid: u32) -> Self {
        match register.users.iter().find(|user| user.uid == uid) {
            Some(user) => Self::lookup(register, &user.name),
            None => Self { name: uid.to_string(), uid: Some(uid), groups: Vec::new() },
        }
    }

    /// Whether a file with this owner, group and mode gives the user this access.
    pub fn may(&self, access: FileAccess, uid: u32, gid: u32, mode: u32) -> bool {
        let bits = access as u32;
        let shift = match () {
            () if self.uid == Some(0) => return true,
            () if self.uid == Some(uid) => 6,
            () if self.groups.contains(&gid) => 3,
            () => 0,
        };
        mode >> shift & bits == bits
    }

    fn may_on(&self, access: FileAccess, metadata: &Metadata) -> bool {
        self.may(access, metadata.uid(), metadata.gid(), metadata.mode())
    }
}

/// The first file or directory that denies a user access to `path`; ignores missing ones.
pub fn obstacle(path: &Path, user: &UnixUser, access: FileAccess) -> Option<Obstacle> {
    let directories: Vec<&Path> = path.ancestors().skip(1).collect();
    let in_order = directories.into_iter().rev().map(|directory| (directory, FileAccess::Pass));
    in_order.chain([(path, access)]).find_map(|(place, access)| {
        let metadata = fs::metadata(place).ok()?;
        (!user.may_on(access, &metadata)).then(|| Obstacle {
            place: place.to_owned(),
            uid: metadata.uid(),
            gid: metadata.gid(),
            mode: metadata.mode() & 0o7777,
        })
    })
}

/// A file or directory that denies access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// Its path.
    pub place: PathBuf,
    uid: u32,
    gid: u32,
    mode: u32,
}

impl Obstacle {
    /// Path, owner and mode, such as `/etc/opterius is root:root 1775`.
    pub fn describe(&self, register: &Register) -> String {
        let Self { place, uid, gid, mode } = self;
        let user = register.users.iter().find(|user| user.uid == *uid).map(|user| user.name.clone());
        let group = register.groups.iter().find(|group| group.gid == *gid).map(|group| group.name.clone());
        let (user, group) = (user.unwrap_or_else(|| uid.to_string()), group.unwrap_or_else(|| gid.to_string()));
        format!("{} is {user}:{group} {mode:04o}", place.display())
    }
}

/// Whether a user who can write to a directory can also replace a file in it: with the sticky bit, as on /tmp, only the
/// owner of the file or the directory can.
pub fn may_replace(user: &UnixUser, directory: &Metadata, file: Option<&Metadata>) -> bool {
    let owns = |metadata: &Metadata| user.uid == Some(metadata.uid());
    directory.mode() & 0o1000 == 0 || user.uid == Some(0) || owns(directory) || file.is_none_or(owns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mode_bits_apply_to_owner_group_or_others() {
        let register = Register::parse(
            "root:x:0:0::/root:/bin/sh\nopterius:x:990:990::/:/bin/false\nwww-data:x:33:33::/:/bin/false\n",
            "opterius:x:990:\nweb:x:500:www-data\n",
        );
        let table = [
            ("root", FileAccess::Change, 990, 990, 0o000, true),
            ("opterius", FileAccess::Read, 0, 990, 0o640, true),
            ("www-data", FileAccess::Read, 0, 990, 0o640, false),
            ("www-data", FileAccess::Read, 0, 990, 0o644, true),
            ("www-data", FileAccess::Read, 0, 500, 0o640, true),
            ("www-data", FileAccess::Read, 33, 500, 0o044, false),
            ("opterius", FileAccess::Change, 0, 990, 0o1775, true),
            ("opterius", FileAccess::Change, 0, 0, 0o1775, false),
            ("gone", FileAccess::Pass, 0, 0, 0o711, true),
            ("gone", FileAccess::Pass, 0, 0, 0o700, false),
        ];
        for (name, access, uid, gid, mode, expected) in table {
            let user = UnixUser::lookup(&register, name);
            assert_eq!(user.may(access, uid, gid, mode), expected, "{name} {access:?} {mode:o}");
        }
    }
}
