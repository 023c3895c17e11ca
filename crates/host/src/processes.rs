//! The processes of this machine, as /proc shows them. A process chooses its own name, which can contain any bytes.

use std::fs;

/// The largest file of /proc that is read here, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// The relevant fields of /proc/…/status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Its state, as one letter.
    pub state: u8,
    /// Its user ids: real, effective, saved, and for files.
    pub uids: [u32; 4],
    /// How many tasks its process has; 0 if the kernel does not say.
    pub tasks: u32,
    /// Whether it may have a capability, in its own user namespace.
    pub is_capable: bool,
}

impl Status {
    /// Reads the status of a process (`42`) or of one of its tasks (`42/task/43`); none if it has ended.
    pub fn read(process: &str) -> Option<Self> {
        Self::parse(&read(&format!("/proc/{process}/status"))?)
    }

    /// Parses /proc/…/status. The kernel escapes line ends in the name, so that it cannot forge a line.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let field = |name: &[u8]| bytes.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(name));
        let state = *field(b"State:")?.trim_ascii().first()?;
        let uids = str::from_utf8(field(b"Uid:")?).ok()?;
        let mut uids = uids.split_ascii_whitespace().map(|number| number.parse().ok());
        let mut next = || uids.next().flatten();
        let uids = [next()?, next()?, next()?, next()?];
        let tasks = field(b"Threads:").and_then(|tasks| str::from_utf8(tasks).ok()?.trim().parse().ok()).unwrap_or(0);
        let is_capable = field(b"CapPrm:").is_none_or(|set| set.trim_ascii().iter().any(|digit| *digit != b'0'));
        Some(Self { state, uids, tasks, is_capable })
    }

    /// Whether it has ended, and only waits for its parent to notice.
    pub fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// The relevant fields of /proc/…/stat.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// The pid.
    pub pid: u32,
    /// The name, which its process chooses.
    pub name: Vec<u8>,
    /// The parent's pid.
    pub parent: u32,
    /// CPU time, in the kernel's unit (USER_HZ).
    pub time: u64,
    /// Start time since boot, in the same unit. It distinguishes processes that reuse a pid.
    pub started: u64,
    /// Memory, in pages.
    pub pages: u64,
}

impl Stat {
    /// Reads the fields of a process; none if it has ended.
    pub fn read(process: u32) -> Option<Self> {
        Self::parse(&read(&format!("/proc/{process}/stat"))?)
    }

    /// Parses /proc/…/stat. The name in it can contain parentheses, so what follows starts after the last one.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let open = bytes.iter().position(|byte| *byte == b'(')?;
        let close = bytes.iter().rposition(|byte| *byte == b')')?;
        let after = str::from_utf8(bytes.get(close.checked_add(1)?..)?).ok()?;
        let fields: Vec<&str> = after.split_ascii_whitespace().collect();
        // Numbered as in proc_pid_stat(5), whose third field is the first one here.
        let number = |field: usize| fields.get(field.checked_sub(3)?)?.parse::<u64>().ok();
        Some(Self {
            pid: str::from_utf8(bytes.get(..open)?).ok()?.trim().parse().ok()?,
            name: bytes.get(open.checked_add(1)?..close)?.to_vec(),
            parent: u32::try_from(number(4)?).ok()?,
            time: number(14)?.saturating_add(number(15)?),
            started: number(22)?,
            // Signed in the kernel.
            pages: number(24).unwrap_or(0),
        })
    }
}

/// The pids of all processes.
pub fn all() -> Vec<u32> {
    numbers("/proc")
}

/// The ids of all tasks of a process; none if it has ended. A process whose main task has ended lives on in the others.
pub fn tasks(process: u32) -> Vec<u32> {
    numbers(&format!("/proc/{process}/task"))
}

/// The statuses of all tasks of a process; none if it has ended.
pub fn statuses(process: u32) -> Vec<Status> {
    match Status::read(&process.to_string()) {
        None => Vec::new(),
        Some(main) if main.tasks == 1 => vec![main],
        Some(_) => {
            tasks(process).into_iter().filter_map(|task| Status::read(&format!("{process}/task/{task}"))).collect()
        }
    }
}

/// The name of a process, as text for a message.
pub fn name(process: u32) -> String {
    let name = read(&format!("/proc/{process}/comm")).unwrap_or_default();
    String::from_utf8_lossy(&name).trim_end().to_owned()
}

fn numbers(directory: &str) -> Vec<u32> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn read(path: &str) -> Option<Vec<u8>> {
    opterius_base::files::read(path.as_ref(), MAX_FILE).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_with_any_name_is_parsed() {
        for name in [&b"cron"[..], b"\xff\xfe", b"Uid:\\n1", b"State: Z", b""] {
            let text = [b"Name:\t", name, b"\nUmask:\t0022\nState:\tS (sleeping)\nUid:\t1000\t0\t1000\t0\n"].concat();
            let status = |tasks, is_capable| Status { state: b'S', uids: [1000, 0, 1000, 0], tasks, is_capable };
            assert_eq!(Status::parse(&text), Some(status(0, true)), "{name:?}");
            for (set, is_capable) in [("0000000000000000", false), ("0000000000000080", true)] {
                let text = [&text[..], format!("Threads:\t3\nCapPrm:\t{set}\n").as_bytes()].concat();
                assert_eq!(Status::parse(&text), Some(status(3, is_capable)), "{name:?}");
            }
        }
        for text in ["", "State:\tS\n", "State:\nUid:\t1\t1\t1\t1\n", "State:\tS\nUid:\t1\t1\t1\n"] {
            assert_eq!(Status::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn a_process_with_any_name_is_parsed() {
        let rest = " S 1 42 42 0 -1 4194304 1 2 3 4 70 30 5 6 20 0 1 0 12345 1000000 250 18446744073709551615\n";
        for name in [&b"cron"[..], b"a b", b") R 1 (", b"\xff\xfe", b"\n", b""] {
            let text = [b"42 (", name, b")", rest.as_bytes()].concat();
            let expected = Stat { pid: 42, name: name.to_vec(), parent: 1, time: 100, started: 12345, pages: 250 };
            assert_eq!(Stat::parse(&text), Some(expected), "{name:?}");
        }
        for text in ["", "42", "42 (cron", "x (cron) S 1", "42 (cron) S 1 2 3", ")("] {
            assert_eq!(Stat::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn this_process_is_found_with_its_tasks() {
        let own = std::process::id();
        assert!(all().contains(&own) && tasks(own).contains(&own));
        let stat = Stat::read(own).unwrap();
        assert_eq!((stat.pid, Status::read(&own.to_string()).unwrap().is_dead()), (own, false));
        assert_eq!(stat.name.trim_ascii(), name(own).as_bytes());
        // This is not the main task.
        assert!(statuses(own).len() > 1);
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert_eq!(statuses(child.id()).len(), 1);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(statuses(child.id()), []);
    }
}
