//! A cache file that the daemon could not write: why, and a fix that works for that cause. Repeating the attempt alone
//! never helps.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::mounts::Mount;
use crate::doctor::shell;
use opterius_base::files;

/// A cause, by the operating system's words in the daemon's report, and its fix. `%d%`, `%f%`, `%b%` and `%u%` stand for
/// the directory, the file, what is in its way, and the Agent's user.
const FIXES: [(&str, &str); 9] = [
    ("Read-only", SANDBOX),
    ("No space", "free space or inodes: df -h %d%; df -i %d%"),
    ("quota", "raise the quota or free space: quota -u %u%"),
    ("Permission", "chown root:opterius %d%; chmod 1775 %d%; if an access control list forbids it: getfacl %d%"),
    ("permitted", "chattr -i %d% %f%; chown %u% %f%"),
    ("Is a dir", "mv -T %b% %b%.old"),
    ("Not a dir", "move away the file that is in place of a directory: namei -l %f%"),
    ("No such", "install -d -m 1775 -o root -g opterius %d%"),
    ("", "find out what is special about it: namei -l %f%; df %d%; lsattr -d %d%; dmesg | tail"),
];

/// The fix where only the daemon sees a read-only file system.
const SANDBOX: &str = "let the daemon's sandbox write there: systemctl edit opterius-agent, add the lines [Service] and \
                       ReadWritePaths=%d%, then run: systemctl restart opterius-agent";

/// The finding about `file`, which the daemon did not write because of `cause`.
pub fn judge(context: &Context<'_>, file: &Path, cause: &str) -> Option<Finding> {
    let named = file.parent()?;
    let directory = fs::canonicalize(named).unwrap_or_else(|_| named.to_owned());
    let real = directory.join(file.file_name()?);
    let own = context.system.read("/proc/self/mountinfo");
    let daemons = context.process.map(|process| process.mounts()).unwrap_or_default();
    let is_mounted = |mountinfo| Mount::holding(mountinfo, &real).is_some_and(|mount| mount.point == real);
    let seen = format!("the Agent cannot write {}: {cause}", file.display());
    if is_mounted(&own) || is_mounted(&daemons) {
        let seen = format!("{seen}; it is a mount point of its own, which cannot be replaced");
        let fix = format!("mount the directory {} instead of the file, then restart the Agent", named.display());
        return Some(Finding::fail(seen, fix));
    }
    let temporary = files::temporary_path(&real);
    let fix = fix(cause);
    let mut text = String::new();
    // Of another user, as after a run as root that was killed. The name is fixed, so that it is in the way for ever.
    let is_leftover = fs::symlink_metadata(&temporary)
        .is_ok_and(|left| !left.is_dir() && context.agent.uid.is_some_and(|own| own != 0 && own != left.uid()));
    if is_leftover {
        text = format!("rm -f {}; ", shell::path(&temporary));
    }
    let block = if temporary.is_dir() { temporary } else { real };
    // Read-only for everyone, not only for the daemon.
    let mount = Mount::holding(&own, &directory).filter(|mount| mount.is_read_only && fix == SANDBOX);
    if let Some(Mount { point, .. }) = mount {
        text = format!("mount -o remount,rw {}; if a disk error made it read-only: dmesg | tail", shell::path(&point));
    } else {
        let (directory, file, block) = (shell::path(named), shell::path(file), shell::path(&block));
        let user = shell::quoted(&context.agent.name);
        for piece in fix.split('%') {
            text.push_str(match piece {
                "d" => &directory,
                "f" => &file,
                "b" => &block,
                "u" => &user,
                _ => piece,
            });
        }
    }
    Some(Finding::fail(seen, format!("{text}; then run: {}", context.command("reverify"))))
}

/// The first clause decides: what follows is about the withdrawal of the old file, which failed as well.
fn fix(cause: &str) -> &'static str {
    let first = cause.split("; ").next().unwrap_or_default();
    FIXES.iter().find(|(words, _)| first.contains(words)).map_or("", |(_, fix)| fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_fix_of_its_own() {
        let table = [
            ("Read-only file system (os error 30)", "ReadWritePaths=%d%"),
            ("No space left on device", "df -i %d%"),
            ("Disk quota exceeded", "quota -u %u%"),
            ("Permission denied (os error 13)", "chmod 1775 %d%"),
            ("Operation not permitted", "chattr -i"),
            ("Operation not permitted; the old file cannot be removed either (Permission denied)", "chown %u% %f%"),
            ("Is a directory", "mv -T %b%"),
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
