//! Runs operations for the Agent: through the helper's systemd socket, or in a child process if the Agent runs as root.

use std::env;
use std::io;
use std::net::Shutdown;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::warn;
use rustix::process::geteuid;
use serde_json::Value;

use crate::helper::passing;
use crate::helper::protocol::Allowance;
use crate::helper::protocol::{HelperReply, HelperRequest};
use crate::layout::{self, SOCKET};
use crate::problem::Problem;
use crate::tool::Tool;
use opterius_base::deadline::Deadline;

/// Largest reply, in bytes.
const MAX_REPLY: usize = 4 * 1024 * 1024;

/// Extra time after the operation's deadline, in which the helper can roll back.
const ROLLBACK_TIME: Duration = Duration::from_secs(5);

/// How operations get root privileges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HelperMode {
    /// The helper if its socket exists; otherwise a child process if the Agent runs as root.
    #[default]
    Auto,
    /// The helper, through its socket.
    Helper,
    /// A child process.
    Child,
    /// Operations are disabled.
    Off,
}

/// How one request reaches the helper program.
enum HelperTransport {
    Helper,
    Child,
}

/// Runs operations through the helper program.
#[derive(Clone, Debug)]
pub struct HelperClient {
    mode: HelperMode,
    config: PathBuf,
}

/// One operation to run.
pub struct HelperCall {
    /// The path that the Panel called.
    pub path: &'static str,
    /// The request, as written by [`Request::to_json`](crate::request::Request::to_json).
    pub request: Value,
    /// What the license allows.
    pub allowance: Allowance,
    /// When the operation must end.
    pub deadline: Deadline,
}

impl HelperClient {
    /// A client with this mode; the helper program reads the configuration file `config`.
    pub fn new(mode: HelperMode, config: PathBuf) -> Self {
        Self { mode, config }
    }

    /// Checks whether operations can run now.
    ///
    /// # Errors
    /// The reason why they cannot.
    pub fn check(&self) -> Result<(), Problem> {
        self.transport().map(drop)
    }

    fn transport(&self) -> Result<HelperTransport, Problem> {
        match self.mode {
            HelperMode::Helper => Ok(HelperTransport::Helper),
            HelperMode::Child => child(&program()),
            HelperMode::Auto if Path::new(SOCKET).exists() => Ok(HelperTransport::Helper),
            HelperMode::Auto if geteuid().is_root() => child(&program()),
            HelperMode::Auto => {
                Err(unavailable(&format!("{SOCKET} does not exist, and the Agent does not run as root")))
            }
            HelperMode::Off => Err(unavailable("agent.conf sets operations=off")),
        }
    }

    /// Runs an operation, and returns its reply or a reply with the problem.
    pub fn run(&self, call: &HelperCall) -> HelperReply {
        self.reply(call).unwrap_or_else(|problem| HelperReply::from(Err(problem)))
    }

