//! The directives that the owner of a site has written, in its nginx file. They are written anew from what was understood of
//! them, in quotes.

use opterius_host::nginx::custom::{Custom, CustomDirective, CustomLocation};
use opterius_host::problem::Problem;
use opterius_host::request::values::Domain;

use crate::web::hook::Hook;
use crate::web::quoting::quoted;

/// The directive that is written into each location of the tenant's pages instead of for the whole site: the Agent's own
/// locations must not lead to a tenant's page.
const PER_LOCATION: &str = "error_page";

/// Directives that can be repeated, which do not conflict with those of the administrator.
const REPEATED: [&str; 3] = ["add_header", "allow", "deny"];

/// What was understood of the directives, and a warning if they were allowed by an earlier version only.
pub fn of(domain: &Domain, text: &str) -> (Custom, Option<String>) {
    match Custom::parse("directives", text) {
        Ok(custom) => (custom, None),
        Err(problem) => (Custom::default(), Some(left_out(domain, &problem))),
    }
}

fn left_out(domain: &Domain, problem: &Problem) -> String {
    format!("The custom nginx directives of {domain} are left out: {}", problem.message())
}

/// Those for the whole site, but for what the administrator's file sets.
pub fn for_site(custom: &Custom, hook: &Hook) -> String {
    let is_ours = |directive: &&CustomDirective| {
        let name = directive.name();
        name != PER_LOCATION && (REPEATED.contains(&name) || !hook.settings.contains(name))
    };
    let lines: String = custom.directives.iter().filter(is_ours).map(|directive| line(directive, 1)).collect();
    if lines.is_empty() { lines } else { format!("    # The owner's own directives.\n{lines}\n") }
}

/// Whether they set this for the whole site.
pub fn sets(custom: &Custom, name: &str) -> bool {
    custom.directives.iter().any(|directive| directive.name() == name)
}

/// Which page answers which error, for a location.
pub fn error_pages(custom: &Custom) -> String {
    let pages = custom.directives.iter().filter(|directive| directive.name() == PER_LOCATION);
    pages.map(|directive| line(directive, 2)).collect()
}

/// Locations of the error pages but for `taken` paths. If a page is missing, no other page is asked for.
pub fn page_locations(custom: &Custom, taken: impl Fn(&str) -> bool) -> String {
    let pages = custom.error_pages().into_iter().filter(|path| !taken(path));
    pages.map(|path| format!("    location = {} {{\n    }}\n\n", quoted(path))).collect()
}

/// The content of the location of all paths, if there is one.
pub fn of_root(custom: &Custom) -> Option<&CustomLocation> {
    custom.locations.iter().find(|location| !location.is_exact && location.path == "/")
}

/// The locations but for that of all paths and those of `taken` paths. Missing files are handled as everywhere on the site
/// (`missing`), unless a location says otherwise.
pub fn locations(custom: &Custom, missing: &str, taken: impl Fn(&str) -> bool) -> String {
    let others = custom.locations.iter().filter(|location| match location.is_exact {
        true => !taken(&location.path),
        false => location.path != "/",
    });
    let written = others.map(|location| {
        let exact = if location.is_exact { "= " } else { "" };
        format!("    location {exact}{} {{\n{}    }}\n\n", quoted(&location.path), content(location, missing))
    });
    written.collect()
}

/// The content of a location.
pub fn content(location: &CustomLocation, missing: &str) -> String {
    let decides = |directive: &CustomDirective| matches!(directive.name(), "try_files" | "error_page" | "return");
    let missing = if location.directives.iter().any(decides) { "" } else { missing };
    let own: String = location.directives.iter().map(|directive| line(directive, 2)).collect();
    format!("{missing}{own}")
}

fn line(directive: &CustomDirective, depth: usize) -> String {
    let parameters: String = directive.words.iter().skip(1).map(|word| format!(" {}", quoted(word))).collect();
    format!("{}{}{parameters};\n", "    ".repeat(depth), directive.name())
}
