//! How the Agent has an operation done: by the helper behind a socket of systemd's, or by a child of its own where it runs
//! as root itself.

use std::env;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use log::warn;
use rustix::process::geteuid;
use serde_json::Value;

use crate::helper::protocol::Allowance;
use crate::helper::protocol::{HelperReply, HelperRequest};
use crate::layout::{self, SOCKET};
use crate::problem::Problem;
use crate::tool::Tool;
use opterius_base::deadline::Deadline;

/// The largest answer that is read, in bytes.
const MAX_REPLY: u64 = 4 * 1024 * 1024;

/// What the helper may take beyond its own deadline, to take back what it has done.
const TO_END: Duration = Duration::from_secs(5);

/// How operations gain the rights that they need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HelperMode {
    /// The helper where its socket is, else a child where we are root.
    #[default]
    Auto,
    /// The helper behind the socket.
    Helper,
    /// A child.
    Child,
    /// Not at all.
    Off,
}

/// The way that is taken.
enum HelperTransport {
    Helper,
    Child,
}

/// Has operations done.
#[derive(Clone, Debug)]
pub struct HelperClient {
    means: HelperMode,
    config: PathBuf,
}

/// One operation to be done.
pub struct HelperCall {
    /// The path that the Panel has called.
    pub path: &'static str,
    /// What it has asked for, as [`Request::to_json`](crate::request::Request::to_json) writes it.
    pub request: Value,
    /// What the license allows.
    pub allowance: Allowance,
    /// By when it must be done.
    pub deadline: Deadline,
}

impl HelperClient {
    /// A runner by these means; the helper reads the configuration file `config`.
    pub fn new(means: HelperMode, config: PathBuf) -> Self {
        Self { means, config }
    }

    /// Whether there is a way to have anything done now.
    ///
    /// # Errors
    /// There is none.
    pub fn check(&self) -> Result<(), Problem> {
        self.way().map(drop)
    }

    fn way(&self) -> Result<HelperTransport, Problem> {
        match self.means {
            HelperMode::Helper => Ok(HelperTransport::Helper),
            HelperMode::Child => Ok(HelperTransport::Child),
            HelperMode::Auto if Path::new(SOCKET).exists() => Ok(HelperTransport::Helper),
            HelperMode::Auto if geteuid().is_root() => Ok(HelperTransport::Child),
            HelperMode::Auto => Err(unavailable(&format!("{SOCKET} is not there, and the Agent does not run as root"))),
            HelperMode::Off => Err(unavailable("agent.conf says operations=off")),
        }
    }

    /// Has it done.
    pub fn run(&self, call: &HelperCall) -> HelperReply {
        self.reply(call).unwrap_or_else(|problem| HelperReply::from(Err(problem)))
    }

    fn reply(&self, call: &HelperCall) -> Result<HelperReply, Problem> {
        let order = order(call)?;
        let answer = match self.way()? {
            HelperTransport::Helper => ask_helper(&order, call.deadline)?,
            HelperTransport::Child => self.run_child(&order, call.deadline)?,
        };
        serde_json::from_slice(&answer).map_err(|_| {
            Problem::Failed(
                "The operation ended without an answer; a repeat completes it or takes it back. See: journalctl -t \
                 opterius-agent, and journalctl -u 'opterius-operation@*'"
                    .to_owned(),
            )
        })
    }

    fn run_child(&self, order: &[u8], deadline: Deadline) -> Result<Vec<u8>, Problem> {
        let tool = Tool::at(program()).arg("--config").arg(&self.config);
        let output = tool.among_others().input(order).run(Deadline::within(deadline.left() + TO_END))?;
        for line in output.stderr.lines() {
            warn!("operation: {line}");
        }
        Ok(output.stdout.into_bytes())
    }
}

/// The helper's program: the one beside ours, else where the package has it.
pub fn program() -> PathBuf {
    let own = env::current_exe().unwrap_or_default();
    let beside = own.with_file_name(layout::PROGRAM_NAME);
    if beside.is_file() { beside } else { PathBuf::from(layout::PROGRAM) }
}

fn unavailable(cause: &str) -> Problem {
    Problem::Unavailable(format!(
        "The Agent has no rights to change this server: {cause}. Start the helper: systemctl enable --now \
         opterius-operation.socket"
    ))
}

fn order(call: &HelperCall) -> Result<Vec<u8>, Problem> {
    let order = HelperRequest {
        path: call.path.to_owned(),
        body: Some(call.request.clone()),
        max_accounts: call.allowance.max_accounts,
        plan: call.allowance.plan.clone(),
        seconds: call.deadline.left().as_secs(),
    };
    serde_json::to_vec(&order).map_err(|error| Problem::failed("the request", error))
}

fn ask_helper(order: &[u8], deadline: Deadline) -> Result<Vec<u8>, Problem> {
    let mut stream = UnixStream::connect(SOCKET)
        .map_err(|error| unavailable(&format!("the helper cannot be reached at {SOCKET} ({error})")))?;
    let answer = (|| {
        stream.set_write_timeout(Some(TO_END))?;
        stream.set_read_timeout(Some(deadline.left() + TO_END))?;
        stream.write_all(order)?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = Vec::new();
        stream.take(MAX_REPLY).read_to_end(&mut answer)?;
        Ok(answer)
    })();
    answer.map_err(|error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            Problem::TimedOut("The operation did not end in time; a repeat completes it or takes it back.".to_owned())
        }
        _ => Problem::failed("the helper", error),
    })
}
