//! An Agent for a host, called like the Panel calls it, and its helper, called like the Agent calls it.

use super::TempDirectory;
use super::agent::{Agent, AgentBuilder};
use super::fake_license_server::Reply;
use super::http::{Connection, Request, Response};
use super::pebble::Pebble;
use super::process;
use super::programs;
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The Panel's timeout.
const PANEL_TIMEOUT: Duration = Duration::from_secs(120);

/// The PHP version of Debian 12.
pub const PHP: &str = "8.2";

/// The users and groups before any account exists.
const USER_FILES: [(&str, &str); 4] = [
    ("passwd", "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33::/nonexistent:/usr/sbin/nologin\n"),
    ("shadow", "root:*:19000::::::\nwww-data:*:19000::::::\n"),
    ("group", "root:x:0:\nwww-data:x:33:\nshadow:x:42:\n"),
    ("gshadow", "root:*::\nwww-data:*::\nshadow:*::\n"),
];

/// The response to an operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    /// The body; the status must be 200.
    pub fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// Whether it has this status and error code.
    pub fn is(&self, status: u16, error: &str) -> bool {
        self.status == status
            && self.body["code"] == error
            && self.body["message"].is_string()
            && self.body["error"].is_string()
    }

    /// Checks that it has this status and error code.
    pub fn refuses(&self, status: u16, error: &str) {
        assert!(self.is(status, error), "expected {status} {error}: {self:?}");
    }
}

impl From<Response> for Answer {
    fn from(response: Response) -> Answer {
        Answer { status: response.status, body: response.json() }
    }
}

/// A Panel and its Agent.
pub struct Panel {
    pub agent: Agent,
    root: PathBuf,
    _tree: Option<TempDirectory>,
}

impl Panel {
    /// An Agent for the machine itself, with a license for this many accounts; 0 is unlimited.
    pub fn on_the_machine(max_accounts: u64) -> Panel {
        Panel::of(Agent::builder(), max_accounts)
    }

    /// An Agent for the machine itself that gets certificates from Pebble.
    pub fn with_certificates(pebble: &Pebble) -> Panel {
        let authority = pebble.authority().display().to_string();
        Panel::of(Agent::builder().set("acme_server", &pebble.url()).set("acme_ca_file", &authority), 0)
    }

    fn of(agent: AgentBuilder, max_accounts: u64) -> Panel {
        let agent = agent.set("operations", "child").license(granted(max_accounts)).start_licensed();
        Panel { agent, root: PathBuf::from("/"), _tree: None }
    }

    /// An Agent for a host that is a directory tree, without running services.
    pub fn on_a_tree(max_accounts: u64) -> Panel {
        Panel::of_on_a_tree(Agent::builder(), max_accounts)
    }

    /// The same, with an Agent of these settings.
    pub fn of_on_a_tree(agent: AgentBuilder, max_accounts: u64) -> Panel {
        let tree = tree();
        let root = tree.path().to_path_buf();
        let builder = agent.set("operations", "child").set("host_root", &root.display().to_string());
        let agent = builder.license(granted(max_accounts)).start_licensed();
        Panel { agent, root, _tree: Some(tree) }
    }

