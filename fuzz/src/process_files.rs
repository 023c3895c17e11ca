//! /proc/…/status, /proc/…/stat and mountinfo, in which a process chooses its name and its user where a file system is mounted:
//! whatever it is, the rest is read.

use std::os::unix::ffi::OsStrExt;

use opterius_host::mounts;
use opterius_host::processes::{Stat, Status};

const REST: &[u8] =
    b") S 7 42 42 0 -1 4194304 1 2 3 4 70 30 5 6 20 0 1 0 12345 1000000 250 18446744073709551615 1 2 3 4\n";

/// The input is the name. Line ends in it are escaped in one of the files, as the kernel does.
pub fn check(data: &[u8]) {
    let stat = Stat::parse(&[b"42 (", data, REST].concat());
    let expected = Stat { pid: 42, name: data.to_vec(), parent: 7, time: 100, started: 12345, pages: 250 };
    assert_eq!(stat, Some(expected));

    let escaped: Vec<u8> = data.iter().copied().filter(|byte| *byte != b'\n').collect();
    let status =
        [b"Name:\t", &escaped[..], b"\nUmask:\t0022\nState:\tT (stopped)\nUid:\t1\t2\t3\t4\nThreads:\t5\nCapPrm:\t0\n"];
    let status = Status::parse(&status.concat());
    assert_eq!(status, Some(Status { state: b'T', uids: [1, 2, 3, 4], tasks: 5, is_capable: false }));

    // The kernel escapes what would end a field.
    let point: Vec<u8> = data
        .iter()
        .flat_map(|byte| match byte {
            b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
            byte => vec![*byte],
        })
        .collect();
    let point = [b"/", &point[..]].concat();
    let options = b" rw shared:1 - fuse.x x rw,user_id=1001,group_id=1001\n25 22 0:45 / /srv rw - tmpfs none rw\n";
    let found = mounts::parse(&[b"24 22 0:44 / ", &point[..], options].concat());
    let expected = [&[b"/", data].concat()[..], b"/srv"];
    assert!(found.iter().map(|mount| mount.point.as_os_str().as_bytes()).eq(expected), "{found:?}");
    assert!(found.iter().map(|mount| mount.user).eq([Some(1001), None]));

    // Files of any content.
    let _ = (Stat::parse(data), Status::parse(data), mounts::parse(data));
}
