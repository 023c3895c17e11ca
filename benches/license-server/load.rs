//! The clients: one thread with all connections, each of which sends its next question when it has its answer. One
//! thread and no more than two system calls an exchange, because it shares the processors with the server.

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

/// Answers to the first questions of a run are checked but not measured.
const WARM_UP: Duration = Duration::from_millis(200);

/// How long one run is measured.
pub(crate) const TURN: Duration = Duration::from_secs(1);

/// A server that is silent for so long counts as failed.
const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// Of so many answers one is kept, and verified when the run is over.
const SAMPLED: u32 = 64;

/// What is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A server that is known asks again: one row is changed.
    Refresh,
    /// A new server of a license without limit: two rows are added.
    Activation,
}

/// One server of one license.
pub(crate) struct Target {
    pub(crate) license: u32,
    pub(crate) address: IpAddr,
    hostname: String,
    server_id: String,
}

impl Target {
    /// Any server of any license, as it was made.
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

    /// The `number`th new server, of any license without limit.
    fn new(licenses: u32, number: u32, random: &mut Random) -> Self {
        Self {
            license: contents::any_unlimited(licenses, random),
            address: contents::new_address(number),
            hostname: format!("new-{number}.example.com"),
            server_id: contents::key(number),
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

/// Where questions come from. It lasts as long as the database, so that a new server is new in every run.
pub(crate) struct Questions {
    licenses: u32,
    random: Random,
    activated: u32,
}

impl Questions {
    pub(crate) fn new(licenses: u32) -> Self {
        Self { licenses, random: Random::new(1), activated: 0 }
    }

    fn next(&mut self, kind: Kind, port: u16, request: &mut Vec<u8>) -> Result<Asked, Failure> {
        let target = if kind == Kind::Refresh {
            Target::known(self.licenses, &mut self.random)
        } else {
            self.activated += 1;
            Target::new(self.licenses, self.activated, &mut self.random)
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
        let body = serde_json::to_vec(&inquiry).during("write a question")?;
        request.clear();
        write!(
            request,
            "POST /api/license/verify HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )
        .during("write a question")?;
        request.extend_from_slice(&body);
        Ok(Asked { license: target.license, address: target.address, nonce })
    }
}

/// What an answer is held against.
#[derive(Clone)]
pub(crate) struct Asked {
    pub(crate) license: u32,
    pub(crate) address: IpAddr,
    pub(crate) nonce: String,
}

/// What was measured in one run.
pub(crate) struct Measured {
    /// Of each exchange, in microseconds.
    pub(crate) latencies: Vec<u32>,
    /// All exchanges, with those that were not measured.
    pub(crate) answered: u32,
    pub(crate) samples: Vec<Sample>,
}

struct Client {
    socket: TcpStream,
    request: Vec<u8>,
    received: Vec<u8>,
    asked: Asked,
    since: Instant,
}

/// Asks over so many connections at once, for one [`TURN`].
pub(crate) fn run(port: u16, kind: Kind, connections: usize, questions: &mut Questions) -> Result<Measured, Failure> {
    let epoll = epoll::create(CreateFlags::CLOEXEC).during("make an epoll")?;
    let mut clients = Vec::with_capacity(connections);
    for place in 0..connections {
        clients.push(Client::open(port, kind, questions)?);
        epoll::add(&epoll, &clients[place].socket, EventData::new_u64(place as u64), EventFlags::IN)
            .during("watch a connection")?;
    }
    let begin = Instant::now() + WARM_UP;
    let end = begin + TURN;
    let mut measured = Measured { latencies: Vec::new(), answered: 0, samples: Vec::new() };
    let mut asking = connections;
    let mut events: Vec<Event> = Vec::with_capacity(connections);
    while asking > 0 {
        wait(&epoll, &mut events)?;
        for event in events.drain(..) {
            let client = &mut clients[event.data.u64() as usize];
            if !client.receive()? {
                continue;
            }
            let now = Instant::now();
            measured.note(client, now, begin, end)?;
            if now < end { client.ask(port, kind, questions)? } else { asking -= 1 }
        }
    }
    Ok(measured)
}

fn wait(epoll: &OwnedFd, events: &mut Vec<Event>) -> Result<(), Failure> {
    epoll::wait(epoll, rustix::buffer::spare_capacity(events), Some(&PATIENCE)).during("wait for answers")?;
    if events.is_empty() { Err(Failure::new("the server did not answer for 10 s")) } else { Ok(()) }
}

impl Measured {
    fn note(&mut self, client: &Client, now: Instant, begin: Instant, end: Instant) -> Result<(), Failure> {
        answer::check(&client.received)?;
        self.answered += 1;
        if self.answered.is_multiple_of(SAMPLED) {
            self.samples.push(Sample { asked: client.asked.clone(), received: client.received.clone() });
        }
        if now >= begin && now < end {
            self.latencies.push(now.duration_since(client.since).as_micros() as u32);
        }
        Ok(())
    }
}

impl Client {
    fn open(port: u16, kind: Kind, questions: &mut Questions) -> Result<Self, Failure> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).during("connect")?;
        socket.set_nodelay(true).and_then(|()| socket.set_nonblocking(true)).during("set a connection up")?;
        let mut request = Vec::with_capacity(1024);
        let asked = questions.next(kind, port, &mut request)?;
        let mut client = Client { socket, request, received: Vec::with_capacity(2048), asked, since: Instant::now() };
        client.send()?;
        Ok(client)
    }

    fn ask(&mut self, port: u16, kind: Kind, questions: &mut Questions) -> Result<(), Failure> {
        self.asked = questions.next(kind, port, &mut self.request)?;
        self.send()
    }

    /// A question is smaller than any socket's buffer, which is empty: it goes whole.
    fn send(&mut self) -> Result<(), Failure> {
        self.received.clear();
        self.since = Instant::now();
        self.socket.write_all(&self.request).during("send a question")
    }

    /// Takes what has come; whether the answer is whole.
    fn receive(&mut self) -> Result<bool, Failure> {
        let mut chunk = [0; 4096];
        match self.socket.read(&mut chunk) {
            Ok(0) => return Err(Failure::new("the server has closed a connection")),
            Ok(count) => self.received.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).during("read an answer"),
        }
        answer::is_whole(&self.received)
    }
}
