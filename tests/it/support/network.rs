//! Two machines on one wire: the near one, where the Agent runs, and the far one with the name server and the license server.
//! Each is a network namespace, which disappears with its process; a test decides about addresses and routes.

use super::SOON;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fd::AsFd as _;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::eventually;

/// How often a server looks whether it must end.
const TICK: Duration = Duration::from_millis(50);

/// A network namespace, as long as its process runs.
struct Namespace(Child);

impl Namespace {
    fn new() -> Namespace {
        let mut command = Command::new("unshare");
        command.args(["--net", "sleep", "infinity"]).stdin(Stdio::null());
        let child = command.spawn().unwrap();
        let own = fs::read_link("/proc/self/ns/net").unwrap();
        let path = format!("/proc/{}/ns/net", child.id());
        let is_apart = || fs::read_link(&path).is_ok_and(|namespace| namespace != own);
        assert!(eventually(SOON, is_apart), "unshare --net needs root");
        Namespace(child)
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.0.id())
    }

    /// Runs a shell script, which must succeed.
    fn run(&self, script: &str) {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.path())).args(["sh", "-ec", script]).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Calls `open` inside; a socket stays in the namespace where it was opened.
    fn inside<T: Send>(&self, open: impl FnOnce() -> T + Send) -> T {
        let namespace = fs::File::open(self.path()).unwrap();
        let enter = || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            open()
        };
        std::thread::scope(|scope| scope.spawn(enter).join()).unwrap()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The two machines. The near one has 192.0.2.1/24 and fd00:1::1/64, the far one 192.0.2.2 and fd00:1::2, and there are no
/// further routes.
pub struct Wire {
    near: Namespace,
    far: Namespace,
    servers: Vec<Server>,
}

impl Wire {
    pub fn new() -> Wire {
        let (near, far) = (Namespace::new(), Namespace::new());
        near.run(&format!(
            "ip link set lo up; ip link add wire type veth peer name wire netns {}; ip address add 192.0.2.1/24 dev wire; \
             ip address add fd00:1::1/64 dev wire nodad; ip link set wire up",
            far.0.id()
        ));
        far.run(
            "ip link set lo up; ip address add 192.0.2.2/24 dev wire; ip address add fd00:1::2/64 dev wire nodad; \
             ip link set wire up",
        );
        Wire { near, far, servers: Vec::new() }
    }

    /// Changes the near machine.
    pub fn near(&self, script: &str) {
        self.near.run(script);
    }

    /// Changes the far machine.
    pub fn far(&self, script: &str) {
        self.far.run(script);
    }

    /// Gives the far machine an address, where connections to port 443 are relayed to this port of the tests' machine.
    pub fn relay(&mut self, address: &str, port: u16) {
        let address = self.far_address(address);
        let listener = self.far.inside(|| TcpListener::bind((address, 443)).unwrap());
        self.servers.push(Server::start(move |over| relay(&listener, port, over)));
    }

    /// Answers DNS queries on an address of the far machine. Returns the queries.
    pub fn dns(&mut self, address: &str, script: impl Fn(&Query) -> Reply + Send + 'static) -> Arc<Mutex<Vec<Query>>> {
        let address = self.far_address(address);
        let socket = self.far.inside(|| UdpSocket::bind((address, 53)).unwrap());
        socket.set_read_timeout(Some(TICK)).unwrap();
        let queries = Arc::<Mutex<Vec<Query>>>::default();
        let seen = Arc::clone(&queries);
        self.servers.push(Server::start(move |over| {
            while !over.load(Ordering::SeqCst) {
                let mut packet = [0; 512];
                let Ok((length, peer)) = socket.recv_from(&mut packet) else { continue };
                let Some(query) = Query::parse(&packet[..length]) else { continue };
                seen.lock().unwrap().push(query.clone());
                if let Some(reply) = script(&query).encode(&packet[..length], &query) {
                    let _ = socket.send_to(&reply, peer);
                }
            }
        }));
        queries
    }

    fn far_address(&self, address: &str) -> IpAddr {
        let parsed: IpAddr = address.parse().unwrap();
        let (bits, options) = if parsed.is_ipv4() { (32, "") } else { (128, "nodad") };
        self.far.run(&format!("ip address replace {address}/{bits} dev wire {options}"));
        parsed
    }

