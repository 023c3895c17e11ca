//! The events of the demo: a receiver as a shop has one, on a port of its own, which writes what arrives into a file, and the
//! deliverer, which outside the demo is a process of its own.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use opterius_base::clock::SystemClock;
use opterius_license_server::commands::failure::Failure;
use opterius_license_server::installation::DataDir;
use opterius_license_server::store::readers::Readers;
use opterius_license_server::store::writer::Writer;
use opterius_license_server::webhooks::connection::Connector;
use opterius_license_server::webhooks::dispatcher::{Control, Dispatcher};
use opterius_license_server::webhooks::receiver_address::Receivers;

/// How long a delivery may take to arrive.
const READ_TIME: Duration = Duration::from_secs(5);

/// The largest delivery in bytes; the deliverer's are smaller.
const MAX_DELIVERY: u64 = 256 * 1024;

/// Starts a receiver that appends each event to this file, and returns its URL.
pub(super) fn receive(file: &Path) -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::refused(format!("{}: {error}", file.display()));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?;
    let url = format!("http://{}/opterius", listener.local_addr().map_err(failed)?);
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(file).map_err(failed)?;
    let accept = move || {
        for stream in listener.incoming().flatten() {
            // A client that is no deliverer, or too slow for one.
            let _ = accept(stream, &mut file);
        }
    };
    thread::Builder::new().name("shop".to_owned()).spawn(accept).map_err(|error| failure(&error))?;
    Ok(url)
}

/// Reads one request, appends its body, and accepts it.
fn accept(stream: TcpStream, file: &mut File) -> io::Result<()> {
    stream.set_read_timeout(Some(READ_TIME))?;
    let mut reader = BufReader::new(stream.try_clone()?.take(MAX_DELIVERY));
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(("content-length", value)) = line.to_ascii_lowercase().trim().split_once(": ") {
            length = value.parse().unwrap_or(0);
        }
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    body.push(b'\n');
    file.write_all(&body)?;
    (&stream).write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
}

/// The deliverer on threads of this process.
pub(super) struct Deliverer {
    control: Control,
    threads: [JoinHandle<()>; 2],
}

impl Deliverer {
    /// Starts it for the installation in this directory.
    pub(super) fn start(data: &Path) -> Result<Self, Failure> {
        let database = DataDir::new(data).open_database()?;
        let readers = Readers::open(database.location(), 1)?;
        let (writer, writer_thread) = Writer::new(database, Arc::new(SystemClock));
        let connector = Connector::new(Receivers::Private, &[]).map_err(Failure::refused)?;
        let (dispatcher, control) = Dispatcher::new(readers, writer, Arc::new(SystemClock), connector);
        let writing = thread::Builder::new().spawn(move || writer_thread.without_clock_steps().run());
        let delivering = thread::Builder::new().spawn(move || dispatcher.run());
        let threads = [delivering.map_err(|error| failure(&error))?, writing.map_err(|error| failure(&error))?];
        Ok(Self { control, threads })
    }

    /// Ends it, before the server closes its database.
    pub(super) fn stop(self) {
        self.control.stop();
        let Self { control, threads } = self;
        // The writer ends with the last of its handles.
        drop(control);
        for thread in threads {
            // A panic would already have ended the process.
            let _ = thread.join();
        }
    }
}

fn failure(error: &io::Error) -> Failure {
    Failure::refused(format!("cannot start: {error}"))
}
