//! The cache file: the Panel reads it when it cannot reach the license server, and the Agent keeps its verdict in it across
//! restarts.
//!
//! One flat JSON object. Its top level has the members of a license answer, which the Panel uses verbatim; the Agent's
//! record is under `agent`; the last member is a MAC over every byte before it. The MAC key is derived from the license key
//! and the identity of the host, so the Agent rejects a file that was edited, truncated, or copied from another server or
//! another key. The file never contains the license key. The format is pure; only [`load`] and [`store`] touch the disk.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use opterius_base::clock::Timestamp;
use opterius_base::files::{self, FileMode};
use opterius_base::hex::{hex, unhex};
use opterius_license::address::Discovered;
use opterius_license::identity;
use opterius_license::model::{Arrival, Billing, Denial, Grant, Record, Terms, Verdict};
use opterius_license::outcome::{self, Answer, Outcome, Question};

/// The largest file that is read, in bytes: a 64 KiB answer in Base64, plus the record.
const MAX_FILE: u64 = 256 * 1024;

/// The largest file that is embedded in another, in bytes: both together must stay below [`MAX_FILE`].
const MAX_PREVIOUS_KEY_CACHE: usize = 100 * 1024;

/// The longest time from a request to the record of its answer.
const LONGEST_CHECK: Duration = Duration::from_secs(60);

/// The version of the `agent` member. The Agent rejects a file of another version.
const SCHEMA: u32 = 1;

const MAC_CONTEXT: &[u8] = b"opterius-license-cache/v1";
const MAC_HEAD: &str = ",\n  \"mac\": \"";
const MAC_TAIL: &str = "\"\n}\n";
const MAC_DIGITS: usize = 64;

/// The part that the Panel reads, with the member names of a license answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachedStatus {
    /// Whether the license is valid now.
    pub valid: bool,
    /// The reason code; null while the license is valid.
    pub reason: Option<String>,
    /// The reason as a sentence, or the license server's message.
    pub message: String,
    /// The plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Accounts allowed; 0 is unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_accounts: Option<u64>,
    /// The older name of the same limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_domains: Option<u64>,
    /// Servers allowed; 0 is unlimited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_servers: Option<u64>,
    /// When the license expires; null means never.
    pub expires_at: Option<Timestamp>,
    /// Billing facts for the Panel's banners.
    #[serde(flatten)]
    pub billing: Billing,
}

impl CachedStatus {
    /// A view with the plan and limits of `terms`.
    pub fn new(valid: bool, reason: Option<String>, message: String, terms: Terms) -> Self {
        Self {
            valid,
            reason,
            message,
            plan: terms.plan,
            max_accounts: terms.max_accounts,
            max_domains: terms.max_domains.or(terms.max_accounts),
            max_servers: terms.max_servers,
            expires_at: terms.expires_at,
            billing: terms.billing,
        }
    }
}

/// What a file tells the Panel: its `valid` and `reason`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told(Value, Value);

impl Told {
    /// Reads them from any file that the Panel would accept as a license answer, even one that the Agent did not write.
    pub fn by(bytes: &[u8]) -> Option<Self> {
        let mut document: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
        Some(Self(document.remove("valid")?, document.remove("reason").unwrap_or_default()))
    }
}

impl From<&CachedStatus> for Told {
    fn from(view: &CachedStatus) -> Self {
        Self(view.valid.into(), view.reason.clone().into())
    }
}

/// The Agent's part of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    /// The recorded verdict; `None` in a file that only says that its license key has none.
    pub record: Option<Record>,
    /// The unparsed answer behind the verdict; `None` if it must not be stored.
    pub answer: Option<Answer>,
    /// The public address, as last discovered.
    pub address: Option<Discovered>,
    /// The cache file of the previous license key, kept until the current key has a grant: after a mistyped key is
    /// corrected, the earlier grant is still there, even if the server denied the mistyped one.
    pub previous_key_cache: Option<Vec<u8>>,
}

#[derive(Serialize, Deserialize)]
struct CacheFile {
    #[serde(flatten)]
    view: CachedStatus,
    agent: Agent,
}