    /// The command line of a launcher that runs a command on the near machine, with these name servers and these lines in
    /// /etc/hosts.
    pub fn launcher(&self, directory: &Path, name_servers: &[&str], hosts: &str) -> Vec<String> {
        let lines: String = name_servers.iter().map(|address| format!("nameserver {address}\n")).collect();
        fs::write(directory.join("resolv.conf"), lines).unwrap();
        fs::write(directory.join("hosts"), format!("127.0.0.1 localhost\n{hosts}\n")).unwrap();
        let script = format!(
            "set -e; mount --bind {0}/resolv.conf /etc/resolv.conf; mount --bind {0}/hosts /etc/hosts; exec \"$@\"",
            directory.display()
        );
        let namespace = format!("--net={}", self.near.path());
        ["nsenter", &namespace, "unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned).into()
    }
}

/// A thread that ends with the test.
struct Server {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(serve: impl FnOnce(&AtomicBool) + Send + 'static) -> Server {
        let over = Arc::<AtomicBool>::default();
        let thread = std::thread::spawn({
            let over = Arc::clone(&over);
            move || serve(&over)
        });
        Server { over, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn relay(listener: &TcpListener, port: u16, over: &AtomicBool) {
    listener.set_nonblocking(true).unwrap();
    while !over.load(Ordering::SeqCst) {
        match listener.accept() {
            Ok((client, _)) => drop(std::thread::spawn(move || relay_one(&client, port))),
            Err(_) => super::pause(TICK / 5),
        }
    }
}

fn relay_one(client: &TcpStream, port: u16) -> io::Result<()> {
    client.set_nonblocking(false)?;
    client.set_read_timeout(Some(Duration::from_secs(30)))?;
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    server.set_read_timeout(Some(Duration::from_secs(30)))?;
    std::thread::scope(|scope| {
        scope.spawn(|| copy(client, &server));
        copy(&server, client);
    });
    Ok(())
}

fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

/// A DNS query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    pub name: String,
    /// A or AAAA.
    pub family: char,
    /// The length of the packet up to the end of the question.
    length: usize,
}

impl Query {
    /// RFC 1035 §4.1: a header of 12 bytes, then the labels of the name, the type and the class.
    fn parse(packet: &[u8]) -> Option<Query> {
        let mut at = 12;
        let mut labels = Vec::new();
        while *packet.get(at)? != 0 {
            let length = usize::from(packet[at]);
            labels.push(String::from_utf8_lossy(packet.get(at + 1..=at + length)?).into_owned());
            at += 1 + length;
        }
        let family = match packet.get(at + 1..at + 3)? {
            [0, 1] => '4',
            [0, 28] => '6',
            _ => return None,
        };
        Some(Query { name: labels.join("."), family, length: at + 5 })
    }
}

/// The reply to a query.
#[derive(Clone, Copy, Debug)]
pub enum Reply {
    /// None.
    Drop,
    /// The name does not exist.
    NoName,
    /// The name server failed.
    Failure,
    /// The address, to a query of its family; to the other one, that there is none.
    Address(IpAddr),
    /// The same after 20 times another address.
    LastOfMany(IpAddr, IpAddr),
    /// There is no address.
    Nothing,
}

impl Reply {
    pub fn address(text: &str) -> Reply {
        Reply::Address(text.parse().unwrap())
    }

    fn encode(self, packet: &[u8], query: &Query) -> Option<Vec<u8>> {
        let mut addresses = match self {
            Reply::Address(address) => vec![address],
            Reply::LastOfMany(others, address) => [vec![others; 20], vec![address]].concat(),
            _ => Vec::new(),
        };
        addresses.retain(|address| address.is_ipv4() == (query.family == '4'));
        let code = match self {
            Reply::Drop => return None,
            Reply::NoName => 3,
            Reply::Failure => 2,
            Reply::Address(_) | Reply::LastOfMany(..) | Reply::Nothing => 0,
        };
        let mut reply = packet[..query.length].to_vec();
        // A response, recursion available, with one question and its answers.
        let count = u8::try_from(addresses.len()).unwrap();
        reply[2..12].copy_from_slice(&[0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
        for address in addresses {
            let bytes = match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            // The name by a pointer to the question's, its type, class IN, 60 s.
            let kind = if address.is_ipv4() { 1 } else { 28 };
            reply.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, u8::try_from(bytes.len()).unwrap()]);
            reply.extend(bytes);
        }
        Some(reply)
    }
}
