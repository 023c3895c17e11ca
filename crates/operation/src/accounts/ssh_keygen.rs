//! ssh-keygen(1): makes keys, and reads keys as OpenSSH does. A private key goes to it on stdin, or comes from it in a file that root
//! alone can read, in memory (`/run`).

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::accounts::public_key::{PublicKey, string};
use opterius_base::deadline::Deadline;
use opterius_base::files;
use opterius_base::secret::Secret;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::request::ssh_key::KeyType;
use opterius_host::tool::Tool;

/// The bits of a new RSA key.
const RSA_BITS: &str = "4096";

/// Where directories for new keys are made, and how their names begin; the process's id follows.
const PARENT: &str = "/run";
const PREFIX: &str = "opterius-key-";

/// Largest file of a key, in bytes.
const MAX_FILE: u64 = 32 * 1024;

/// How the binary form of OpenSSH's own format begins (PROTOCOL.key in its sources).
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// Makes a key: the private key in OpenSSH's format, and the line of the public key.
///
/// # Errors
/// ssh-keygen is not installed, or failed.
pub fn generate(host: &Host, kind: KeyType, comment: &str, deadline: Deadline) -> Result<(Secret, String), Problem> {
    let parent = host.path(PARENT);
    remove_abandoned(&parent);
    let directory = Temporary::new(&parent)?;
    let path = directory.0.join("key");
    let tool = Tool::named("ssh-keygen")?.args(["-q", "-t", kind.word(), "-N", "", "-C", comment]);
    let tool = if kind == KeyType::Rsa { tool.args(["-b", RSA_BITS]) } else { tool };
    tool.arg("-f").arg(&path).succeed(deadline)?;
    let read = |path: PathBuf| {
        let bytes = files::read(&path, MAX_FILE).map_err(|error| Problem::at(&path, error))?;
        String::from_utf8(bytes).map_err(|error| Problem::failed("ssh-keygen", error.utf8_error()))
    };
    let private_key = Secret::new(read(path.clone())?);
    Ok((private_key, read(path.with_extension("pub"))?.trim_end().to_owned()))
}

/// A directory for root alone, which is deleted when dropped.
struct Temporary(PathBuf);

impl Temporary {
    fn new(parent: &Path) -> Result<Self, Problem> {
        let path = parent.join(format!("{PREFIX}{}", std::process::id()));
        let made = DirBuilder::new().recursive(true).mode(0o755).create(parent);
        let made = made.and_then(|()| DirBuilder::new().mode(0o700).create(&path));
        made.map(|()| Self(path.clone())).map_err(|error| Problem::at(&path, error))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Deletes the directories of processes that were killed.
fn remove_abandoned(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse::<u32>().ok());
        let is_other = |process: u32| process != std::process::id() && Path::new(&format!("/proc/{process}")).exists();
        if process.is_some_and(|process| !is_other(process)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Checks that OpenSSH reads a public key as the same key.
///
/// # Errors
/// It does not: the rest of a sentence about the key.
pub fn check(line: &str, key: &PublicKey, deadline: Deadline) -> Result<(), Problem> {
    // Without it, sshd itself is unlikely to be there.
    let Ok(tool) = Tool::named("ssh-keygen") else { return Ok(()) };
    let output = tool.args(["-l", "-f", "-"]).input(format!("{line}\n")).run(deadline)?;
    let is_same = output.is_success() && output.stdout.split(' ').nth(1) == Some(key.fingerprint().as_str());
    if is_same { Ok(()) } else { Err(Problem::invalid("public_key", "is not a key that OpenSSH accepts")) }
}

/// The public key of a private key, in binary form.
///
/// # Errors
/// It is damaged, or is in an older format and has a passphrase.
pub fn public_blob(private_key: &Secret, deadline: Deadline) -> Result<Vec<u8>, Problem> {
    let invalid = |rule: &str| Problem::invalid("private_key", rule);
    let text = private_key.expose();
    if text.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----") {
        return own_format(text).ok_or_else(|| invalid("is damaged"));
    }
    let tool = Tool::named("ssh-keygen")?.args(["-y", "-P", "", "-f", "/dev/stdin"]).input(text.as_bytes());
    let output = tool.run(deadline)?;
    let key = PublicKey::parse(output.stdout.lines().next().unwrap_or_default().as_bytes());
    let rule = "is damaged, or has a passphrase and an old format; ssh-keygen -p -f FILE writes it in the new one";
    key.filter(|_| output.is_success()).map(|key| key.blob).ok_or_else(|| invalid(rule))
}

/// The public key in OpenSSH's format, which is not encrypted.
fn own_format(text: &str) -> Option<Vec<u8>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    let encoded: String = lines.collect();
    let bytes = STANDARD.decode(encoded).ok()?;
    // The names of cipher and key derivation, its options, and the number of keys.
    let (_cipher, rest) = string(bytes.strip_prefix(MAGIC)?)?;
    let (_derivation, rest) = string(rest)?;
    let (_options, rest) = string(rest)?;
    let (count, rest) = rest.split_first_chunk::<4>()?;
    let (key, _) = string(rest)?;
    (u32::from_be_bytes(*count) == 1).then(|| key.to_vec())
}
