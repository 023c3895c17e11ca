//! The load generator: one thread for all connections. Each connection sends its next request when it has the response.
//! One thread and at most two system calls per exchange, because it shares the processors with the server.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use opterius_license::inquiry::Inquiry;
use opterius_license_server::model::Details;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;

use crate::answer::{self, Sample};
use crate::contents;
use crate::failure::{During, Failure};
use crate::random::Random;

/// Responses in this time at the beginning of a run are checked but not measured.
const WARM_UP: Duration = Duration::from_millis(200);

/// The measured time of a run.
pub(crate) const TURN: Duration = Duration::from_secs(1);

/// Servers that are refused, of as many licenses.
pub(crate) const REFUSED: u32 = 5000;

/// First refusals in a run: there is only one for each server.
pub(crate) const FIRST_REFUSALS: u32 = 1000;

/// A server without a response for this long counts as failed.
const TIMEOUT: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// One of this many responses is verified after the run.
const SAMPLE_INTERVAL: u32 = 64;

/// The kind of request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A known server checks in and says nothing new: one row, which waits for its place in a burst.
    Refresh,
    /// A new server of an unlimited license: inserts two rows.
    Activation,
    /// A server that no slot is left for, and that was not refused before: the answer is no, and it is remembered.
    FirstRefusal,
    /// One of [`REFUSED`] servers that no slot is left for.
    Refusal,
}

/// A server of a license.
pub(crate) struct Target {
    pub(crate) license: u32,
    pub(crate) address: IpAddr,
    hostname: String,
    server_id: String,
}

impl Target {
    /// A random existing server.
    pub(crate) fn known(licenses: u32, random: &mut Random) -> Self {
        let license = 1 + random.below(licenses);
        let server = random.below(contents::plan(license).1);
        Self {
            license,
            address: contents::address(license, server),
            hostname: format!("server-{license}-{server}.example.com"),
            server_id: contents::key(license ^ server),
        }
    }

    /// The `number`th new server, of a random unlimited license.
    fn new(licenses: u32, number: u32, random: &mut Random) -> Self {
        Self {
            license: contents::any_unlimited(licenses, random),
            address: contents::new_address(number),
            hostname: format!("new-{number}.example.com"),
            server_id: contents::key(number),
        }
    }

    /// A second server of the `number`th license that allows one. It is always the same one of a license.
    fn refused(licenses: u32, number: u32) -> Self {
        let license = contents::single(licenses, number);
        Self {
            license,
            address: contents::refused_address(license),
            hostname: format!("refused-{license}.example.com"),
            server_id: contents::key(license.wrapping_add(1)),
        }
    }

    pub(crate) fn details(&self) -> Details {
        Details {
            hostname: Some(self.hostname.clone()),
            agent_version: Some("0.1.0".to_owned()),
            panel_version: None,
            os: Some("Linux 6.12.0-amd64".to_owned()),
            server_id: Some(self.server_id.clone()),
        }
    }
}

/// Generates requests. Lives as long as the database, so that new servers are new in every run.
pub(crate) struct Requests {
    licenses: u32,
    random: Random,
    activated: u32,
    refused: u32,
}

impl Requests {
    pub(crate) fn new(licenses: u32) -> Self {
        Self { licenses, random: Random::new(1), activated: 0, refused: 0 }
    }

