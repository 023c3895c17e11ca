//! The front thread and its lanes, without the rest of the daemon: the tests control the work of each request and the clock
//! that bounds its wait.

use super::{SOON, TestClock};
use crate::support::eventually;
use crate::support::http::{Connection, PROMPTLY, Request, Response as Received};
use crossbeam_channel::{Receiver, Sender, bounded};
use opterius_http::front::{Control, Front, Lanes};
use opterius_http::head::Head;
use opterius_http::lane::{self, Lane};
use opterius_http::limits::Limits;
use opterius_http::response::Response;
use opterius_http::service::{Reaction, Refused, Request as Incoming, Service};
use std::io;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

const LANE_TIME: Duration = Duration::from_secs(30);

#[test]
fn a_blocked_write_lane_delays_neither_reads_nor_answers_from_memory() {
    let mut server = Server::start();
    let held: Vec<Connection> = (0..8).map(|_| server.send("/write/held")).collect();
    server.wait_for_begun(2);
    for number in 0..50 {
        for target in ["/read", "/memory"] {
            assert_eq!(server.fetch(target).status, 200, "{target}, {number}");
        }
    }
    assert_eq!(server.begun(), 2 + 50, "a lane with two threads runs more than two requests");
    server.release();
    for mut connection in held {
        assert_eq!(connection.receive(PROMPTLY).unwrap().text(), "/write/held");
    }
}

#[test]
fn a_blocked_read_lane_does_not_delay_writes() {
    let mut server = Server::start();
    let held: Vec<Connection> = (0..8).map(|_| server.send("/read/held")).collect();
    server.wait_for_begun(2);
    for target in ["/write", "/memory"] {
        assert_eq!(server.fetch(target).status, 200, "{target}");
    }
    server.release();
    for mut connection in held {
        assert_eq!(connection.receive(PROMPTLY).unwrap().status, 200);
    }
}

#[test]
fn a_panicking_request_gets_500_and_its_thread_ends() {
    let server = Server::start();
    assert_eq!(server.threads_ended(), 0);
    let response = server.fetch("/read/panic");
    check_error(&response, 500, "internal_error");
    assert!(eventually(SOON, || server.threads_ended() == 1), "the thread is still running");
    assert_eq!(server.fetch("/memory").status, 200);
}

#[test]
fn a_request_that_waits_30_seconds_for_a_thread_gets_503_and_never_runs() {
    let mut server = Server::start();
    let running: Vec<Connection> = (0..2).map(|_| server.send("/write/held")).collect();
    server.wait_for_begun(2);
    let mut waiting = server.send("/write");
    assert_eq!(server.fetch("/memory").status, 200);

    server.clock.hurry(LANE_TIME - Duration::from_secs(10));
    assert_eq!(server.fetch("/memory").status, 200);
    assert!(waiting.receive(Duration::from_millis(200)).is_err(), "given up too early");

    server.clock.hurry(Duration::from_secs(10));
    assert_eq!(server.fetch("/memory").status, 200);
    check_busy(&waiting.receive(PROMPTLY).unwrap());

    // Running requests are not given up, and the one that was given up never runs.
    server.release();
    for mut connection in running {
        assert_eq!(connection.receive(PROMPTLY).unwrap().text(), "/write/held");
    }
    assert_eq!(server.fetch("/write").status, 200);
    assert_eq!(server.begun(), 3);
}

