//! The limit of the disk: sequential synchronized writes of 4 KiB into an existing file of 4 MiB, like the write-ahead log
//! after its first restart.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::failure::{During, Failure};

const PAGE: [u8; 4096] = [7; 4096];
const PAGES: u64 = 1024;

/// How long [`wait_until_quiet`] looks at a time, and how often at most.
const LOOK: Duration = Duration::from_secs(1);
const MAX_LOOKS: u32 = 60;

pub(crate) fn synced_writes_per_second(root: &Path, seconds: u32) -> Result<f64, Failure> {
    let writes = synced_writes(root, Duration::from_secs(u64::from(seconds)))?;
    Ok(writes.len() as f64 / writes.iter().sum::<Duration>().as_secs_f64())
}

/// Waits until the disk has nothing else to do. Copied and deleted databases leave it work, such as telling an SSD which
/// blocks are free, which would be measured with the first case. The slowest hundredth of the writes tells.
pub(crate) fn wait_until_quiet(root: &Path) -> Result<(), Failure> {
    let mut quiet = 0;
    for _ in 0..MAX_LOOKS {
        let mut writes = synced_writes(root, LOOK)?;
        writes.sort_unstable();
        let (median, slow) = (writes[writes.len() / 2], writes[writes.len() * 99 / 100]);
        quiet = if slow < 3 * median { quiet + 1 } else { 0 };
        if quiet == 3 {
            return Ok(());
        }
    }
    eprintln!("license-server: the disk does not come to rest, which can make the first figures worse");
    Ok(())
}

/// The duration of each write.
fn synced_writes(root: &Path, time: Duration) -> Result<Vec<Duration>, Failure> {
    let path = root.join("disk");
    measure(&path, time).at("write and synchronize", &path)
}

fn measure(path: &Path, time: Duration) -> io::Result<Vec<Duration>> {
    let file = File::create(path)?;
    for page in 0..PAGES {
        file.write_all_at(&PAGE, page * 4096)?;
    }
    file.sync_all()?;
    let (mut begin, mut writes) = (Instant::now(), Vec::new());
    let end = begin + time;
    while begin < end {
        file.write_all_at(&PAGE, (writes.len() as u64 % PAGES) * 4096)?;
        file.sync_data()?;
        writes.push(begin.elapsed());
        begin = Instant::now();
    }
    fs::remove_file(path)?;
    Ok(writes)
}
