//! A host in a temporary directory with a given number of sites, its helper, and its Agent.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::failure::{During, Failure};
use crate::helper;
use crate::scratch;

const BINARY: &str = env!("CARGO_BIN_EXE_opterius-agent");
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The site that all others are copied from.
const MODEL: &str = "model";

/// The host's directory tree, deleted when dropped.
pub(crate) struct Host {
    directory: PathBuf,
    helper: PathBuf,
    php: String,
}

/// The name of the account with this number.
pub(crate) fn seeded(number: usize) -> String {
    format!("seed{number}")
}

/// The domain of an account.
pub(crate) fn domain(name: &str) -> String {
    format!("{name}.example")
}

/// The Panel's request for a new account.
pub(crate) fn creation(name: &str) -> String {
    let domain = domain(name);
    format!(
        r#"{{"domain":"{domain}","username":"{name}","document_root":"/home/{name}/{domain}/public_html","php_version":"PHP"}}"#
    )
}

impl Host {
    /// A host with one site, which is the model of all others.
    pub(crate) fn create() -> Result<Self, Failure> {
        let helper = helper::beside(BINARY)?;
        let versions = fs::read_dir("/etc/php").during("this benchmark needs PHP (apt-get install php-fpm)")?;
        let php = versions.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).max();
        let host = Host { directory: scratch::create("operations")?, helper, php: php.unwrap_or_default() };
        let etc = host.root().join("etc");
        for name in
            ["nginx/sites-available", "nginx/sites-enabled", "nginx/conf.d", &format!("php/{}/fpm/pool.d", host.php)]
        {
            fs::create_dir_all(etc.join(name)).at("create the directory", etc.join(name))?;
        }
        for (name, text) in [
            ("passwd", "root:x:0:0::/root:/bin/sh\nwww-data:x:33:33::/:/usr/sbin/nologin\n"),
            ("shadow", "root:*:19000::::::\nwww-data:*:19000::::::\n"),
            ("group", "root:x:0:\nwww-data:x:33:\n"),
            ("gshadow", "root:*::\nwww-data:*::\n"),
        ] {
            write(&etc.join(name), text)?;
        }
        let config = format!("secret={SECRET}\nport=0\nlog=stderr\nhost_root={}\n", host.root().display());
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(host.config());
        file.and_then(|mut file| file.write_all(config.as_bytes())).at("write", host.config())?;
        host.change("/domains/create", &creation(MODEL))?;
        Ok(host)
    }

    fn root(&self) -> PathBuf {
        self.directory.join("root")
    }

    fn config(&self) -> PathBuf {
        self.directory.join("agent.conf")
    }

    /// Adds copies of the model, one per number: users, site files, pools, logs, published records.
    pub(crate) fn seed(&self, numbers: Range<usize>) -> Result<(), Failure> {
        let root = self.root();
        let model = domain(MODEL);
        let paths = [
            format!("etc/nginx/sites-available/{model}.conf"),
            format!("etc/php/{}/fpm/pool.d/{model}.conf", self.php),
            format!("var/lib/opterius/sites/{model}.json"),
        ];
        let texts = paths.iter().map(|path| read(&root.join(path))).collect::<Result<Vec<_>, _>>()?;
        for number in numbers.clone() {
            let name = seeded(number);
            let copied = |text: &str| text.replace(MODEL, &name);
            for (path, text) in paths.iter().zip(&texts) {
                write(&root.join(copied(path)), &copied(text))?;
            }
            let file = format!("{}.conf", domain(&name));
            let enabled = root.join("etc/nginx/sites-enabled").join(&file);
            symlink(root.join("etc/nginx/sites-available").join(&file), &enabled).at("create the link", &enabled)?;
            let logs = root.join("var/log/opterius/sites").join(domain(&name));
            fs::create_dir(&logs).at("create the directory", &logs)?;
            write(&logs.join("access.log"), "")?;
        }
        self.add_users(numbers)
    }

    fn add_users(&self, numbers: Range<usize>) -> Result<(), Failure> {
        let etc = self.root().join("etc");
        let [mut passwd, mut shadow, mut group, mut gshadow] = [const { String::new() }; 4];
        for number in numbers.clone() {
            let (name, uid) = (seeded(number), 710_000 + number);
            let _ = writeln!(passwd, "{name}:x:{uid}:{uid}::/home/{name}:/bin/bash");
            let _ = writeln!(shadow, "{name}:!:19000::::::");
            let _ = writeln!(group, "{name}:x:{uid}:");
            let _ = writeln!(gshadow, "{name}:!::");
        }
        let members: String = numbers.map(|number| format!(",{}", seeded(number))).collect();
        for (file, lines) in [("passwd", passwd), ("shadow", shadow), ("group", group), ("gshadow", gshadow)] {
            let text = read(&etc.join(file))?;
            let joined = |line: &str| {
                if line.starts_with("opterius-accounts:") { format!("{line}{members}\n") } else { format!("{line}\n") }
            };
            write(&etc.join(file), &(text.lines().map(joined).collect::<String>() + &lines))?;
        }
        Ok(())
    }

    /// Runs an operation in the helper, which must succeed.
    pub(crate) fn change(&self, path: &str, body: &str) -> Result<(), Failure> {
        let reply = self.operation(path, body)?;
        if reply.contains("\"status\":200") { Ok(()) } else { Err(Failure::new(format!("{path}: {reply}"))) }
    }

    /// Runs an operation in the helper, and returns its reply.
    fn operation(&self, path: &str, body: &str) -> Result<String, Failure> {
        let body = body.replace("PHP", &self.php);
        let request = format!(r#"{{"path":"{path}","body":{body},"max_accounts":null,"plan":null,"seconds":110}}"#);
        let mut command = Command::new(&self.helper);
        command.arg("--config").arg(self.config()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().at("start", &self.helper)?;
        child
            .stdin
            .take()
            .expect("stdin is a pipe")
            .write_all(request.as_bytes())
            .at("send a request to", &self.helper)?;
        let output = child.wait_with_output().at("read the reply of", &self.helper)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A running Agent, without a license, which reads do not need.
pub(crate) struct Agent {
    child: Child,
    /// The port that it listens on.
    pub(crate) port: u16,
}

impl Agent {
    pub(crate) fn start(host: &Host) -> Result<Self, Failure> {
        let mut command = Command::new(BINARY);
        let mut child =
            command.arg("--config").arg(host.config()).stderr(Stdio::piped()).spawn().at("start", BINARY)?;
        let mut lines = BufReader::new(child.stderr.take().expect("stderr is a pipe")).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| line.rsplit_once("127.0.0.1:")?.1.parse().ok());
        // Keep reading its log, so that the pipe does not fill up.
        std::thread::spawn(move || lines.for_each(drop));
        let mut agent = Agent { child, port: 0 };
        agent.port = port.ok_or_else(|| Failure::new("the Agent did not start to listen"))?;
        Ok(agent)
    }

    /// A request with the Panel's signature.
    pub(crate) fn request(&self, path: &str, body: &str) -> Vec<u8> {
        let now = time::OffsetDateTime::now_utc();
        let timestamp = now.format(&time::format_description::well_known::Rfc3339).expect("a year of four digits");
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
        let tag = ring::hmac::sign(&key, format!("{timestamp}POST{path}{body}").as_bytes());
        let signature: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let length = body.len();
        format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Timestamp: {timestamp}\r\nX-Signature: {signature}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    pub(crate) fn resident_kib(&self) -> Result<u64, Failure> {
        let text = read(Path::new(&format!("/proc/{}/smaps_rollup", self.child.id())))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
        let number = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse().ok());
        number.ok_or_else(|| Failure::new("smaps_rollup has no Rss"))
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).at("read", path)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).at("write", path)
}
