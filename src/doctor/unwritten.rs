//! A cache file that the daemon could not write: why, and a fix that works for that cause. Repeating the attempt alone
//! never helps.

use std::fs;
use std::path::Path;

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::mounts::Mount;
use crate::doctor::process::Process;

/// A cause, by the operating system's words in the daemon's report, and its fix. `DIR`, `FILE` and `USER` stand for the
/// directory, the file and the Agent's user.
const FIXES: [(&str, &str); 9] = [
    ("Read-only file system", SANDBOX),
    ("No space left", "free space or inodes: df -h DIR; df -i DIR"),
    ("quota exceeded", "raise the quota or free space: quota -u USER"),
    ("Permission denied", "chown root:opterius DIR; chmod 1775 DIR; if access control lists forbid it: getfacl DIR"),
    ("not permitted", "chattr -i DIR FILE; chown USER FILE"),
    ("Is a directory", "mv -T BLOCK BLOCK.old"),
    ("Not a directory", "mv a file out of the way that takes the place of a directory: namei -l FILE"),
    ("No such file", "install -d -m 1775 -o root -g opterius DIR"),
    ("nput/output error", "the disk may be failing: dmesg | tail"),
];

/// The fix where only the daemon sees a read-only file system.
const SANDBOX: &str = "let the daemon's sandbox write there: systemctl edit opterius-agent, add the lines [Service] and \
                       ReadWritePaths=DIR, then run: systemctl restart opterius-agent";

/// The finding about `file`, which the daemon did not write because of `cause`.
pub fn judge(context: &Context<'_>, file: &Path, cause: &str) -> Option<Finding> {
    let named = file.parent()?;
    let directory = fs::canonicalize(named).unwrap_or_else(|_| named.to_owned());
    let real = directory.join(file.file_name()?);
    let daemons = context.process().as_ref().map(Process::mounts).unwrap_or_default();
    let mounts = Mounts { daemons, own: context.system.read("/proc/self/mountinfo") };
    let seen = format!("the Agent cannot write {}: {cause}", file.display());
    if mounts.has_at(&real) {
        let seen = format!("{seen}; it is a mount point of its own, and a mount point cannot be replaced");
        let fix = format!("mount the directory {} instead of the file, then restart the Agent", named.display());
        return Some(Finding::fail(seen, fix));
    }
    let fix = match mounts.read_only_here(&directory).filter(|_| cause.contains("Read-only")) {
        Some(point) => {
            let point = point.point.display();
            format!("mount -o remount,rw {point}; if a disk error made it read-only: dmesg | tail")
        }
        None => fix(cause).to_owned(),
    };
    let temporary = real.with_file_name(format!("{}.new", real.file_name()?.display()));
    let block = if temporary.is_dir() { temporary } else { real };
    let fix = fix.replace("BLOCK", &block.display().to_string());
    let fix = fix.replace("DIR", &named.display().to_string());
    let fix = fix.replace("FILE", &file.display().to_string()).replace("USER", &context.agent.name);
    Some(Finding::fail(seen, format!("{fix}; then run: {}", context.command("reverify"))))
}

fn fix(cause: &str) -> &'static str {
    let known = FIXES.iter().find(|(words, _)| cause.contains(words));
    known.map_or("find out what is special about it: namei -l FILE; df DIR; lsattr -d DIR", |(_, fix)| fix)
}

struct Mounts {
    daemons: String,
    own: String,
}

impl Mounts {
    fn has_at(&self, path: &Path) -> bool {
        [&self.daemons, &self.own]
            .iter()
            .any(|mountinfo| Mount::holding(mountinfo, path).is_some_and(|mount| mount.point == path))
    }

    /// The read-only mount that holds the directory for everyone, not only for the daemon.
    fn read_only_here(&self, directory: &Path) -> Option<Mount> {
        Mount::holding(&self.own, directory).filter(|mount| mount.is_read_only)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_fix_of_its_own() {
        let table = [
            ("Read-only file system (os error 30)", "ReadWritePaths=DIR"),
            ("No space left on device", "df -i DIR"),
            ("Disk quota exceeded", "quota -u USER"),
            ("Permission denied (os error 13)", "chmod 1775 DIR"),
            ("Operation not permitted", "chattr -i"),
            ("Is a directory", "mv -T BLOCK"),
            ("Not a directory", "namei"),
            ("No such file or directory", "install -d"),
            ("Input/output error", "dmesg"),
            ("the moon is full", "lsattr"),
        ];
        for (cause, word) in table {
            assert!(fix(cause).contains(word) && !fix(cause).contains("reverify"), "{cause}: {}", fix(cause));
        }
    }
}
