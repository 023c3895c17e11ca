//! The daemon's port: who has it, and whether that is the Agent. Any account can take a free port, name its process like the
//! Agent, and answer anything. Whatever uses the daemon's word, or the files of its process, asks [`Port::is_foreign`] first.

use std::net::SocketAddr;

use crate::doctor::process::Process;
use crate::doctor::reach::UnixUser;
use crate::doctor::system::System;
use crate::program::PROGRAM;
use opterius_daemon::port_holder::{self, Holder};
use opterius_host::users::register::FIRST_UID;

/// The port that the daemon should listen on.
pub struct Port {
    /// Its address.
    pub address: SocketAddr,
    /// The process that listens on it, if visible.
    pub holder: Option<Holder>,
    /// The users of the listening sockets, which everybody can see.
    sockets: Vec<u32>,
    /// The users of the process: real, effective, saved and for files. A program with the setuid bit has several.
    process: Vec<u32>,
}

impl Port {
    /// Looks who listens there.
    pub fn examine(system: &System<'_>, address: SocketAddr) -> Self {
        let holder = system.probe.holder(address);
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| system.read(table));
        let sockets = tables.iter().flat_map(|table| owners(table, address)).collect();
        let process = holder.as_ref().map(|holder| Process::new(system, holder.process).users()).unwrap_or_default();
        Self { address, holder, sockets, process }
    }

    /// The user of the process, if it has the Agent's name and cannot be an account's.
    pub fn system_user(&self) -> Option<u32> {
        self.holder.as_ref().filter(|holder| holder.name == PROGRAM.name)?;
        let user = self.process.first().copied()?;
        self.users().all(|other| other == 0 || other == user).then_some(user).filter(|user| *user < FIRST_UID)
    }

    /// Whether another process than the Agent has the port: one with another name, or of another user than the Agent's and
    /// root.
    pub fn is_foreign(&self, agent: &UnixUser) -> bool {
        self.holder.as_ref().is_some_and(|holder| holder.name != PROGRAM.name) || self.stranger(agent).is_some()
    }

    /// Whether anything listens on it.
    pub fn is_open(&self) -> bool {
        !self.sockets.is_empty()
    }

    /// The user who has the port, if neither the Agent's nor root.
    pub fn stranger(&self, agent: &UnixUser) -> Option<u32> {
        self.users().find(|user| *user != 0 && agent.uid != Some(*user))
    }

    fn users(&self) -> impl Iterator<Item = u32> {
        self.sockets.iter().chain(&self.process).copied()
    }
}

/// The users of the sockets that listen on `address`, from the text of /proc/net/tcp or tcp6.
fn owners(table: &str, address: SocketAddr) -> impl Iterator<Item = u32> {
    let listens = move |line: &&str| !port_holder::listening(line, address).is_empty();
    table.lines().filter(listens).filter_map(|line| line.split_ascii_whitespace().nth(7)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use opterius_host::users::register::Register;

    #[test]
    fn only_the_agents_user_and_root_can_be_the_agent() {
        let register = Register::parse("opterius:x:990:990::/:/bin/false\n", "");
        let agent = UnixUser::lookup(&register, "opterius");
        let (own, root, account) = ([990; 4], [0; 4], [1001; 4]);
        let table: [(&str, &[u32], &[u32], bool); 11] = [
            ("opterius-agent", &[990], &own, false),
            ("opterius-agent", &[0], &own, false),
            ("opterius-agent", &[0], &root, false),
            ("opterius-agent", &[], &[], false),
            ("opterius-agent", &[1001], &account, true),
            ("opterius-agent", &[0], &account, true),
            // An account's socket in a program with the setuid bit.
            ("opterius-agent", &[1001], &root, true),
            ("opterius-agent", &[0], &[1001, 0, 0, 0], true),
            ("opterius-agent", &[0, 1001], &root, true),
            ("opterius-agent", &[65_534], &[65_534; 4], true),
            ("nginx", &[0], &root, true),
        ];
        for (name, sockets, process, is_foreign) in table {
            let port = Port {
                address: SocketAddr::from(([127, 0, 0, 1], 7443)),
                holder: Some(Holder { name: name.to_owned(), process: 5 }),
                sockets: sockets.to_vec(),
                process: process.to_vec(),
            };
            assert_eq!(port.is_foreign(&agent), is_foreign, "{name} {sockets:?} {process:?}");
        }
    }

    #[test]
    fn the_owner_of_a_listening_socket_is_read() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1D13 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1001        0 111 1 0000000000000000 100 0 0 10 0
   1: 0100007F:1D13 0100007F:D431 01 00000000:00000000 02:00000300 00000000  1002        0 333 1 0000000000000000 100 0 0 10 0
";
        let owners_of = |port| owners(table, SocketAddr::from(([127, 0, 0, 1], port))).collect::<Vec<u32>>();
        assert_eq!((owners_of(0x1D13), owners_of(80)), (vec![1001], vec![]));
    }
}
