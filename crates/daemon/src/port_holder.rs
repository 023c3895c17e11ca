//! Who holds a port, as far as /proc tells: other users' processes are seen by root alone.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use opterius_base::text::one_line;

/// The state of a listening socket in /proc/net/tcp (the kernel's TCP_LISTEN).
const LISTEN: &str = "0A";

/// The longest name of a process that is shown; the kernel's own are shorter.
const MAX_NAME: usize = 32;

/// A process that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The name of its program, as the kernel keeps it.
    pub name: String,
    /// Its process id.
    pub process: u32,
}

impl fmt::Display for Holder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} (process {})", self.name, self.process)
    }
}

/// The process that keeps others from listening on `address`, where it can be found out.
pub fn find(address: SocketAddr) -> Option<Holder> {
    let sockets: Vec<String> = listeners(address).into_iter().map(|inode| format!("socket:[{inode}]")).collect();
    if sockets.is_empty() {
        return None;
    }
    let mut processes: Vec<u32> =
        fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| id(&entry.file_name())).collect();
    // The oldest is the one to end: those after it are its children. Process 1 is not to be ended; it holds sockets of
    // units, and those are better looked at.
    processes.sort_unstable();
    let process = processes.into_iter().filter(|process| *process != 1).find(|process| has_one(*process, &sockets))?;
    let name = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    Some(Holder { name: one_line(&name, MAX_NAME), process })
}

/// Whether anybody listens where `address` collides with it, be it a process that cannot be seen.
pub fn is_there(address: SocketAddr) -> bool {
    !listeners(address).is_empty()
}

fn listeners(address: SocketAddr) -> Vec<u64> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    tables.iter().flat_map(|table| listening(&fs::read_to_string(table).unwrap_or_default(), address)).collect()
}

fn id(name: &OsStr) -> Option<u32> {
    name.to_str()?.parse().ok()
}

/// Whether one of the sockets is among the process's descriptors.
fn has_one(process: u32, sockets: &[String]) -> bool {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    descriptors
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .any(|target| sockets.iter().any(|socket| target == Path::new(socket)))
}

/// The inodes of the listening sockets in a table of the form of /proc/net/tcp that `address` collides with.
pub fn listening(table: &str, address: SocketAddr) -> Vec<u64> {
    table.lines().filter_map(|line| inode(line, address)).collect()
}

fn inode(line: &str, address: SocketAddr) -> Option<u64> {
    let mut columns = line.split_ascii_whitespace();
    let local = local_address(columns.nth(1)?)?;
    // Behind the other end's address.
    let state = columns.nth(1)?;
    let collides = local.ip() == address.ip() || local.ip().is_unspecified() || address.ip().is_unspecified();
    if state != LISTEN || local.port() != address.port() || !collides {
        return None;
    }
    // Behind the queues, the timer, the retransmissions, the user and the timeout.
    columns.nth(5)?.parse().ok()
}

/// `0100007F:1D13`: words of the machine's own byte order, as they lie in the kernel's memory; the port is a number.
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
    fn only_a_listener_that_is_in_the_way_is_found() {
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
    fn a_port_that_nobody_holds_has_no_holder() {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        assert_eq!(find(address), None);
    }
}
