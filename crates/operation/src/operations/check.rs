//! `check`, for doctor: whether nginx accepts its configuration, has loaded it, and serves every site as written.

use std::time::Duration;

use serde_json::json;

use crate::servers::nginx;
use crate::servers::nginx::effect::{self, Expected, ExpectedAnswer, Miss};
use crate::servers::nginx::master::Master;
use crate::servers::nginx::{cause, token};
use crate::web::site::{Site, Sites};
use opterius_base::deadline::Deadline;
use opterius_host::host::Host;
use opterius_host::lines;
use opterius_host::problem::Problem;

/// How long to ask for sites. The rest is not looked at.
const TIME: Duration = Duration::from_secs(10);

/// How many sites are asked for at once.
const AT_ONCE: usize = 20;

/// The most sites that are named.
const NAMED: usize = 3;

/// What to run once a file is corrected.
const RELOAD: &str = "nginx -t && systemctl reload nginx";

/// The finding, as one line of JSON with `verdict`, `seen` and `fix`.
pub fn check(host: &Host, deadline: Deadline) -> String {
    let (verdict, seen, fix) = match examine(host, deadline) {
        Ok(seen) => ("PASS", seen, None),
        Err((seen, fix)) => ("FAIL", seen, Some(fix)),
    };
    json!({"verdict": verdict, "seen": seen, "fix": fix}).to_string() + "\n"
}

/// What is well, or what is wrong and how to correct it.
fn examine(host: &Host, deadline: Deadline) -> Result<String, (String, String)> {
    let with = |fix: &str| {
        let fix = fix.to_owned();
        move |problem: Problem| (problem.message(), fix)
    };
    nginx::test(host, deadline).map_err(with(RELOAD))?;
    let sites = Sites::read(host).map_err(with("ls -l /etc/nginx"))?.sites;
    if let Some(site) = sites.first() {
        nginx::place::check(host, Site::place(host, &site.domain).enabled()).map_err(with(RELOAD))?;
    }
    if Master::all(host).is_empty() {
        let seen = format!("nginx does not run (sites: {})", sites.len());
        return if sites.is_empty() { Ok(seen) } else { Err((seen, "systemctl start nginx".to_owned())) };
    }
    let expected: Vec<Expected> = sites.iter().filter_map(|site| expected(host, site)).collect();
    let (asked, misses) = ask(&expected, deadline.sooner(TIME));
    if !misses.is_empty() {
        let mut domains: Vec<&str> = misses.iter().map(|miss| miss.domain.as_str()).collect();
        domains.dedup();
        let named: Vec<&str> = domains.iter().take(NAMED).copied().collect();
        let shown: Vec<Miss> = misses.iter().filter(|miss| named.contains(&miss.domain.as_str())).cloned().collect();
        let cause = cause::of_misses(host, &shown);
        let seen = format!("nginx serves {} of {asked} sites otherwise than their files say. {cause}", domains.len());
        return Err((seen, format!("{RELOAD}; to see what it says: journalctl -u nginx -n 20")));
    }
    Ok(format!("nginx accepts its configuration and serves it (sites seen: {asked} of {})", sites.len()))
}

/// What a visitor of the site must get; none if its file was written by an earlier version, which has no token.
fn expected(host: &Host, site: &Site) -> Option<Expected> {
    let text = lines::text(&Site::place(host, &site.domain).file, lines::MAX_FILE);
    let token = token::find(&text)?.to_owned();
    let answer = ExpectedAnswer::Served { token, has_certificate: text.contains("listen 443 ") };
    Some(Expected { names: vec![site.domain.to_string()], answer })
}

/// Asks for sites until the deadline. Returns how many were asked for, and what is not as expected.
fn ask(expected: &[Expected], deadline: Deadline) -> (usize, Vec<Miss>) {
    let (mut asked, mut misses) = (0_usize, Vec::new());
    for some in expected.chunks(AT_ONCE) {
        if deadline.is_over() || misses.len() > AT_ONCE {
            break;
        }
        asked = asked.saturating_add(some.len());
        misses.extend(effect::misses(some, Duration::ZERO, Deadline::within(TIME)));
    }
    (asked, misses)
}
