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

pub(crate) fn synced_writes_per_second(root: &Path, seconds: u32) -> Result<f64, Failure> {
    let path = root.join("disk");
    measure(&path, seconds).at("write and synchronize", &path)
}

fn measure(path: &Path, seconds: u32) -> io::Result<f64> {
    let file = File::create(path)?;
    for page in 0..PAGES {
        file.write_all_at(&PAGE, page * 4096)?;
    }
    file.sync_all()?;
    let (begin, mut count) = (Instant::now(), 0);
    while begin.elapsed() < Duration::from_secs(u64::from(seconds)) {
        file.write_all_at(&PAGE, (count % PAGES) * 4096)?;
        file.sync_data()?;
        count += 1;
    }
    let rate = count as f64 / begin.elapsed().as_secs_f64();
    fs::remove_file(path)?;
    Ok(rate)
}
