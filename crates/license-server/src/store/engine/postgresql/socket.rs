//! The socket to a server.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};

use super::keepalive::Keepalive;
use super::target::{Place, Target};
use crate::cause::cause;

/// A socket, or TLS on it.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Opens the socket. The caller sets the deadline.
///
/// # Errors
/// A sentence.
pub(super) async fn open(target: &Target, keepalive: &Keepalive) -> Result<Box<dyn Stream>, String> {
    let failed = |error: io::Error| cause(&error);
    match &target.place {
        Place::Directory(directory) => {
            let stream = UnixStream::connect(socket_file(directory, target.port)).await.map_err(failed)?;
            Ok(Box::new(stream))
        }
        Place::Address(address) => tcp(&[SocketAddr::new(*address, target.port)], keepalive).await.map_err(failed),
        Place::Name(name) => {
            let found = lookup_host((name.as_str(), target.port)).await;
            let found = found.map_err(|error| format!("resolving the name: {}", cause(&error)))?;
            tcp(&found.collect::<Vec<_>>(), keepalive).await.map_err(failed)
        }
    }
}

fn socket_file(directory: &Path, port: u16) -> std::path::PathBuf {
    directory.join(format!(".s.PGSQL.{port}"))
}

/// Connects to the first address that accepts.
async fn tcp(addresses: &[SocketAddr], keepalive: &Keepalive) -> io::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect(addresses).await?;
    stream.set_nodelay(true)?;
    if keepalive.is_on {
        sockopt::set_socket_keepalive(&stream, true)?;
        sockopt::set_tcp_keepidle(&stream, keepalive.idle)?;
        sockopt::set_tcp_keepintvl(&stream, keepalive.interval)?;
        sockopt::set_tcp_keepcnt(&stream, keepalive.count)?;
    }
    let milliseconds = u32::try_from(keepalive.user_timeout.as_millis()).unwrap_or(u32::MAX);
    sockopt::set_tcp_user_timeout(&stream, milliseconds)?;
    Ok(Box::new(stream))
}
