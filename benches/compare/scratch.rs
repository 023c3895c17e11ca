//! A temporary directory for all files of a run.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use crate::failure::{During, Failure};

/// Creates a private directory. Its name is random, because a killed run with the same pid may have left one. It is short,
/// because socket paths are limited to 107 bytes.
pub(crate) fn create(program: &str) -> Result<PathBuf, Failure> {
    let path = std::env::temp_dir().join(format!("opterius-{program}-{:.12}", random_hex()?));
    DirBuilder::new().mode(0o700).create(&path).at("create the directory", &path)?;
    Ok(path)
}

/// 32 random bytes in hexadecimal.
pub(crate) fn random_hex() -> Result<String, Failure> {
    let random = ring::rand::SystemRandom::new();
    let bytes: ring::rand::Random<[u8; 32]> = ring::rand::generate(&random).during("get random numbers")?;
    Ok(bytes.expose().iter().map(|byte| format!("{byte:02x}")).collect())
}