#[derive(Serialize, Deserialize)]
struct Agent {
    schema: u32,
    record: Option<Record>,
    answer: Option<StoredAnswer>,
    address: Option<Discovered>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    // The name in the files of installed Agents.
    #[serde(rename = "set_aside")]
    previous_key_cache: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct StoredAnswer {
    status: u16,
    body: String,
    signature: String,
}

/// The content of the file.
///
/// # Errors
/// The serializer's error; these types never cause one.
pub fn encode(view: &CachedStatus, cached: &Cached, question: &Question<'_>) -> Result<Vec<u8>, String> {
    let answer = cached.answer.as_ref().map(|answer| StoredAnswer {
        status: answer.status,
        body: STANDARD.encode(&answer.body),
        signature: answer.signature.clone(),
    });
    let previous_key_cache = cached.previous_key_cache.as_ref().map(|bytes| STANDARD.encode(bytes));
    let agent =
        Agent { schema: SCHEMA, record: cached.record.clone(), answer, address: cached.address, previous_key_cache };
    let mut text = serde_json::to_string_pretty(&CacheFile { view: view.clone(), agent }).map_err(|e| e.to_string())?;
    // Reopen the object for its last member.
    text.truncate(text.strip_suffix("\n}").map_or(text.len(), str::len));
    let mac = hex(hmac::sign(&mac_key(question), text.as_bytes()).as_ref());
    text.push_str(MAC_HEAD);
    text.push_str(&mac);
    text.push_str(MAC_TAIL);
    Ok(text.into_bytes())
}

/// Parses the file after checking its MAC.
///
/// If the Agent has a trusted public key, it takes the verdict from the stored signed answer instead of the record: the MAC
/// stops other users from forging a cache, and the signature stops an administrator who knows the license key.
///
/// # Errors
/// A clause that says why the Agent ignores the file.
pub fn decode(bytes: &[u8], question: &Question<'_>) -> Result<Cached, String> {
    if bytes.is_empty() {
        return Err("it is empty".to_owned());
    }
    let outer = authenticate(bytes, question);
    let document = match outer {
        Some(document) if document.agent.record.is_some() => document,
        outer => embedded_cache(bytes)
            .and_then(|embedded| authenticate(&embedded, question))
            .or(outer)
            .ok_or_else(|| rejection_reason(bytes, question))?,
    };
    let Agent { schema, record, answer, address, previous_key_cache } = document.agent;
    if schema != SCHEMA {
        return Err(format!("it has schema {schema}, this Agent reads schema {SCHEMA}"));
    }
    if record.as_ref().is_some_and(|record| is_foreign(record, question)) {
        return Err(rejection_reason(bytes, question));
    }
    let answer = answer.map(restore).transpose()?;
    let record = match record {
        Some(record) if !question.trusted.is_empty() => Some(confirm(record, answer.as_ref(), question)?),
        record => record,
    };
    let previous_key_cache = previous_key_cache.and_then(|text| STANDARD.decode(text).ok());
    Ok(Cached { record, answer, address, previous_key_cache })
}

/// The document, if its MAC is valid.
fn authenticate(bytes: &[u8], question: &Question<'_>) -> Option<CacheFile> {
    let rest = bytes.strip_suffix(MAC_TAIL.as_bytes())?;
    let (rest, digits) = rest.split_at_checked(rest.len().checked_sub(MAC_DIGITS)?)?;
    let covered = rest.strip_suffix(MAC_HEAD.as_bytes())?;
    hmac::verify(&mac_key(question), covered, &unhex(digits)?).ok()?;
    serde_json::from_slice(bytes).ok()
}

/// The file to keep of one that is ignored, so that it counts again when its key, host or public key does: the one
/// embedded in it, or the file itself.
pub fn kept(bytes: &[u8]) -> Option<Vec<u8>> {
    let document: CacheFile = serde_json::from_slice(bytes).ok()?;
    let own = document.agent.record.map(|_| bytes.to_vec());
    embedded_cache(bytes).or(own).filter(|kept| kept.len() <= MAX_PREVIOUS_KEY_CACHE)
}

/// Whether the file has a record of another key or server.
pub fn belongs_elsewhere(bytes: &[u8], question: &Question<'_>) -> bool {
    let document = serde_json::from_slice::<CacheFile>(bytes).ok();
    document.and_then(|document| document.agent.record).is_some_and(|record| is_foreign(&record, question))
}

fn is_foreign(record: &Record, question: &Question<'_>) -> bool {
    record.key_sha256 != question.key_sha256 || record.server_id != question.server_id
}

/// The embedded file of the previous key. The outer file is not trusted here: the embedded one has its own MAC.
fn embedded_cache(bytes: &[u8]) -> Option<Vec<u8>> {
    let document: CacheFile = serde_json::from_slice(bytes).ok()?;
    STANDARD.decode(document.agent.previous_key_cache?).ok()
}

fn mac_key(question: &Question<'_>) -> hmac::Key {
    let license_key = hmac::Key::new(hmac::HMAC_SHA256, question.key.expose().as_bytes());
    let derived = hmac::sign(&license_key, &[MAC_CONTEXT, question.server_id.as_bytes()].concat());
    hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
}

/// The most helpful explanation for a file whose MAC is wrong.
fn rejection_reason(bytes: &[u8], question: &Question<'_>) -> String {
    let Ok(document) = serde_json::from_slice::<CacheFile>(bytes) else {
        return "it is truncated, was edited, or was not written by this Agent".to_owned();
    };
    let embedded = || serde_json::from_slice::<CacheFile>(&embedded_cache(bytes)?).ok()?.agent.record;
    match document.agent.record.or_else(embedded) {
        Some(record) if record.key_sha256 != question.key_sha256 => "it belongs to another license key",
        Some(record) if record.server_id != question.server_id => "it comes from another server",
        _ => "it was edited (its MAC is wrong)",
    }
    .to_owned()
}

fn restore(stored: StoredAnswer) -> Result<Answer, String> {
    let body = STANDARD.decode(&stored.body).map_err(|_| "its stored answer is not Base64".to_owned())?;
    Ok(Answer { status: stored.status, body, signature: stored.signature, ..Answer::default() })
}

/// The record with the verdict of the signed answer.
///
/// # Errors
/// A clause that says why the answer does not confirm the record.
pub fn confirm(record: Record, answer: Option<&Answer>, question: &Question<'_>) -> Result<Record, String> {
    let answer = answer.ok_or("it has no signed answer from the license server")?;
    let arrival = signed_arrival(record.arrival, &answer.body);
    let parsed = outcome::read(answer, question);
    let at = parsed.issued_at.unwrap_or_else(|| record.verdict.at());
    let verdict = match (parsed.outcome, record.verdict) {
        (Outcome::Granted { terms, message }, Verdict::Granted(_)) => Verdict::Granted(Grant { terms, message, at }),
        (Outcome::Denied { reason, message, terms }, Verdict::Denied(Denial { previous, .. })) => {
            Verdict::Denied(Denial { reason, message, terms, at, previous })
        }
        (Outcome::Inconclusive(failure), _) => return Err(format!("{failure}")),
        _ => return Err("its record contradicts the signed answer".to_owned()),
    };
    Ok(Record { verdict, arrival, ..record })
}

/// The recorded arrival, within the time that a check takes after the request. Who knows the license key can edit the
/// record, but not the time of the request, which the license server signed.
fn signed_arrival(arrival: Option<Arrival>, body: &[u8]) -> Option<Arrival> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let asked_at = identity::asked_at(answer.get("nonce")?.as_str()?)?;
    let Arrival { wall, boot_id } = arrival?;
    let wall = if wall >= asked_at && wall.since(asked_at) <= LONGEST_CHECK { wall } else { asked_at };
    Some(Arrival { wall, boot_id })
}