#[test]
fn a_full_lane_answers_at_once() {
    let mut server = Server::with(Shape { room: 1, ..Shape::default() });
    let running = [1, 2].map(|number| {
        let connection = server.send("/write/held");
        server.wait_for_begun(number);
        connection
    });
    let mut waiting = server.send("/write");
    assert_eq!(server.fetch("/memory").status, 200);
    for _ in 0..10 {
        check_busy(&server.fetch("/write?a=b"));
    }
    // The service learns what was refused after it had accepted it.
    assert_eq!(*server.refused.lock().unwrap(), vec![r#"GET /write "" true 503"#; 10]);
    assert_eq!(server.fetch("/read").status, 200);
    server.release();
    assert_eq!(waiting.receive(PROMPTLY).unwrap().status, 200);
    drop(running);
}

#[test]
fn the_service_learns_what_the_front_refuses() {
    let server = Server::start();
    let refused = |request: &str, status: u16, line: Option<&str>| {
        let mut connection = server.connect();
        connection.send(request).unwrap();
        assert_eq!(connection.receive(PROMPTLY).unwrap().status, status, "{request}");
        let lines = std::mem::take(&mut *server.refused.lock().unwrap());
        assert_eq!(lines, line.into_iter().collect::<Vec<&str>>(), "{request}");
    };
    let head = "POST /write?x HTTP/1.1\r\nHost: a\r\n";
    refused(&format!("{head}Content-Length: 9\r\n\r\nabc"), 413, Some(r#"POST /write "abc" false 413"#));
    refused(&format!("{head}Transfer-Encoding: chunked\r\n\r\n"), 501, Some(r#"POST /write "" false 501"#));
    refused("POST /write HTTP/1.1\nHost: a\n\n", 400, Some(r#"POST /write "" false 400"#));
    refused("POST /write HTTP/3.0\r\n\r\n", 505, Some(r#"POST /write "" false 505"#));
    refused("\r\n\r\n\r\n", 400, None);
    refused("POST\r\n\r\n", 400, None);
    // A request that never ends.
    let mut slow = server.connect();
    slow.send(format!("{head}Content-Length: 8\r\n\r\nabc")).unwrap();
    assert_eq!(server.fetch("/memory").status, 200);
    server.clock.hurry(Duration::from_secs(11));
    // It wakes the front, which waits in real time.
    assert_eq!(server.fetch("/memory").status, 200);
    assert_eq!(slow.receive(PROMPTLY).unwrap().status, 408);
    assert_eq!(*server.refused.lock().unwrap(), [r#"POST /write "abc" false 408"#]);
}

#[test]
fn a_response_for_a_gone_client_reaches_no_other_client() {
    let mut server = Server::start();
    let gone = [server.send("/read/held"), server.send("/read/held")];
    server.wait_for_begun(2);
    gone.into_iter().for_each(Connection::reset);
    assert_eq!(server.fetch("/memory").status, 200);
    // These take the slots of the closed connections, and wait like them.
    let mut others: Vec<Connection> = (0..8).map(|_| server.send("/write/held-longer")).collect();
    let mut idle: Vec<Connection> = (0..8).map(|_| server.connect()).collect();
    server.wait_for_begun(4);
    assert_eq!(server.fetch("/memory").status, 200);
    server.release();
    for _ in 0..20 {
        assert_eq!(server.fetch("/read").text(), "/read");
    }
    server.release_all();
    for connection in &mut others {
        assert_eq!(connection.receive(PROMPTLY).unwrap().text(), "/write/held-longer");
    }
    for connection in &mut idle {
        assert_eq!(connection.exchange(Request::get("/memory")).unwrap().text(), "/memory");
    }
    for target in ["/read", "/write", "/memory"] {
        assert_eq!(server.fetch(target).text(), target);
    }
}

#[test]
fn a_connection_with_a_running_request_is_never_evicted() {
    let mut server = Server::with(Shape { connections: 16, ..Shape::default() });
    let held: Vec<Connection> = (0..16).map(|_| server.send("/write/held")).collect();
    server.wait_for_begun(2);
    // All sixteen are accepted once a new connection is rejected.
    assert!(eventually(SOON, || server.try_fetch("/memory").is_ok_and(|response| response.status == 503)));
    check_busy(&server.fetch("/memory"));
    server.release();
    for mut connection in held {
        assert_eq!(connection.receive(PROMPTLY).unwrap().status, 200);
    }
}

#[test]
fn a_stopping_front_finishes_running_requests_and_closes() {
    let mut server = Server::start();
    let mut running = server.send("/read/held");
    let mut waiting: Vec<Connection> = (0..4).map(|_| server.send("/read/held")).collect();
    let mut idle = server.connect();
    server.wait_for_begun(2);
    assert_eq!(server.fetch("/memory").status, 200);
    server.control.stop();
    assert!(idle.ends(PROMPTLY), "an idle connection is kept");
    assert!(eventually(SOON, || Connection::open(server.port).is_err()), "the port is open");
    server.release();
    for connection in std::iter::once(&mut running).chain(&mut waiting) {
        let response = connection.receive(PROMPTLY).unwrap();
        assert_eq!((response.status, response.header("Connection")), (200, Some("close")));
        assert!(connection.ends(PROMPTLY));
    }
}

// --------------------------------------------------------------------------------------------------------------------
// Helpers.

fn check_busy(response: &Received) {
    check_error(response, 503, "busy");
    let seconds = response.header("Retry-After").and_then(|value| value.parse::<u32>().ok());
    assert!(seconds.is_some_and(|seconds| seconds > 0), "{}", response.head_text());
}

fn check_error(response: &Received, status: u16, error: &str) {
    let body = response.json();
    assert_eq!((response.status, body["code"].as_str()), (status, Some(error)), "{body}");
    assert!(body["message"].is_string(), "{body}");
}

/// Answers each request with its own path: `/memory…` from memory, `/read…` and `/write…` by their lanes, where
/// `…/held` and `…/held-longer` wait until the test releases them and `…/panic` panics.
struct PathService {
    gate: Receiver<()>,
    second_gate: Receiver<()>,
    begun: Arc<AtomicUsize>,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Service for PathService {
    fn name(&self) -> &'static str {
        "path-service"
    }

    fn body_limit(&self, _: &Head<'_>) -> usize {
        8
    }

    fn refused(&mut self, refused: Refused<'_>) {
        let Refused { method, path, body, accepted, response } = refused;
        let body = String::from_utf8_lossy(body);
        let line = format!("{method} {path} {body:?} {accepted} {}", response.status);
        self.refused.lock().unwrap().push(line);
    }

    fn react(&mut self, request: &Incoming<'_>) -> Reaction {
        let path = request.head.path.to_owned();
        let (gate, second_gate) = (self.gate.clone(), self.second_gate.clone());
        let begun = Arc::clone(&self.begun);
        let lane = path.clone();
        let work = Box::new(move || {
            begun.fetch_add(1, Ordering::SeqCst);
            // The channel never carries a value: a wait ends when the sender is dropped.
            match path.rsplit('/').next() {
                Some("held") => drop(gate.recv()),
                Some("held-longer") => drop(second_gate.recv()),
                Some("panic") => std::panic::resume_unwind(Box::new("injected")),
                _ => {}
            }
            text(&path)
        });
        match lane {
            lane if lane.starts_with("/read") => Reaction::Read(work),
            lane if lane.starts_with("/write") => Reaction::Write(work),
            lane => Reaction::Answer(text(&lane)),
        }
    }
}

fn text(path: &str) -> Response {
    let body = path.as_bytes().to_vec();
    Response { status: 200, content_type: "text/plain", headers: Vec::new(), body: body.into(), tail: None }
}

struct Shape {
    connections: usize,
    /// The most requests that can wait in one lane.
    room: usize,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape { connections: 64, room: 64 }
    }
}

/// A front with two threads for reads and two for writes. Dropping it ends them all.
struct Server {
    port: u16,
    clock: Arc<TestClock>,
    control: Control,
    gate: Option<Sender<()>>,
    second_gate: Option<Sender<()>>,
    begun: Arc<AtomicUsize>,
    refused: Arc<Mutex<Vec<String>>>,
    front: Option<JoinHandle<io::Result<()>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    fn start() -> Server {
        Server::with(Shape::default())
    }

    fn with(shape: Shape) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (clock, begun) = (TestClock::new(), Arc::new(AtomicUsize::new(0)));
        let ((gate, held), (second_gate, held_longer)) = (bounded(0), bounded(0));
        let refused = Arc::default();
        let service = PathService {
            gate: held,
            second_gate: held_longer,
            begun: Arc::clone(&begun),
            refused: Arc::clone(&refused),
        };
        let (reads, read_jobs) = Lane::new(shape.room);
        let (writes, write_jobs) = Lane::new(shape.room);
        let limits = Limits { connections: shape.connections };
        let injected = Arc::clone(&clock);
        let (front, control) = Front::new(
            listener,
            injected,
            Box::new(service),
            Lanes { reads, slow: writes.clone(), transfers: writes.clone(), writes },
            limits,
        )
        .unwrap();
        let threads = [&read_jobs, &read_jobs, &write_jobs, &write_jobs].map(|jobs| {
            let jobs = jobs.clone();
            std::thread::spawn(move || lane::run(&jobs))
        });
        let front = Some(std::thread::spawn(move || front.run()));
        Server {
            port,
            clock,
            control,
            gate: Some(gate),
            second_gate: Some(second_gate),
            begun,
            refused,
            front,
            threads: threads.into(),
        }
    }

    fn connect(&self) -> Connection {
        Connection::open(self.port).unwrap()
    }

    fn send(&self, target: &str) -> Connection {
        let mut connection = self.connect();
        connection.send(Request::get(target).bytes()).unwrap();
        connection
    }

    /// Retries once: right after a jump of the clock, a new connection can have been accepted before the jump and time out
    /// at once.
    fn try_fetch(&self, target: &str) -> io::Result<Received> {
        let exchange = || Connection::open(self.port)?.exchange(Request::get(target));
        exchange().or_else(|_| exchange())
    }

    fn fetch(&self, target: &str) -> Received {
        self.try_fetch(target).unwrap_or_else(|error| panic!("{target}: {error}"))
    }

    /// How many requests the lanes have started to run.
    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    fn wait_for_begun(&self, count: usize) {
        assert!(eventually(SOON, || self.begun() >= count), "{} of {count} requests begun", self.begun());
    }

    /// Releases all held requests, present and future.
    fn release(&mut self) {
        self.gate = None;
    }

    /// Releases those that are held longer as well.
    fn release_all(&mut self) {
        self.gate = None;
        self.second_gate = None;
    }

    fn threads_ended(&self) -> usize {
        self.threads.iter().filter(|thread| thread.is_finished()).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.release_all();
        self.control.stop();
        // Including connections whose client did not read its response.
        let front = self.front.take();
        eventually(SOON, || {
            self.clock.hurry(Duration::from_secs(10));
            self.control.stop();
            front.as_ref().is_none_or(JoinHandle::is_finished)
        });
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
