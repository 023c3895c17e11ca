//! Directives that a tenant may write for a site. What is here names everything that is allowed; everything else is refused,
//! with its line.
//!
//! The text is never given to nginx: it is read into [`Custom`], which is written again in quotes, so it does not matter
//! whether nginx would read the text in the same way.

use serde::Serialize;

use crate::nginx::MAX_LOCATION;
use crate::nginx::custom_rules::{LOCATION, Rule, SITE};
use crate::nginx::custom_text::{Item, read};
use crate::problem::Problem;

/// Longest text, in characters: the Panel's limit.
const MAX_TEXT: usize = 10_000;

/// The most directives, including those in locations.
const MAX_DIRECTIVES: usize = 500;

/// The most variables in all parameters: each can be as long as a request, and nginx looks for the name of each `$arg_NAME` among
/// all of the server.
const MAX_VARIABLES: usize = 50;

/// A tenant's directives, all of which are allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Custom {
    /// Those for the whole site.
    pub directives: Vec<CustomDirective>,
    /// The locations.
    pub locations: Vec<CustomLocation>,
}

/// A directive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CustomDirective {
    /// Its name and parameters.
    pub words: Vec<String>,
}

impl CustomDirective {
    /// Its name.
    pub fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }
}

/// A location: all paths that start with a path, or that path alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomLocation {
    /// Whether it is the path alone.
    pub is_exact: bool,
    /// The path.
    pub path: String,
    /// Its directives.
    pub directives: Vec<CustomDirective>,
}

impl Custom {
    /// Reads a text.
    ///
    /// # Errors
    /// It is not nginx's language, or contains something that is not allowed; the rule names the line.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        let refuse = |rule: String| Problem::invalid(field, rule);
        if text.chars().count() > MAX_TEXT {
            return Err(refuse(format!("must have at most {MAX_TEXT} characters")));
        }
        let items = read(text).map_err(|(line, cause)| refuse(format!("cannot be read at line {line}: {cause}")))?;
        let custom =
            Self::of(&items).map_err(|(line, cause)| refuse(format!("is not allowed at line {line}: {cause}")))?;
        let in_locations = custom.locations.iter().map(|location| location.directives.len());
        if in_locations.sum::<usize>().saturating_add(custom.directives.len()) > MAX_DIRECTIVES {
            return Err(refuse(format!("must have at most {MAX_DIRECTIVES} directives")));
        }
        if text.matches('$').count() > MAX_VARIABLES {
            return Err(refuse(format!("must have at most {MAX_VARIABLES} dollar signs")));
        }
        Ok(custom)
    }

    /// The files of this site that answer errors, and that no other location has priority over.
    pub fn error_pages(&self) -> Vec<&str> {
        let pages = self.directives.iter().filter(|directive| directive.name() == "error_page");
        let paths = pages.filter_map(|directive| directive.words.last()?.split('?').next());
        let mut paths: Vec<&str> =
            paths.filter(|path| place(&["location".to_owned(), "=".to_owned(), (*path).to_owned()]).is_ok()).collect();
        paths.retain(|path| !self.locations.iter().any(|location| location.is_exact && location.path == *path));
        paths.sort_unstable();
        paths.dedup();
        paths
    }

    fn of(items: &[Item]) -> Result<Self, (usize, String)> {
        let mut custom = Self::default();
        for item in items {
            let located = |cause: String| (item.line, cause);
            match &item.block {
                None => add(&mut custom.directives, item, SITE)?,
                Some(_) if item.name() != "location" => {
                    return Err(located("the only block that is allowed is location".to_owned()));
                }
                Some(within) => {
                    let (is_exact, path) = place(&item.words).map_err(located)?;
                    if custom.locations.iter().any(|known| (known.is_exact, &known.path) == (is_exact, &path)) {
                        return Err(located("there is another location with the same path".to_owned()));
                    }
                    let mut directives = Vec::new();
                    for item in within {
                        if item.block.is_some() {
                            return Err((item.line, "a location cannot contain a block".to_owned()));
                        }
                        add(&mut directives, item, LOCATION)?;
                    }
                    custom.locations.push(CustomLocation { is_exact, path, directives });
                }
            }
        }
        Ok(custom)
    }
}

/// Adds a directive that is allowed.
fn add(directives: &mut Vec<CustomDirective>, item: &Item, rules: &[(&str, Rule)]) -> Result<(), (usize, String)> {
    let located = |cause: String| (item.line, cause);
    let name = item.name();
    let Some((_, rule)) = rules.iter().find(|(known, _)| *known == name) else {
        let shown: String = name.chars().filter(|sign| sign.is_ascii_graphic()).take(40).collect();
        return Err(located(format!("the directive “{shown}” is not one of those that are allowed here")));
    };
    let parameters = item.words.get(1..).unwrap_or_default();
    (rule.check)(parameters).map_err(|cause| located(format!("{name} {cause}")))?;
    if !rule.repeats && directives.iter().any(|known| known.name() == name) {
        return Err(located(format!("{name} is there twice")));
    }
    directives.push(CustomDirective { words: item.words.clone() });
    Ok(())
}

/// Paths that the Agent itself answers.
const OWN_PATHS: [&str; 2] = ["/.well-known/acme-challenge", "/.well-known/opterius-agent"];

/// What the path of an exact location cannot contain: it would have priority over the locations that hide such files or execute
/// them, and serve their source.
const HIDDEN: [&str; 14] =
    ["/.", ".ph", "~", "#", ".bak", ".backup", ".save", ".orig", ".old", ".swm", ".swn", ".swo", ".sql", ".dump"];

/// The path of a location, and whether it is exact.
fn place(words: &[String]) -> Result<(bool, String), String> {
    let (is_exact, path) = match words {
        [_, path] => (false, path),
        [_, sign, path] if sign == "=" => (true, path),
        _ => {
            return Err(
                "a location must have the form location /path or location = /path: regular expressions and ^~ would \
                        have priority over the locations that execute scripts and hide files"
                    .to_owned(),
            );
        }
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-~%+,@!=:".contains(&byte) || byte >= 0x80;
    if !path.starts_with('/') || !path.bytes().all(is_plain) || path.len() > MAX_LOCATION || path.contains("//") {
        return Err(format!(
            "the path of a location must start with a slash, consist of letters, digits and common signs, and have at most \
             {MAX_LOCATION} bytes"
        ));
    }
    if OWN_PATHS.iter().any(|own| path.starts_with(own)) {
        return Err("the Agent itself answers requests for this path".to_owned());
    }
    let lower = path.to_ascii_lowercase();
    if is_exact && (HIDDEN.iter().any(|hidden| lower.contains(hidden)) || lower.contains(".swp")) {
        return Err("an exact location cannot be a script or a hidden file".to_owned());
    }
    Ok((is_exact, path.clone()))
}

#[cfg(test)]
#[path = "custom_tests.rs"]
mod tests;