/// Reads the file; `None` if it does not exist.
///
/// Never follows a link, never blocks on a FIFO, and never reads more than 256 KiB.
///
/// # Errors
/// A clause that says what is wrong with the file.
pub fn load(path: &Path) -> Result<Option<Vec<u8>>, String> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err("it is a symbolic link".to_owned());
        }
        Err(error) => return Err(error.to_string()),
    };
    let metadata = file.metadata().map_err(|error| error.to_string())?;
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    if metadata.len() > MAX_FILE {
        return Err(format!("it is larger than {} KiB", MAX_FILE / 1024));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(Some(bytes))
}

/// What the file tells the Panel, which follows a link; `None` if there is none that the Panel can read.
pub fn told(path: &Path) -> Option<Told> {
    Told::by(&files::read(path, MAX_FILE).ok()?)
}

/// Replaces the file atomically, readable by all users: the Panel runs as another user and fails on an unreadable file.
///
/// # Errors
/// The operating system's error; the old file is then unchanged.
pub fn store(path: &Path, bytes: &[u8]) -> io::Result<()> {
    files::replace(path, bytes, FileMode::mode(0o644))
}

/// Makes a file that cannot be replaced count as none: removes it, or empties it where the directory cannot be changed.
/// Neither needs space.
///
/// # Errors
/// The operating system's error on emptying it; the file is then unchanged.
pub fn withdraw(path: &Path) -> io::Result<()> {
    if fs::remove_file(path).is_ok() || !path.is_file() {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(path)?;
    file.set_len(0)?;
    file.sync_all()
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
