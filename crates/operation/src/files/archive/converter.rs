//! The programs that compress and decompress. They run as an unused user, and get their streams and nothing else: a hostile
//! archive may take them over, and then has what it had before. Accounts cannot reach them either.

use std::os::fd::OwnedFd;

use crate::users::run_as_user;
use opterius_base::deadline::Deadline;
use opterius_base::text::one_line;
use opterius_host::host::Host;
use opterius_host::problem::Problem;
use opterius_host::tool::{Output, Tool};

/// Memory limit: archives can ask for more than a machine has.
const MEMORY: &str = "--as=536870912";

/// Limit of descriptors.
const DESCRIPTORS: &str = "--nofile=32";

/// Longest part of a program's complaint in an error message, in characters.
const MAX_COMPLAINT: usize = 200;

/// Reads a zip archive, and writes its entries as tar. bsdtar detects the format itself, and some formats make it open files that
/// the archive names. So the caller passes only what begins like a zip archive, and what the account cannot change any more.
///
/// # Errors
/// The program is missing, or cannot run.
pub fn zip_to_tar(archive: OwnedFd, entries: OwnedFd) -> Result<Tool, Problem> {
    const PROGRAM: &str = "bsdtar";
    let path = Host::tool(PROGRAM).ok_or_else(|| {
        Problem::Unavailable(
            "Zip archives are unpacked with bsdtar, which is not installed on this server. Run: apt-get install libarchive-tools"
                .to_owned(),
        )
    })?;
    let arguments = ["--format=gnutar", "-cf", "-", "@-"];
    Ok(confined()?.arg(path).args(arguments).descriptor(archive).output_to(entries))
}

/// Compresses a stream with gzip.
///
/// # Errors
/// The program is missing, or cannot run.
pub fn gzip(plain: OwnedFd, compressed: OwnedFd) -> Result<Tool, Problem> {
    let path = Host::tool("gzip");
    let path = path.ok_or_else(|| Problem::Unavailable("gzip is not installed on this server.".to_owned()))?;
    Ok(confined()?.arg(path).args(["-c", "-n"]).descriptor(plain).output_to(compressed))
}

/// Decompresses a stream with gzip.
///
/// # Errors
/// The program is missing, or cannot run.
pub fn gunzip(compressed: OwnedFd, plain: OwnedFd) -> Result<Tool, Problem> {
    let path = Host::tool("gzip");
    let path = path.ok_or_else(|| Problem::Unavailable("gzip is not installed on this server.".to_owned()))?;
    Ok(confined()?.arg(path).args(["-d", "-c"]).descriptor(compressed).output_to(plain))
}

/// A program that limits itself and then runs another.
fn confined() -> Result<Tool, Problem> {
    let uid = run_as_user::other_unused_uid();
    let uid = uid.ok_or_else(|| Problem::failed("the archive", run_as_user::NONE_UNUSED))?;
    Ok(Tool::named("prlimit")?.user(uid, uid).args([MEMORY, DESCRIPTORS, "--core=0", "--"]))
}

/// Runs a program while `work` writes or reads the other end of its streams, and returns both results.
///
/// # Errors
/// The program cannot be started, or the deadline has passed.
pub fn beside<T>(tool: Tool, deadline: Deadline, work: impl FnOnce() -> T) -> (Result<Output, Problem>, T) {
    std::thread::scope(|scope| {
        let program = scope.spawn(move || tool.run(deadline));
        let worked = work();
        let ended = program.join().unwrap_or_else(|_| Err(Problem::failed("the archive", "a thread panicked")));
        (ended, worked)
    })
}

/// Why a program failed, in its words. For a passphrase, it looks in its input.
pub fn complaint(output: &Output) -> String {
    if output.stderr.contains("Enter passphrase") {
        return "it is protected by a passphrase".to_owned();
    }
    let strip = |line| ["bsdtar: ", "gzip: stdin: "].into_iter().find_map(|name| str::strip_prefix(line, name));
    let words = output.stderr.lines().find_map(strip);
    one_line(words.unwrap_or(&output.stderr), MAX_COMPLAINT)
}
