//! A new directory below the temporary one, for everything that one run writes.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use crate::failure::{During, Failure};

/// A directory of ours alone. Its name is random: a process id comes again, and what a killed run has left under it would
/// be in the way. It is short: the path of a socket may have 107 bytes, and some lie deep in it.
pub(crate) fn create(program: &str) -> Result<PathBuf, Failure> {
    let path = std::env::temp_dir().join(format!("opterius-{program}-{:.12}", random_hex()?));
    DirBuilder::new().mode(0o700).create(&path).at("create the directory", &path)?;
    Ok(path)
}

/// 32 random bytes, written out.
pub(crate) fn random_hex() -> Result<String, Failure> {
    let random = ring::rand::SystemRandom::new();
    let bytes: ring::rand::Random<[u8; 32]> = ring::rand::generate(&random).during("get random numbers")?;
    Ok(bytes.expose().iter().map(|byte| format!("{byte:02x}")).collect())
}
