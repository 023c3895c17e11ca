//! A TCP proxy in front of a server of PostgreSQL: the network of a test.

use super::messages::{Messages, Request, Statements, is_ready};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;

/// What is lost when a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The request: the server has not executed it.
    Request,
    /// The answer: the server has executed it.
    Answer,
}

/// A proxy on a free port of 127.0.0.1. Dropping it ends all connections. It understands connections without TLS.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    /// The port of the server.
    server: AtomicU16,
    state: Mutex<State>,
    changed: Condvar,
    is_over: AtomicBool,
    lost: AtomicUsize,
}

#[derive(Default)]
struct State {
    is_stalled: bool,
    is_refusing: bool,
    trap: Option<Trap>,
    /// Both ends of all connections, by number.
    connections: BTreeMap<usize, [TcpStream; 2]>,
}

/// The next statement that begins with this text loses its request or its answer.
struct Trap {
    text: String,
    lost: Lost,
}

impl Proxy {
    /// Forwards to this port.
    pub fn start(server: u16) -> Proxy {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            server: AtomicU16::new(server),
            state: Mutex::default(),
            changed: Condvar::new(),
            is_over: AtomicBool::new(false),
            lost: AtomicUsize::new(0),
        });
        let accepting = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Proxy { port, shared, accepting: Some(accepting) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Forwards new connections to another server.
    pub fn point_to(&self, server: u16) {
        self.shared.server.store(server, Ordering::SeqCst);
    }

    /// Forwards nothing more, and keeps all connections; new ones are accepted by the kernel.
    pub fn stall(&self) {
        self.change(|state| state.is_stalled = true);
    }

    /// Ends all connections, and new ones at once.
    pub fn refuse(&self) {
        self.change(|state| state.is_refusing = true);
        self.cut();
    }

    /// Ends what [`Self::stall`] and [`Self::refuse`] began.
    pub fn resume(&self) {
        self.change(|state| (state.is_stalled, state.is_refusing) = (false, false));
    }

    /// Ends all connections.
    pub fn cut(&self) {
        self.change(|state| {
            let connections = std::mem::take(&mut state.connections);
            connections.values().flatten().for_each(|socket| drop(socket.shutdown(Shutdown::Both)));
        });
    }

    /// Cuts the connection of the next statement whose text begins with `text`: before it reaches the server, or after the
    /// server has executed it and before the answer reaches the client.
    pub fn lose(&self, lost: Lost, text: &str) {
        self.change(|state| state.trap = Some(Trap { text: text.to_ascii_uppercase(), lost }));
    }

    /// How many connections [`Self::lose`] has cut.
    pub fn lost(&self) -> usize {
        self.shared.lost.load(Ordering::SeqCst)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.shared.state.lock().unwrap());
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        self.resume();
        self.cut();
        // Ends the wait for a client.
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl Shared {
    fn wait_while_stalled(&self) {
        let guard = self.state.lock().unwrap();
        drop(self.changed.wait_while(guard, |state| state.is_stalled).unwrap());
    }

    fn count_loss(&self) {
        self.lost.fetch_add(1, Ordering::SeqCst);
    }

    /// What this statement loses, if the trap is set for it. A trap is for one statement.
    fn spring(&self, text: &str) -> Option<Lost> {
        let mut state = self.state.lock().unwrap();
        let text = text.to_ascii_uppercase();
        state.trap.take_if(|trap| text.starts_with(&trap.text)).map(|trap| trap.lost)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads = Vec::new();
    for (number, client) in listener.incoming().flatten().enumerate() {
        shared.wait_while_stalled();
        if shared.is_over.load(Ordering::SeqCst) {
            break;
        }
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, shared.server.load(Ordering::SeqCst))) else {
            continue;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let mut state = shared.state.lock().unwrap();
        if !state.is_refusing {
            state.connections.insert(number, [client.try_clone().unwrap(), server.try_clone().unwrap()]);
            drop(state);
            threads.retain(|thread: &JoinHandle<()>| !thread.is_finished());
            threads.extend(forward(number, client, server, shared));
        }
    }
    threads.into_iter().for_each(|thread| drop(thread.join()));
}

/// Starts a thread for each direction of a connection.
fn forward(number: usize, client: TcpStream, server: TcpStream, shared: &Arc<Shared>) -> [JoinHandle<()>; 2] {
    let connection = Arc::<Connection>::default();
    let requests = {
        let (client, server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        let (connection, shared) = (Arc::clone(&connection), Arc::clone(shared));
        std::thread::spawn(move || {
            connection.forward_requests(&client, &server, &shared);
            end(number, &shared, [&client, &server]);
        })
    };
    let shared = Arc::clone(shared);
    let answers = std::thread::spawn(move || {
        connection.forward_answers(&server, &client, &shared);
        end(number, &shared, [&client, &server]);
    });
    [requests, answers]
}

fn end(number: usize, shared: &Shared, sockets: [&TcpStream; 2]) {
    sockets.iter().for_each(|socket| drop(socket.shutdown(Shutdown::Both)));
    shared.state.lock().unwrap().connections.remove(&number);
}

/// What both directions of a connection know.
#[derive(Default)]
struct Connection {
    /// How often the client asked the server to say that it is ready.
    asked: AtomicUsize,
    /// Which of these answers is lost; 0 is none.
    lost_answer: AtomicUsize,
    /// Whether the server's next byte answers the question for TLS.
    awaits_tls: AtomicBool,
}

impl Connection {
    /// Forwards until the connection ends.
    fn forward_requests(&self, client: &TcpStream, mut server: &TcpStream, shared: &Shared) {
        let (mut messages, mut statements) = (Messages::of_client(), Statements::new());
        let mut loses_answer = false;
        let mut buffer = [0; 65536];
        while let Some(read) = read(client, &mut buffer, shared) {
            messages.add(read);
            while let Some(message) = messages.next() {
                let request = statements.read(&message, &mut messages);
                if let Request::Query(text) | Request::Execute(text) = &request {
                    match shared.spring(text) {
                        Some(Lost::Request) => return shared.count_loss(),
                        Some(Lost::Answer) => loses_answer = true,
                        None => {}
                    }
                }
                if matches!(request, Request::Query(_) | Request::Sync) {
                    let number = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
                    if std::mem::take(&mut loses_answer) {
                        self.lost_answer.store(number, Ordering::SeqCst);
                    }
                }
                self.awaits_tls.store(matches!(request, Request::Tls), Ordering::SeqCst);
                if server.write_all(&message).is_err() {
                    return;
                }
            }
        }
    }

    /// The same in the other direction.
    fn forward_answers(&self, server: &TcpStream, mut client: &TcpStream, shared: &Shared) {
        let mut messages = Messages::of_server();
        let mut answered = 0;
        let mut buffer = [0; 65536];
        while let Some(mut read) = read(server, &mut buffer, shared) {
            if self.awaits_tls.swap(false, Ordering::SeqCst) {
                if client.write_all(&read[..1]).is_err() {
                    return;
                }
                read = &read[1..];
            }
            messages.add(read);
            while let Some(message) = messages.next() {
                let is_lost = self.lost_answer.load(Ordering::SeqCst) == answered + 1;
                answered += usize::from(is_ready(&message));
                if is_lost && is_ready(&message) {
                    return shared.count_loss();
                }
                if !is_lost && client.write_all(&message).is_err() {
                    return;
                }
            }
        }
    }
}

/// Reads some bytes, once nothing is stalled; none at the end.
fn read<'b>(mut from: &TcpStream, buffer: &'b mut [u8], shared: &Shared) -> Option<&'b [u8]> {
    let length = from.read(buffer).ok().filter(|length| *length > 0)?;
    shared.wait_while_stalled();
    Some(&buffer[..length])
}
