//! Free space on the file systems of the Agent and the accounts.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::doctor::context::Context;
use crate::doctor::finding::{Finding, Verdict};
use crate::doctor::shell;
use crate::doctor::system::Space;

const MIB: u64 = 1024 * 1024;

/// Less free space than this is a failure: certificates, logs and the cache need more.
const MIN_BYTES: u64 = 16 * MIB;

/// Fewer free inodes than this are a failure.
const MIN_INODES: u64 = 64;

/// Less free space than this, in percent, causes a warning.
const SCARCE: u64 = 5;

/// Free bytes.
pub fn bytes(context: &Context<'_>) -> Option<Finding> {
    Some(worst(context, judge_bytes))
}

/// Free inodes.
pub fn inodes(context: &Context<'_>) -> Option<Finding> {
    Some(worst(context, judge_inodes))
}

fn worst(context: &Context<'_>, judge: fn(&str, &Space) -> Finding) -> Finding {
    combine(file_systems(context).values().map(|(names, space)| judge(names, space)).collect())
}

/// The free space below each relevant directory, once per file system.
fn file_systems(context: &Context<'_>) -> BTreeMap<u64, (String, Space)> {
    let mut file_systems: BTreeMap<u64, (String, Space)> = BTreeMap::new();
    for directory in directories(context) {
        let existing = directory.ancestors().find(|place| place.is_dir()).unwrap_or(Path::new("/"));
        let Ok(space) = context.system.probe.space(existing) else { continue };
        let name = existing.display().to_string();
        file_systems
            .entry(space.device)
            .and_modify(|(names, _)| *names = format!("{names}, {name}"))
            .or_insert((name, space));
    }
    file_systems
}

/// Where the Agent and the accounts need space.
fn directories(context: &Context<'_>) -> [PathBuf; 3] {
    let host = context.host();
    let below = |path: &str| host.as_ref().map_or_else(|| context.system.path(path), |host| host.path(path));
    let cache = context.config().and_then(|config| config.license.cache.parent());
    let cache = cache.map_or_else(|| context.system.path("/etc/opterius"), Path::to_owned);
    [cache, below("/var/lib/opterius"), below("/home")]
}

fn judge_bytes(names: &str, space: &Space) -> Finding {
    let Space { bytes, free_bytes, .. } = *space;
    let seen = format!("{} of {} free at {names}", size(free_bytes), size(bytes));
    let fix = format!("df -h; du -xhd2 {} | sort -h | tail", first(names));
    finding(scarcity(free_bytes, bytes, MIN_BYTES), seen, fix)
}

fn judge_inodes(names: &str, space: &Space) -> Finding {
    let Space { inodes, free_inodes, .. } = *space;
    let seen = format!("{free_inodes} of {inodes} inodes free at {names}");
    let fix = format!("df -i; du --inodes -xd2 {} | sort -n | tail", first(names));
    finding(scarcity(free_inodes, inodes, MIN_INODES), seen, fix)
}

/// The first of the names, as a word of a command.
fn first(names: &str) -> Cow<'_, str> {
    shell::quoted(names.split(", ").next().unwrap_or("/"))
}

fn finding(verdict: Verdict, seen: String, fix: String) -> Finding {
    Finding { verdict, seen, fix: (verdict != Verdict::Pass).then_some(fix) }
}

/// Compares free with total space; a file system without a fixed number of inodes reports 0 of 0.
fn scarcity(free: u64, all: u64, minimum: u64) -> Verdict {
    match () {
        () if all == 0 => Verdict::Pass,
        () if free < minimum => Verdict::Fail,
        () if free < all / 100 * SCARCE => Verdict::Warn,
        () => Verdict::Pass,
    }
}

/// The worst finding with its fix, or all observations if there is no problem.
fn combine(found: Vec<Finding>) -> Finding {
    let worst = |verdict| found.iter().find(|finding| finding.verdict == verdict).cloned();
    worst(Verdict::Fail).or_else(|| worst(Verdict::Warn)).unwrap_or_else(|| {
        let seen: Vec<String> = found.into_iter().map(|finding| finding.seen).collect();
        Finding::pass(seen.join("; "))
    })
}

fn size(bytes: u64) -> String {
    if bytes >= 10 * 1024 * MIB { format!("{} GiB", bytes / 1024 / MIB) } else { format!("{} MiB", bytes / MIB) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_file_system_fails_and_a_scarce_one_warns() {
        for (free, all, verdict) in [
            (50 * MIB, 100 * MIB, Verdict::Pass),
            (4 * 1024 * MIB, 100 * 1024 * MIB, Verdict::Warn),
            (15 * MIB, 100 * MIB, Verdict::Fail),
            (0, 100 * MIB, Verdict::Fail),
            (0, 0, Verdict::Pass),
        ] {
            assert_eq!(scarcity(free, all, MIN_BYTES), verdict, "{free} of {all}");
        }
    }

    #[test]
    fn the_worst_finding_is_reported() {
        let space = |free| Space { device: 1, bytes: 1000 * MIB, free_bytes: free, inodes: 0, free_inodes: 0 };
        let full = judge_bytes("/home", &space(0));
        let fine = judge_bytes("/etc", &space(900 * MIB));
        let worst = combine(vec![fine.clone(), full]);
        assert!(worst.verdict == Verdict::Fail && worst.seen == "0 MiB of 1000 MiB free at /home", "{worst:?}");
        assert_eq!(worst.fix.as_deref(), Some("df -h; du -xhd2 /home | sort -h | tail"));
        assert_eq!(combine(vec![fine.clone()]), fine);
    }
}
