//! The helper: one process with the rights, one request on stdin, one answer on stdout. It believes nobody: who is at the
//! other end is asked of the kernel, and the request is read by the same rules as in the Agent.

use std::io::{self, Read, Write};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Mode;
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Resource, getrlimit, setrlimit, umask};
use serde_json::Value;

use crate::operations;
use crate::perform::Context;
use opterius_base::deadline::Deadline;
use opterius_host::helper::protocol::{Allowance, HelperReply, HelperRequest, LONGEST};
use opterius_host::host::Host;
use opterius_host::layout::AGENT_GROUP;
use opterius_host::problem::Problem;
use opterius_host::request::Request;
use opterius_host::users::register::Register;

/// How long the request may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(10);

/// The largest request, in bytes: the largest body that the Agent takes, and what it adds.
const MAX_REQUEST: usize = 2 * 1024 * 1024 + 4096;

/// Descriptors for nginx, which opens two logs of every site to test them.
const DESCRIPTORS: u64 = 65_536;

/// Does the one thing that is asked on stdin and answers on stdout; `host` is the host, or why there is none.
///
/// # Errors
/// Nobody takes the answer.
pub fn serve(host: Result<Host, String>) -> io::Result<()> {
    raise_limits();
    // Whatever the Agent's is: what a site is made of, the web server reads.
    umask(Mode::from_raw_mode(0o022));
    let done = host.map_err(Problem::Unavailable).and_then(|host| {
        check_peer(&host)?;
        perform_order(&host, &receive()?)
    });
    let reply = HelperReply::from(done);
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, &reply)?;
    stdout.flush()
}

/// Through a socket only root and the Agent's own user are served. The socket's mode says the same; this is the second lock.
fn check_peer(host: &Host) -> Result<(), Problem> {
    let Ok(peer) = socket_peercred(rustix::stdio::stdin()) else {
        // A pipe: whoever has started us has our rights.
        return Ok(());
    };
    let uid = peer.uid.as_raw();
    let register = Register::read(host)?;
    if uid == 0 || register.user(AGENT_GROUP).is_some_and(|user| user.uid == uid) {
        return Ok(());
    }
    Err(Problem::Unavailable(format!("User {uid} may not ask for operations.")))
}

/// Reads the request to its end.
fn receive() -> Result<Vec<u8>, Problem> {
    let deadline = Deadline::within(ARRIVAL);
    let mut stdin = io::stdin().lock();
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let left = Timespec::try_from(deadline.left()).ok();
        let ready = poll(&mut [PollFd::new(&rustix::stdio::stdin(), PollFlags::IN)], left.as_ref());
        if deadline.is_over() || ready == Ok(0) {
            return Err(Problem::TimedOut("The request did not arrive in time.".to_owned()));
        }
        match stdin.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(length) => bytes.extend(buffer.iter().take(length)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Problem::failed("the request", error)),
        }
        if bytes.len() > MAX_REQUEST {
            return Err(Problem::invalid("body", format!("must have at most {MAX_REQUEST} bytes")));
        }
    }
}

/// Does what an order says.
///
/// # Errors
/// It is none, or was not done.
pub fn perform_order(host: &Host, bytes: &[u8]) -> Result<Value, Problem> {
    let order: HelperRequest = serde_json::from_slice(bytes)
        .map_err(|error| Problem::invalid("body", format!("is not an order of the Agent ({error})")))?;
    let request = Request::from_json(&order.path, order.body)?;
    let allowance = Allowance { max_accounts: order.max_accounts, plan: order.plan };
    let deadline = Deadline::within(LONGEST.min(Duration::from_secs(order.seconds)));
    operations::perform(&request, Context { host, allowance: &allowance, deadline })
}

/// As many descriptors as nginx needs for its test. Where the limit cannot be raised, nginx says so if it needs more.
fn raise_limits() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < DESCRIPTORS) {
        limit.current = Some(DESCRIPTORS);
        limit.maximum = limit.maximum.map(|maximum| maximum.max(DESCRIPTORS));
        let _ = setrlimit(Resource::Nofile, limit);
    }
}
