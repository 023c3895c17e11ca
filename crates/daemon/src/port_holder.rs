//! Finds the process that listens on a port, through /proc. Only root can see other users' processes.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use opterius_base::text::one_line;

/// The state of a listening socket in /proc/net/tcp (the kernel's TCP_LISTEN).
const LISTEN: &str = "0A";

/// Longest process name in messages; the kernel's own limit is lower.
const MAX_NAME: usize = 32;

/// A listening process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its name, from /proc/PID/comm.
    pub name: String,
    /// Its process id.
    pub process: u32,
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (process {})", self.name, self.process)
    }
}

/// The process whose socket prevents listening on `address`, if it can be determined.
pub fn find(address: SocketAddr) -> Option<Holder> {
    let sockets: Vec<String> = listeners(address).into_iter().map(|inode| format!("socket:[{inode}]")).collect();
    if sockets.is_empty() {
        return None;
    }
    let mut processes: Vec<u32> =
        fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| id(&entry.file_name())).collect();
    // The lowest id is usually the parent, which is the one to stop. Process 1 holds the sockets of systemd units and must
    // not be named as the one to stop.
    processes.sort_unstable();
    let process = processes.into_iter().filter(|process| *process != 1).find(|process| has_one(*process, &sockets))?;
    // A process chooses its name, which need not be text.
    let name = fs::read(format!("/proc/{process}/comm")).ok()?;
    Some(Holder { name: one_line(&String::from_utf8_lossy(&name), MAX_NAME), process })
}

/// Whether any listener conflicts with `address`, including those of processes that are not visible.
pub fn has_listener(address: SocketAddr) -> bool {
    !listeners(address).is_empty()
}

fn listeners(address: SocketAddr) -> Vec<u64> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    tables.iter().flat_map(|table| listening(&fs::read_to_string(table).unwrap_or_default(), address)).collect()
}

fn id(name: &OsStr) -> Option<u32> {
    name.to_str()?.parse().ok()
}

/// Whether the process has one of the sockets open.
fn has_one(process: u32, sockets: &[String]) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    descriptors
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| sockets.iter().any(|socket| target == Path::new(socket)))
}

/// The inodes of listening sockets that conflict with `address`, from the text of /proc/net/tcp or tcp6.
pub fn listening(table: &str, address: SocketAddr) -> Vec<u64> {
    table.lines().filter_map(|line| inode(line, address)).collect()
}

fn inode(line: &str, address: SocketAddr) -> Option<u64> {
    let mut columns = line.split_ascii_whitespace();
    let local = local_address(columns.nth(1)?)?;
    // Skip the remote address.
    let state = columns.nth(1)?;
    let collides = local.ip() == address.ip() || local.ip().is_unspecified() || address.ip().is_unspecified();
    if state != LISTEN || local.port() != address.port() || !collides {
        return None;
    }
    // Skip the queues, the timer, the retransmissions, the user and the timeout.
    columns.nth(5)?.parse().ok()
}

/// Parses `0100007F:1D13`: 32-bit words in native byte order, then the port as a hexadecimal number.
fn local_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let address: IpAddr = match address.len() {
        8 => Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?.to_ne_bytes()).into(),
        32 => {
            let mut bytes = [0; 16];
            for (index, word) in bytes.chunks_exact_mut(4).enumerate() {
                let digits = address.get(index.checked_mul(8)?..)?.get(..8)?;
                word.copy_from_slice(&u32::from_str_radix(digits, 16).ok()?.to_ne_bytes());
            }
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1D13 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0000000000000000 100 0 0 10 0
   1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0000000000000000 100 0 0 10 0
   2: 0100007F:1D13 0100007F:D431 01 00000000:00000000 02:00000300 00000000     0        0 333 1 0000000000000000 100 0 0 10 0
   3: 057100CB:1D14 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 444 1 0000000000000000 100 0 0 10 0
";
    const TCP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:1D13 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 555 1 0000000000000000 100 0 0 10 0
   1: 00000000000000000000000001000000:1D14 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 666 1 0000000000000000 100 0 0 10 0
   2: 0000000000000000FFFF00000100007F:1D15 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 777 1 0000000000000000 100 0 0 10 0
";

    #[test]
    #[cfg(target_endian = "little")]
    fn only_conflicting_listeners_are_found() {
        let table: [(&str, &str, &[u64]); 13] = [
            (TCP, "127.0.0.1:7443", &[111]),
            (TCP, "0.0.0.0:7443", &[111]),
            (TCP, "127.0.0.2:7443", &[]),
            (TCP, "127.0.0.1:80", &[222]),
            (TCP, "203.0.113.5:7444", &[444]),
            (TCP, "127.0.0.1:7444", &[]),
            (TCP, "127.0.0.1:8080", &[]),
            (TCP6, "[::1]:7443", &[555]),
            (TCP6, "127.0.0.1:7443", &[555]),
            (TCP6, "[::1]:7444", &[666]),
            (TCP6, "127.0.0.1:7445", &[777]),
            ("", "127.0.0.1:7443", &[]),
            ("no such: table\n 0: zz:zz zz:zz 0A\n 0: 0100007F:1D13 0 0A", "127.0.0.1:7443", &[]),
        ];
        for (text, address, expected) in table {
            assert_eq!(listening(text, address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn a_free_port_has_no_holder() {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        assert_eq!(find(address), None);
    }
}
