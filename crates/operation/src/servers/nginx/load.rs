//! Making the running nginx load its configuration, and seeing that it did.
//!
//! The main process reads the files into a new configuration and keeps the previous one if anything is wrong with them, by
//! the same code as `nginx -t`. So they are not tested first if the main process's error log can be read: with 1,000 sites,
//! each pass over the files takes more than a second. It is also the only one that knows whether a port can be bound.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use log::warn;
use rustix::event::{Timespec, poll};

use crate::servers::nginx::master::{Master, has_left};
use crate::servers::nginx::test::{check_kinds, test};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::nginx::included::Included;
use opterius_host::problem::Problem;

/// How long nginx may take to load its configuration, in addition to [`TIME_PER_FILE`]. It tries for 2.5 s to bind a port.
const TIME: Duration = Duration::from_secs(5);

/// Measured: 2 ms.
const TIME_PER_FILE: Duration = Duration::from_millis(10);

/// The interval between looks at the processes.
const INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// Length of the time at the start of a line, in bytes.
const TIME_STAMP: usize = "2026/11/28 12:00:00".len();

/// Largest part of the error log that is read after a reload, in bytes.
const MAX_LOG: u64 = 256 * 1024;

/// The result of a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// New processes serve the files, and the old ones take no new connections.
    Done,
    /// nginx does not run. The files were tested.
    NotRunning,
    /// nginx accepts the files, and still uses its previous configuration. The lines of its error log may say why, such as a port
    /// that is taken. Visitors can write such lines, too.
    Refused(Vec<String>),
}

/// Loads the configuration on disk.
///
/// # Errors
/// nginx rejects the configuration, or would wait for one of its files.
pub fn load(host: &Host, deadline: Deadline) -> Result<Load, Problem> {
    check_kinds(host)?;
    let masters = Master::all(host);
    let has_log = |master: &Master| master.error_log().is_some();
    if masters.is_empty() || !masters.iter().all(has_log) {
        test(host, deadline)?;
    }
    let deadline = deadline.sooner(TIME.saturating_add(time(host)));
    let reloads: Vec<Reload> = masters.into_iter().map(Reload::begin).filter(|reload| reload.master.reload()).collect();
    if reloads.is_empty() {
        return Ok(Load::NotRunning);
    }
    for mut reload in reloads {
        if let Load::Refused(lines) = reload.wait(host, deadline)? {
            return Ok(Load::Refused(lines));
        }
    }
    Ok(Load::Done)
}

/// How long nginx may take to read its files.
pub fn time(host: &Host) -> Duration {
    let files = u32::try_from(Included::read(host).files().len()).unwrap_or(u32::MAX);
    TIME_PER_FILE.saturating_mul(files)
}

/// Makes the running nginx load the configuration on disk again after a rollback, without waiting. Returns a warning if
/// there is none.
pub fn reload(host: &Host) -> Option<String> {
    if let Err(problem) = check_kinds(host) {
        return Some(format!("nginx was not told to load its configuration. {}", problem.message()));
    }
    if !host.is_machine() || Master::all(host).into_iter().filter(|master| master.reload()).count() > 0 {
        return None;
    }
    warn!("nginx does not run, so it did not reload its configuration");
    Some("nginx does not run. To start it, run: systemctl start nginx".to_owned())
}

/// A reload in progress.
struct Reload {
    master: Master,
    children: Vec<u32>,
    log: Option<Log>,
}

impl Reload {
    /// Notes the state before the reload.
    fn begin(master: Master) -> Self {
        Self { master, children: master.children(), log: Log::at_its_end(master) }
    }

    fn wait(&mut self, host: &Host, deadline: Deadline) -> Result<Load, Problem> {
        let mut is_tested = false;
        loop {
            // nginx writes into its log what clients send, so only a test says that it is nginx that complains, and of what.
            if self.log.as_mut().is_some_and(Log::is_refusal) && !is_tested {
                test(host, deadline)?;
                is_tested = true;
            }
            if self.is_done() {
                return Ok(Load::Done);
            }
            if deadline.is_over() || !self.master.is_running() {
                return Ok(Load::Refused(self.lines()));
            }
            let _ = poll(&mut [], Some(&INTERVAL));
        }
    }

    fn is_done(&self) -> bool {
        let is_new = |child: &u32| !self.children.contains(child);
        self.master.children().iter().any(is_new) && self.children.iter().all(|child| has_left(*child))
    }

    fn lines(&mut self) -> Vec<String> {
        self.log.take().map(|log| log.emergencies).unwrap_or_default()
    }
}

/// The error log of a main process from the reload on.
struct Log {
    file: File,
    /// What marks a line as the main process's own.
    mark: String,
    unfinished: Vec<u8>,
    /// The main process's messages that something cannot be done, without time and number, each once.
    emergencies: Vec<String>,
}

impl Log {
    fn at_its_end(master: Master) -> Option<Self> {
        let mut file = File::open(master.error_log()?).ok()?;
        file.seek(SeekFrom::End(0)).ok()?;
        let id = master.id();
        Some(Self { file, mark: format!(" [emerg] {id}#{id}: "), unfinished: Vec::new(), emergencies: Vec::new() })
    }

    /// Reads on; true once nginx has given up. It tries several times to bind a port before it does.
    fn is_refusal(&mut self) -> bool {
        let _ = (&self.file).take(MAX_LOG).read_to_end(&mut self.unfinished);
        while let Some(end) = self.unfinished.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unfinished.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).into_owned();
            let Some(message) = line.trim_end().get(TIME_STAMP..).and_then(|rest| rest.strip_prefix(&self.mark)) else {
                continue;
            };
            if !self.emergencies.iter().any(|known| known == message) {
                self.emergencies.push(message.to_owned());
            }
        }
        self.emergencies.last().is_some_and(|message| !message.starts_with("bind() to "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, OpenOptions};
    use std::io::Write;

    #[test]
    fn only_the_main_process_s_own_emergencies_count() {
        let path = std::env::temp_dir().join(format!("opterius-log-{}", std::process::id()));
        fs::write(&path, "").unwrap();
        let mut writer = OpenOptions::new().append(true).open(&path).unwrap();
        let mut log = Log {
            file: File::open(&path).unwrap(),
            mark: " [emerg] 7#7: ".to_owned(),
            unfinished: Vec::new(),
            emergencies: Vec::new(),
        };
        let mut is_refusal_after = |text: &str| {
            writer.write_all(text.as_bytes()).unwrap();
            log.is_refusal()
        };
        assert!(!is_refusal_after("2026/11/28 12:00:00 [emerg] 8#8: of a test\n2026/11/28 [notice] 7#7: x\n"));
        assert!(!is_refusal_after("2026/11/28 12:00:00 [error] 9#9: *1 of a client, referrer: \"x [emerg] 7#7: x\"\n"));
        assert!(!is_refusal_after(
            "2026/11/28 12:00:00 [emerg] 7#7: bind() to 0.0.0.0:443 failed (98: Address in use)\n"
        ));
        assert!(!is_refusal_after(
            "2026/11/28 12:00:00 [emerg] 7#7: bind() to 0.0.0.0:443 failed (98: Address in use)\n2026"
        ));
        assert!(is_refusal_after("/11/28 12:00:03 [emerg] 7#7: still could not bind()\n"));
        assert_eq!(log.emergencies.len(), 2);
        fs::remove_file(&path).unwrap();
    }
}