    /// The location of a path of the host.
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Sends a signed request, with the Panel's timeout.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_bytes(path, body.to_string())
    }

    /// Sends a signed request with any body.
    pub fn post_bytes(&self, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.ask(Request::post(path).body(body).signed())
    }

    /// Sends any request.
    pub fn send(&self, request: Request) -> Answer {
        self.ask(request)
    }

    fn ask(&self, request: Request) -> Answer {
        let mut connection = Connection::open(self.agent.port()).unwrap();
        connection.send(request.bytes()).unwrap();
        connection.receive(PANEL_TIMEOUT).unwrap_or_else(|error| panic!("no response: {error}")).into()
    }

    /// Creates an account with its first site.
    pub fn create(&self, username: &str, domain: &str) -> Answer {
        self.post("/domains/create", &site(username, domain))
    }

    /// Creates an account with its first site, which must succeed.
    pub fn created(&self, username: &str, domain: &str) -> Value {
        self.create(username, domain).ok()
    }

    pub fn suspend(&self, username: &str) -> Answer {
        self.post("/account/suspend", &json!({"username": username, "domains": [], "action": "suspend"}))
    }

    pub fn unsuspend(&self, username: &str) -> Answer {
        self.post("/account/suspend", &json!({"username": username, "domains": [], "action": "unsuspend"}))
    }

    pub fn delete(&self, username: &str) -> Answer {
        self.post("/account/delete", &json!({"username": username, "domains": []}))
    }

    /// The accounts in `GET /accounts`.
    pub fn accounts(&self) -> Vec<Value> {
        let body = self.ask(Request::get("/accounts").signed()).ok();
        body["accounts"].as_array().unwrap_or_else(|| panic!("no accounts in {body}")).clone()
    }

    /// The names of all accounts.
    pub fn usernames(&self) -> Vec<String> {
        self.accounts().iter().map(|account| account["username"].as_str().unwrap().to_owned()).collect()
    }

    /// One account, if it exists.
    pub fn account(&self, username: &str) -> Option<Value> {
        self.accounts().into_iter().find(|account| account["username"] == username)
    }

    /// Changes the license's account limit.
    pub fn change_limit(&self, max_accounts: u64) {
        self.agent.license_server().reply(granted(max_accounts));
        let answer = self.agent.reverify();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// The helper, for direct calls.
    pub fn helper(&self) -> Helper {
        Helper { config: self.agent.config_path(), max_accounts: 5, seconds: 110 }
    }

    /// Reads a text file of the host.
    pub fn read(&self, absolute: &str) -> String {
        let path = self.path(absolute);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The lines of a file such as passwd that start with this name.
    pub fn lines_of(&self, file: &str, name: &str) -> Vec<String> {
        let is_of_name = |line: &&str| line.split(':').next() == Some(name);
        self.read(file).lines().filter(is_of_name).map(str::to_owned).collect()
    }
}

/// The helper, started like the Agent starts it: one process per request.
#[derive(Clone)]
pub struct Helper {
    config: PathBuf,
    max_accounts: u64,
    seconds: u64,
}

impl Helper {
    /// With a license for this many accounts.
    pub fn allowing(self, max_accounts: u64) -> Helper {
        Helper { max_accounts, ..self }
    }

    /// With a time limit of this many seconds.
    pub fn within(self, seconds: u64) -> Helper {
        Helper { seconds, ..self }
    }

    /// Starts a helper with a request, in its own process group.
    pub fn start(&self, path: &str, body: &Value) -> Child {
        let request = json!({
            "path": path, "body": body, "max_accounts": self.max_accounts, "plan": "free", "seconds": self.seconds,
        });
        self.start_with(request.to_string())
    }

    /// Starts a helper with any bytes as its request.
    pub fn start_with(&self, request: impl Into<Vec<u8>>) -> Child {
        let mut command = self.helper_command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn().unwrap();
        // It may exit before it has read everything.
        let _ = child.stdin.take().unwrap().write_all(&request.into());
        child
    }

    pub fn ask(&self, path: &str, body: &Value) -> Answer {
        answer(self.start(path, body))
    }

    pub fn ask_with(&self, request: impl Into<Vec<u8>>) -> Answer {
        answer(self.start_with(request))
    }

    /// The helper's command line, like the daemon's.
    fn helper_command(&self) -> Command {
        let mut command = process::command(&[programs::helper()]);
        command.arg("--config").arg(&self.config);
        command
    }

    /// `opterius-agent --config … words`.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = process::command(&[programs::agent()]);
        command.arg("--config").arg(&self.config).args(words);
        command
    }
}

/// The reply of a helper.
pub fn answer(child: Child) -> Answer {
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {:?}, {stderr}", String::from_utf8_lossy(&output.stdout)));
    let status = answer["status"].as_u64().and_then(|status| u16::try_from(status).ok());
    Answer { status: status.unwrap_or_else(|| panic!("no status: {answer}")), body: answer["body"].clone() }
}

/// A host that is a directory tree, with no users but root and the web server.
pub fn tree() -> TempDirectory {
    let tree = TempDirectory::new();
    // Accounts' processes must be able to traverse it.
    fs::set_permissions(tree.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for directory in ["nginx/sites-available", "nginx/sites-enabled", "php/8.2/fpm/pool.d"] {
        fs::create_dir_all(tree.path().join("etc").join(directory)).unwrap();
    }
    for (name, text) in USER_FILES {
        process::write_private(&tree.path().join("etc").join(name), text.as_bytes()).unwrap();
    }
    tree
}

/// The Panel's request for a new account's site.
pub fn site(username: &str, domain: &str) -> Value {
    let document_root = format!("/home/{username}/{domain}/public_html");
    json!({"domain": domain, "document_root": document_root, "username": username, "php_version": PHP})
}

/// The Panel's request for a further site.
pub fn further_site(username: &str, domain: &str, parent: &str) -> Value {
    let mut body = site(username, domain);
    body["parent_domain"] = json!(parent);
    body
}

fn granted(max_accounts: u64) -> Reply {
    Reply::json(200, json!({"valid": true, "plan": "free", "max_accounts": max_accounts, "max_servers": 1}))
}
