//! Parses the text of `agent.conf` into a configuration and warnings.

use crate::config::{Config, EXAMPLE_SECRET, EXAMPLE_WARNING, Loaded};
use opterius_base::secret::Secret;
use opterius_daemon::config_file::{Entries, Error};

/// Parses the text of the file; messages call the file `name`.
///
/// # Errors
/// One sentence with file, line, key and fix.
pub fn parse(text: &str, name: &str, built_in_keys: Option<&str>) -> Result<Loaded, Error> {
    let mut warnings = Vec::new();
    let entries = Entries::parse(text, name, &mut warnings)?;
    let config = Config::read(&entries, built_in_keys)?;
    warnings.extend(doubts(&config.secret).into_iter().map(|doubt| format!("{name}: {doubt}")));
    Ok(Loaded { config, warnings })
}

/// Warnings about a usable but questionable secret.
pub fn doubts(secret: &Secret) -> Vec<&'static str> {
    let table = [
        (secret.expose() == EXAMPLE_SECRET, EXAMPLE_WARNING),
        (
            secret.expose().contains(" #"),
            "the secret contains “ #”: if that starts a comment, move the comment to its own line",
        ),
        (secret.length() < 16, "the secret has fewer than 16 characters; generate a better one: openssl rand -hex 32"),
    ];
    table.into_iter().filter_map(|(applies, doubt)| applies.then_some(doubt)).collect()
}

#[cfg(test)]
#[path = "parsing_tests.rs"]
mod tests;