    fn next(&mut self, kind: Kind, port: u16, request: &mut Vec<u8>) -> Result<SentRequest, Failure> {
        let target = match kind {
            Kind::Refresh => Target::known(self.licenses, &mut self.random),
            Kind::Activation => {
                self.activated += 1;
                Target::new(self.licenses, self.activated, &mut self.random)
            }
            Kind::Refusal => Target::refused(self.licenses, self.random.below(REFUSED)),
            Kind::FirstRefusal => {
                self.refused += 1;
                Target::refused(self.licenses, self.refused - 1)
            }
        };
        let nonce = format!("{:016x}{:016x}", self.random.next(), self.random.next());
        let inquiry = Inquiry {
            key: &contents::key(target.license),
            server_ip: Some(target.address),
            agent_version: "0.1.0",
            os: "Linux 6.12.0-amd64",
            hostname: &target.hostname,
            server_id: &target.server_id,
            nonce: &nonce,
        };
        let body = serde_json::to_vec(&inquiry).during("write a request")?;
        request.clear();
        write!(
            request,
            "POST /api/license/verify HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )
        .during("write a request")?;
        request.extend_from_slice(&body);
        Ok(SentRequest { license: target.license, address: target.address, nonce })
    }
}

/// The request that a response must match.
#[derive(Clone)]
pub(crate) struct SentRequest {
    pub(crate) license: u32,
    pub(crate) address: IpAddr,
    pub(crate) nonce: String,
}

/// The results of a run.
pub(crate) struct Measured {
    /// The latency of each measured exchange, in microseconds.
    pub(crate) latencies: Vec<u32>,
    /// All exchanges, including those that were not measured.
    pub(crate) answered: u32,
    pub(crate) samples: Vec<Sample>,
}

struct Client {
    port: u16,
    socket: TcpStream,
    request: Vec<u8>,
    received: Vec<u8>,
    sent: SentRequest,
    since: Instant,
}

/// Sends requests over `connections` connections, to these servers in turn, for one [`TURN`], or [`FIRST_REFUSALS`] of them.
pub(crate) fn run(ports: &[u16], kind: Kind, connections: usize, requests: &mut Requests) -> Result<Measured, Failure> {
    let epoll = epoll::create(CreateFlags::CLOEXEC).during("create an epoll")?;
    let mut clients = Vec::with_capacity(connections);
    for index in 0..connections {
        clients.push(Client::open(ports[index % ports.len()], kind, requests)?);
        epoll::add(&epoll, &clients[index].socket, EventData::new_u64(index as u64), EventFlags::IN)
            .during("watch a connection")?;
    }
    let warm_up = if kind == Kind::FirstRefusal { Duration::ZERO } else { WARM_UP };
    let begin = Instant::now() + warm_up;
    let end = begin + TURN;
    let mut measured = Measured { latencies: Vec::new(), answered: 0, samples: Vec::new() };
    let (mut active, mut sent) = (connections, connections as u32);
    let mut events: Vec<Event> = Vec::with_capacity(connections);
    while active > 0 {
        wait(&epoll, &mut events)?;
        for event in events.drain(..) {
            let client = &mut clients[event.data.u64() as usize];
            if !client.receive()? {
                continue;
            }
            let now = Instant::now();
            measured.record(kind, client, now, begin, end)?;
            if now >= end || kind == Kind::FirstRefusal && sent >= FIRST_REFUSALS {
                active -= 1;
            } else {
                client.send_next(kind, requests)?;
                sent += 1;
            }
        }
    }
    Ok(measured)
}

fn wait(epoll: &OwnedFd, events: &mut Vec<Event>) -> Result<(), Failure> {
    epoll::wait(epoll, rustix::buffer::spare_capacity(events), Some(&TIMEOUT)).during("wait for responses")?;
    if events.is_empty() { Err(Failure::new("the server did not answer for 10 s")) } else { Ok(()) }
}

impl Measured {
    fn record(
        &mut self,
        kind: Kind,
        client: &Client,
        now: Instant,
        begin: Instant,
        end: Instant,
    ) -> Result<(), Failure> {
        answer::check(kind, &client.received)?;
        self.answered += 1;
        if matches!(kind, Kind::Refresh | Kind::Activation) && self.answered.is_multiple_of(SAMPLE_INTERVAL) {
            self.samples.push(Sample { request: client.sent.clone(), received: client.received.clone() });
        }
        if now >= begin && now < end {
            self.latencies.push(now.duration_since(client.since).as_micros() as u32);
        }
        Ok(())
    }
}

impl Client {
    fn open(port: u16, kind: Kind, requests: &mut Requests) -> Result<Self, Failure> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).during("connect")?;
        socket.set_nodelay(true).and_then(|()| socket.set_nonblocking(true)).during("set up a connection")?;
        let mut request = Vec::with_capacity(1024);
        let sent = requests.next(kind, port, &mut request)?;
        let mut client =
            Client { port, socket, request, received: Vec::with_capacity(2048), sent, since: Instant::now() };
        client.send()?;
        Ok(client)
    }

    fn send_next(&mut self, kind: Kind, requests: &mut Requests) -> Result<(), Failure> {
        self.sent = requests.next(kind, self.port, &mut self.request)?;
        self.send()
    }

    /// A request fits into the empty socket buffer, so it is written at once.
    fn send(&mut self) -> Result<(), Failure> {
        self.received.clear();
        self.since = Instant::now();
        self.socket.write_all(&self.request).during("send a request")
    }

    /// Reads what has arrived; returns whether the response is complete.
    fn receive(&mut self) -> Result<bool, Failure> {
        let mut chunk = [0; 4096];
        match self.socket.read(&mut chunk) {
            Ok(0) => return Err(Failure::new("the server has closed a connection")),
            Ok(count) => self.received.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).during("read a response"),
        }
        answer::is_whole(&self.received)
    }
}
