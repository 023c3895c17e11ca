//! One HTTP exchange over a connection that is open already: ureq only frames request and response.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};

use opterius_base::stream::Stream;

/// The longest head of a response, in bytes.
pub const MAX_HEAD: usize = 16 * 1024;
/// The size of the buffer for the request, in bytes, and of that for the response, which a head that is too long must fit.
const BUFFERS: (usize, usize) = (8 * 1024, 2 * MAX_HEAD);

/// An HTTP client for one request over `stream`; the deadline is the stream's. It follows no redirects, asks for no
/// compression and returns every status as a response.
pub fn over(stream: Box<dyn Stream>) -> (Agent, Arc<Progress>) {
    let progress = Arc::<Progress>::default();
    let buffers = LazyBuffers::new(BUFFERS.1, BUFFERS.0);
    let connection = Connection { stream, buffers, progress: Arc::clone(&progress) };
    let config = Config::builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_connections(0)
        .max_response_header_size(MAX_HEAD)
        .proxy(None)
        .user_agent(concat!("opterius-agent/", env!("CARGO_PKG_VERSION")))
        .accept("application/json")
        // Without this header, the server may choose any (RFC 9110 §12.5.3).
        .accept_encoding("identity")
        .build();
    (Agent::with_parts(config, Once(Mutex::new(Some(connection))), Nowhere), progress)
}

/// How far an exchange has come.
#[derive(Debug, Default)]
pub struct Progress {
    is_sent: AtomicBool,
    begin: OnceLock<Vec<u8>>,
}

impl Progress {
    /// Whether the request is sent.
    pub fn is_sent(&self) -> bool {
        self.is_sent.load(Ordering::Relaxed)
    }

    /// The first bytes of the response; empty before any arrived.
    pub fn begin(&self) -> &[u8] {
        self.begin.get().map_or(&[], Vec::as_slice)
    }
}

/// The connection as ureq uses it.
struct Connection {
    stream: Box<dyn Stream>,
    buffers: LazyBuffers,
    progress: Arc<Progress>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Connection").finish_non_exhaustive()
    }
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        self.stream.write_all(output)?;
        Ok(self.stream.flush()?)
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        self.progress.is_sent.store(true, Ordering::Relaxed);
        let count = loop {
            let room = self.buffers.input_append_buf();
            match self.stream.read(room) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                count => break count?,
            }
        };
        if count > 0 {
            let room = self.buffers.input_append_buf();
            self.progress.begin.get_or_init(|| room.iter().copied().take(count.min(16)).collect());
        }
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        false
    }

    /// What an https:// URL requires; the caller has seen to it.
    fn is_tls(&self) -> bool {
        true
    }
}

/// Hands out the open connection.
struct Once(Mutex<Option<Connection>>);

impl fmt::Debug for Once {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Once").finish_non_exhaustive()
    }
}

impl Connector for Once {
    type Out = Connection;

    fn connect(&self, _: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Connection>, ureq::Error> {
        Ok(self.0.lock().ok().and_then(|mut connection| connection.take()))
    }
}

/// The connection is open, so that nothing needs an address.
#[derive(Debug)]
struct Nowhere;

impl Resolver for Nowhere {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut addresses = self.empty();
        addresses.push(([0, 0, 0, 0], 0).into());
        Ok(addresses)
    }
}
