//! 500 concurrent connections of hostile clients: half-sent, slow, reset, garbage, unread.

use crate::random::Random;
use crate::support::http::Request;
use crate::support::pause;
use crate::world::World;
use rustix::net::sockopt::set_socket_linger;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// The number of connections.
pub const CONNECTIONS: usize = 500;

/// The behavior of one connection.
#[derive(Clone, Copy)]
enum Habit {
    HalfSent,
    Slow,
    Reset,
    Garbage,
    Unread,
    Idle,
    Unsigned,
}

const HABITS: [Habit; 7] =
    [Habit::HalfSent, Habit::Slow, Habit::Reset, Habit::Garbage, Habit::Unread, Habit::Idle, Habit::Unsigned];

struct Client {
    stream: TcpStream,
    habit: Habit,
    sent: usize,
}

/// Keeps this many connections open until the phase ends.
pub fn attack(world: &World, connections: usize, random: &mut Random) {
    let mut clients: Vec<Option<Client>> = (0..connections).map(|_| None).collect();
    while !world.is_over() {
        for client in &mut clients {
            *client = match client.take() {
                None => Client::connect(world, random),
                Some(mut open) => open.step(random).then_some(open),
            };
        }
        pause(Duration::from_millis(250));
    }
}

impl Client {
    fn connect(world: &World, random: &mut Random) -> Option<Client> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, world.port)).ok()?;
        stream.set_nonblocking(true).ok()?;
        world.count("hostile connections");
        Some(Client { stream, habit: random.one_of(&HABITS), sent: 0 })
    }

    /// The next step; false when the connection is closed.
    fn step(&mut self, random: &mut Random) -> bool {
        let whole = Request::post("/domains/create").body(vec![b'x'; 500]).bytes();
        let (first, done) = (self.sent == 0, random.below(40) == 0);
        match self.habit {
            Habit::HalfSent if first => self.send(&whole[..1 + random.below(whole.len() as u64 - 1) as usize]),
            Habit::Slow => self.send(&whole[self.sent % whole.len()..][..1]),
            Habit::Reset => {
                self.send(&whole);
                let _ = set_socket_linger(&self.stream, Some(Duration::ZERO));
                false
            }
            Habit::Garbage => {
                let garbage: Vec<u8> = (0..random.below(3000)).map(|_| random.next() as u8).collect();
                self.send(&garbage) && !done
            }
            Habit::Unread => self.send(&Request::get("/license/status").bytes().repeat(20)),
            Habit::Unsigned => self.send(&whole) && self.read() && !done,
            Habit::HalfSent | Habit::Idle => self.read() && !done,
        }
    }

    fn send(&mut self, bytes: &[u8]) -> bool {
        match self.stream.write(bytes) {
            Ok(length) => self.sent += length,
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
        true
    }

    /// Reads what has arrived; false at the end of the stream.
    fn read(&mut self) -> bool {
        match self.stream.read(&mut [0; 4096]) {
            Ok(length) => length > 0,
            Err(error) => error.kind() == ErrorKind::WouldBlock,
        }
    }
}
