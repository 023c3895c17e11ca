//! The text of `agent.conf` turned into a configuration, and what is odd about it.

use crate::config::{Config, EXAMPLE_SECRET, EXAMPLE_WARNING, Loaded};
use opterius_base::secret::Secret;
use opterius_daemon::config_file::{Entries, Error};

/// Reads the text of the file, which messages call `name`.
///
/// # Errors
/// One sentence with file, line, key and remedy.
pub fn parse(text: &str, name: &str, built_in_keys: Option<&str>) -> Result<Loaded, Error> {
    let mut warnings = Vec::new();
    let entries = Entries::parse(text, name, &mut warnings)?;
    let configuration = Config::read(&entries, built_in_keys)?;
    warnings.extend(doubts(&configuration.secret).into_iter().map(|doubt| format!("{name}: {doubt}")));
    Ok(Loaded { configuration, warnings })
}

/// What is odd about a secret that can be used.
pub fn doubts(secret: &Secret) -> Vec<&'static str> {
    let table = [
        (secret.expose() == EXAMPLE_SECRET, EXAMPLE_WARNING),
        (
            secret.expose().contains(" #"),
            "the secret contains “ #”: if that begins a comment, give it a line of its own",
        ),
        (secret.length() < 16, "the secret has fewer than 16 characters; make a better one: openssl rand -hex 32"),
    ];
    table.into_iter().filter_map(|(applies, doubt)| applies.then_some(doubt)).collect()
}

#[cfg(test)]
#[path = "parsing_tests.rs"]
mod tests;
