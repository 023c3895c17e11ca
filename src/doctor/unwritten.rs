//! A cache file that the daemon could not write: why, and a fix that works for that cause. Repeating the attempt alone
//! never helps.

use std::fs;
use std::path::Path;

use crate::doctor::context::Context;
use crate::doctor::finding::Finding;
use crate::doctor::mounts::Mount;
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
    let daemons = context.process().map(|process| process.mounts()).unwrap_or_default();
    let is_mounted = |mountinfo| Mount::holding(mountinfo, &real).is_some_and(|mount| mount.point == real);
    let (shown, directory_shown) = (file.display().to_string(), named.display().to_string());
    let seen = format!("the Agent cannot write {shown}: {cause}");
    if is_mounted(&own) || is_mounted(&daemons) {
        let seen = format!("{seen}; it is a mount point of its own, which cannot be replaced");
        let fix = format!("mount the directory {directory_shown} instead of the file, then restart the Agent");
        return Some(Finding::fail(seen, fix));
    }
    let temporary = files::temporary_path(&real);
    let block = if temporary.is_dir() { temporary } else { real };
    // Read-only for everyone, not only for the daemon.
    let mount = Mount::holding(&own, &directory).filter(|mount| mount.is_read_only && fix(cause) == SANDBOX);
    let mut text = String::new();
    if let Some(Mount { point, .. }) = mount {
        text = format!("mount -o remount,rw {}; if a disk error made it read-only: dmesg | tail", point.display());
    } else {
        for piece in fix(cause).split('%') {
            text.push_str(match piece {
                "d" => &directory_shown,
                "f" => &shown,
                "b" => block.to_str()?,
                "u" => &context.agent.name,
                _ => piece,
            });
        }
    }
    Some(Finding::fail(seen, format!("{text}; then run: {}", context.command("reverify"))))
}

fn fix(cause: &str) -> &'static str {
    FIXES.iter().find(|(words, _)| cause.contains(words)).map_or("", |(_, fix)| fix)
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