    /// Like [`Self::run`], for an operation that takes or returns open files.
    pub fn exchange(&self, call: &HelperCall, passed: &[BorrowedFd<'_>]) -> (HelperReply, Vec<OwnedFd>) {
        let mut returned = Vec::new();
        let reply = self.exchanged(call, passed, &mut returned);
        (reply.unwrap_or_else(|problem| HelperReply::from(Err(problem))), returned)
    }

    fn reply(&self, call: &HelperCall) -> Result<HelperReply, Problem> {
        let request = encode(call)?;
        decode(&match self.transport()? {
            HelperTransport::Helper => call_helper(&request, &[], &mut Vec::new(), call.deadline)?,
            HelperTransport::Child => self.run_child(|tool| tool.input(request), call.deadline)?,
        })
    }

    fn exchanged(
        &self,
        call: &HelperCall,
        passed: &[BorrowedFd<'_>],
        returned: &mut Vec<OwnedFd>,
    ) -> Result<HelperReply, Problem> {
        let request = encode(call)?;
        decode(&match self.transport()? {
            HelperTransport::Helper => call_helper(&request, passed, returned, call.deadline)?,
            HelperTransport::Child => self.exchange_with_child(&request, passed, returned, call.deadline)?,
        })
    }

    /// The child's stdin is a socket, for the files. The request is short, and fits into the socket's buffer.
    fn exchange_with_child(
        &self,
        request: &[u8],
        passed: &[BorrowedFd<'_>],
        returned: &mut Vec<OwnedFd>,
        deadline: Deadline,
    ) -> Result<Vec<u8>, Problem> {
        let failed = |error: io::Error| Problem::failed("the helper", error);
        let (own, childs) = UnixStream::pair().map_err(failed)?;
        own.set_nonblocking(true).map_err(failed)?;
        send(&own, request, passed).map_err(failed)?;
        let reply = self.run_child(|tool| tool.descriptor(childs.into()), deadline)?;
        let _ = passing::receive(&own, &mut [0; 1], returned);
        Ok(reply)
    }

    fn run_child(&self, with_input: impl FnOnce(Tool) -> Tool, deadline: Deadline) -> Result<Vec<u8>, Problem> {
        let tool = with_input(Tool::at(program()).arg("--config").arg(&self.config));
        let output =
            tool.keep_other_children().capture(MAX_REPLY).run(Deadline::within(deadline.left() + ROLLBACK_TIME))?;
        for line in output.stderr.lines() {
            warn!("operation: {line}");
        }
        Ok(output.stdout.into_bytes())
    }
}

fn decode(reply: &[u8]) -> Result<HelperReply, Problem> {
    serde_json::from_slice(reply).map_err(|_| {
            Problem::Failed(
                "The operation ended without a reply. Repeat it to complete it or roll it back. For the cause, run: journalctl -t \
                 opterius-agent, and journalctl -u 'opterius-operation@*'"
                    .to_owned(),
            )
        })
}

/// The transport by a child process, if its program exists.
fn child(program: &Path) -> Result<HelperTransport, Problem> {
    match program.is_file() {
        true => Ok(HelperTransport::Child),
        false => Err(Problem::Unavailable(format!(
            "The Agent cannot change this server: its helper program {} does not exist. Reinstall the package: apt-get \
             install --reinstall opterius-agent",
            program.display()
        ))),
    }
}

/// The path of the helper program: next to this program if it exists there, otherwise where the package installs it.
pub fn program() -> PathBuf {
    let own = env::current_exe().unwrap_or_default();
    let beside = own.with_file_name(layout::PROGRAM_NAME);
    if beside.is_file() { beside } else { PathBuf::from(layout::PROGRAM) }
}

fn unavailable(cause: &str) -> Problem {
    Problem::Unavailable(format!(
        "The Agent has no privileges to change this server: {cause}. Start the helper: systemctl enable --now \
         opterius-operation.socket"
    ))
}

fn encode(call: &HelperCall) -> Result<Vec<u8>, Problem> {
    let request = HelperRequest {
        path: call.path.to_owned(),
        body: Some(call.request.clone()),
        max_accounts: call.allowance.max_accounts,
        plan: call.allowance.plan.clone(),
        seconds: call.deadline.left().as_secs(),
    };
    serde_json::to_vec(&request).map_err(|error| Problem::failed("the request", error))
}

/// Sends the request, the descriptor with its first byte, and then the end of the stream.
fn send(stream: &UnixStream, request: &[u8], mut passed: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut rest = request;
    while !rest.is_empty() {
        let sent = passing::send(stream, rest, std::mem::take(&mut passed))?;
        rest = rest.get(sent..).unwrap_or_default();
    }
    stream.shutdown(Shutdown::Write)
}

fn call_helper(
    request: &[u8],
    passed: &[BorrowedFd<'_>],
    returned: &mut Vec<OwnedFd>,
    deadline: Deadline,
) -> Result<Vec<u8>, Problem> {
    let stream = UnixStream::connect(SOCKET)
        .map_err(|error| unavailable(&format!("the helper cannot be reached at {SOCKET} ({error})")))?;
    let reply = (|| {
        stream.set_write_timeout(Some(ROLLBACK_TIME))?;
        stream.set_read_timeout(Some(deadline.left() + ROLLBACK_TIME))?;
        send(&stream, request, passed)?;
        let (mut reply, mut buffer) = (Vec::new(), vec![0; 64 * 1024]);
        while reply.len() < MAX_REPLY {
            match passing::receive(&stream, &mut buffer, returned)? {
                0 => break,
                count => reply.extend(buffer.iter().take(count)),
            }
        }
        Ok(reply)
    })();
    reply.map_err(|error: io::Error| match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Problem::Failed(
            "The helper did not start, or ended without a reply. For the cause, run: journalctl -u 'opterius-operation@*'. \
             Then repeat the operation."
                .to_owned(),
        ),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            Problem::TimedOut("The operation timed out. Repeat it to complete it or roll it back.".to_owned())
        }
        _ => Problem::failed("the helper", error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_helper_program_is_a_problem_of_the_host() {
        let own = env::current_exe().unwrap();
        assert!(child(&own).is_ok());
        for missing in [own.with_file_name("no-such-program"), own.parent().unwrap().to_owned()] {
            let Err(problem @ Problem::Unavailable(_)) = child(&missing) else { panic!("{missing:?}") };
            assert!(problem.message().contains(missing.to_str().unwrap()), "{}", problem.message());
        }
    }
}
