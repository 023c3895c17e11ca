//! Passing file descriptors over a Unix socket, beside bytes.

use std::io::IoSlice;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

/// Sends some of `bytes`, and the descriptors, at most two, with the first of them; returns how many.
///
/// # Errors
/// The socket is broken, or not a socket.
pub fn send(socket: impl AsFd, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(2))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::NOBUFS);
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)
}

/// Receives into `buffer`, and keeps the descriptors that come with it; returns how many bytes, 0 at the end.
///
/// # Errors
/// The socket is broken, or not a socket.
pub fn receive(socket: impl AsFd, buffer: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(socket, &mut [IoSliceMut::new(buffer)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            // The kernel drops what does not fit.
            descriptors.extend(received);
        }
    }
    Ok(received.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    #[test]
    fn descriptors_arrive_with_their_bytes() {
        let (one, other) = UnixStream::pair().unwrap();
        let file = File::open("/proc/self/comm").unwrap();
        assert_eq!(send(&one, b"with", &[file.as_fd(), other.as_fd()]), Ok(4));
        assert_eq!(send(&one, b"out", &[]), Ok(3));
        drop(one);
        let (mut buffer, mut descriptors, mut bytes) = ([0; 64], Vec::new(), Vec::new());
        while let Ok(count @ 1..) = receive(&other, &mut buffer, &mut descriptors) {
            bytes.extend_from_slice(&buffer[..count]);
        }
        assert_eq!(bytes, b"without");
        let mut text = String::new();
        assert_eq!(descriptors.len(), 2);
        File::from(descriptors.remove(0)).read_to_string(&mut text).unwrap();
        assert!(!text.is_empty());
        assert_eq!(receive(&file, &mut buffer, &mut Vec::new()), Err(Errno::NOTSOCK));
    }
}
