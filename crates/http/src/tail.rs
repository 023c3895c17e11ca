//! The body of a response that does not fit into memory: the front sends the head, and a thread of a lane sends the file.

use std::fs::File;
use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

use opterius_base::deadline::Deadline;

/// Time without a byte that the client takes, after which it gets no more.
const IDLE_TIME: Duration = Duration::from_secs(30);

/// The longest time for a file.
const LONGEST: Duration = Duration::from_secs(1800);

/// Size of the pieces, in bytes.
const PIECE: usize = 64 * 1024;

/// A file that follows the head of a response.
#[derive(Debug)]
pub struct Tail {
    file: File,
    length: u64,
}

/// Two files are the same only if they are one.
impl PartialEq for Tail {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Tail {}

impl Tail {
    /// The first `length` bytes of a file that is open at its beginning.
    pub fn new(file: File, length: u64) -> Self {
        Self { file, length }
    }

    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Sends it, as far as the client takes it and the file goes. The client sees by the length whether all has come.
    pub(crate) fn send_to(&self, stream: &TcpStream) {
        let (deadline, mut piece) = (Deadline::within(LONGEST), vec![0; PIECE]);
        let mut file = (&self.file).take(self.length);
        while let Ok(count @ 1..) = file.read(&mut piece) {
            if send_all(stream, piece.get(..count).unwrap_or_default(), deadline).is_err() {
                return;
            }
        }
    }
}

fn send_all(stream: &TcpStream, bytes: &[u8], deadline: Deadline) -> Result<(), Errno> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match send(stream, rest, SendFlags::NOSIGNAL) {
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(Errno::AGAIN) => {
                let timeout = Timespec::try_from(deadline.left().min(IDLE_TIME)).ok();
                if poll(&mut [PollFd::new(stream, PollFlags::OUT)], timeout.as_ref()) == Ok(0) {
                    return Err(Errno::TIMEDOUT);
                }
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
