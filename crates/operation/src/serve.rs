//! The helper: one root process, one request on stdin, one reply on stdout. It does not trust its client: the kernel
//! identifies the peer, and the request is parsed again by the same rules as in the Agent.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{Shutdown, shutdown};
use rustix::process::{Resource, getrlimit, setrlimit, umask};
use rustix::stdio::{dup2_stdin, dup2_stdout};
use serde_json::Value;

use crate::operations;
use crate::perform::{Context, PassedFiles};
use opterius_base::deadline::Deadline;
use opterius_host::helper::passing;
use opterius_host::helper::protocol::{Allowance, HelperReply, HelperRequest};
use opterius_host::host::Host;
use opterius_host::layout::AGENT_GROUP;
use opterius_host::problem::Problem;
use opterius_host::request::Request;
use opterius_host::users::register::Register;

/// Time limit for receiving the request.
const RECEIVE_TIME: Duration = Duration::from_secs(10);

/// Largest request, in bytes: the largest body that the Agent accepts, plus what it adds.
const MAX_REQUEST: usize = 2 * 1024 * 1024 + 4096;

/// File descriptors for nginx, whose configuration test opens two logs per site.
const DESCRIPTORS: u64 = 65_536;

/// Performs the operation requested on stdin and writes the reply to stdout; `host` is the host or an error message.
///
/// # Errors
/// The reply cannot be written.
pub fn serve(host: Result<Host, String>) -> io::Result<()> {
    raise_limits();
    // Do not inherit the Agent's umask: the web server must be able to read a site's files.
    umask(Mode::from_raw_mode(0o022));
    // The request is read in any case: closing a socket with unread data would reset the connection and lose the reply.
    let mut files = PassedFiles::default();
    let request = receive(&mut files);
    let result = host.map_err(Problem::Unavailable).and_then(|host| {
        check_peer(&host)?;
        perform_request(&host, &request?, &files)
    });
    let reply = HelperReply::from(result);
    let returned = files.returned.take();
    if !returned.is_empty() {
        let returned: Vec<_> = returned.iter().map(AsFd::as_fd).collect();
        // JSON can begin with a line break.
        passing::send(rustix::stdio::stdin(), b"\n", &returned)?;
    }
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, &reply)?;
    stdout.flush()?;
    close()
}

/// Ends the connection. A thread that waits for a tenant's file system can keep this process from ending, and the client
/// would wait as long. systemd has the socket open, too, until this process ends.
fn close() -> io::Result<()> {
    match shutdown(rustix::stdio::stdout(), Shutdown::Write) {
        // A pipe, or a client that has gone.
        Err(Errno::NOTSOCK | Errno::NOTCONN) => {}
        ended => ended?,
    }
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    Ok(dup2_stdout(&null)?)
}

/// Checks that a client on a socket is root or the Agent's user. The socket's mode enforces the same; this is a second
/// check.
fn check_peer(host: &Host) -> Result<(), Problem> {
    let Ok(peer) = socket_peercred(rustix::stdio::stdin()) else {
        // stdin is a pipe: the parent process has the same privileges.
        return Ok(());
    };
    let uid = peer.uid.as_raw();
    let register = Register::read(host)?;
    if uid == 0 || register.user(AGENT_GROUP).is_some_and(|user| user.uid == uid) {
        return Ok(());
    }
    Err(Problem::Unavailable(format!("User {uid} is not allowed to request operations.")))
}

/// Reads the complete request.
fn receive(files: &mut PassedFiles) -> Result<Vec<u8>, Problem> {
    let deadline = Deadline::within(RECEIVE_TIME);
    let stdin = rustix::stdio::stdin();
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let left = Timespec::try_from(deadline.left()).ok();
        let ready = poll(&mut [PollFd::new(&stdin, PollFlags::IN)], left.as_ref());
        if deadline.is_over() || ready == Ok(0) {
            return Err(Problem::TimedOut("The request did not arrive in time.".to_owned()));
        }
        let received = match passing::receive(stdin, &mut buffer, &mut files.received) {
            Err(Errno::NOTSOCK) => rustix::io::read(stdin, &mut buffer),
            received => received,
        };
        match received.map_err(io::Error::from) {
            Ok(0) => return Ok(bytes),
            Ok(length) => bytes.extend(buffer.iter().take(length)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Problem::failed("the request", error)),
        }
        if bytes.len() > MAX_REQUEST {
            return Err(Problem::invalid("body", format!("must be at most {MAX_REQUEST} bytes long")));
        }
    }
}

/// Performs a request from the Agent.
///
/// # Errors
/// The request is invalid, or the operation failed.
pub fn perform_request(host: &Host, bytes: &[u8], files: &PassedFiles) -> Result<Value, Problem> {
    let helper_request: HelperRequest = serde_json::from_slice(bytes)
        .map_err(|error| Problem::invalid("body", format!("is not a request from the Agent ({error})")))?;
    let request = Request::from_json(&helper_request.path, helper_request.body)?;
    let allowance = Allowance { max_accounts: helper_request.max_accounts, plan: helper_request.plan };
    let deadline = Deadline::within(request.longest().min(Duration::from_secs(helper_request.seconds)));
    operations::perform(&request, Context { host, allowance: &allowance, deadline, files })
}

/// Raises the limit on open files for nginx's test. If that fails and nginx needs more, nginx reports it.
fn raise_limits() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < DESCRIPTORS) {
        limit.current = Some(DESCRIPTORS);
        limit.maximum = limit.maximum.map(|maximum| maximum.max(DESCRIPTORS));
        let _ = setrlimit(Resource::Nofile, limit);
    }
}
