//! `/domains/redirect-sync`: replaces all redirects of a site.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::request::fields::{Fields, in_entry};
use crate::request::operation::Operation;
use crate::request::url::{Address, RequestPath};
use crate::request::values::Domain;

/// The most redirects of a site. Each is a location in its nginx file.
const MAX_REDIRECTS: usize = 1000;

/// Paths that the Agent itself answers.
const OWN_PATHS: [&str; 2] = ["/.well-known/acme-challenge/", "/.well-known/opterius-agent/"];

/// Replaces the redirects of a site.
#[derive(Serialize)]
pub struct SyncRedirects {
    /// The site.
    pub domain: Domain,
    /// All of its redirects.
    pub redirects: Vec<Redirect>,
}

/// One redirect of a path, whatever the query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redirect {
    /// The path.
    pub source_path: RequestPath,
    /// Where it leads.
    pub destination: Address,
    /// For how long.
    #[serde(rename = "type")]
    pub kind: RedirectKind,
}

/// The status of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RedirectKind {
    /// Browsers remember it.
    #[serde(rename = "301")]
    Permanent,
    /// Browsers ask again.
    #[serde(rename = "302")]
    Temporary,
}

impl RedirectKind {
    /// The status.
    pub fn status(self) -> u16 {
        match self {
            Self::Permanent => 301,
            Self::Temporary => 302,
        }
    }
}

impl Operation for SyncRedirects {
    const PATHS: &'static [&'static str] = &["/domains/redirect-sync"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let redirects = fields.objects("redirects", MAX_REDIRECTS, redirect)?;
        let mut first: HashMap<&RequestPath, usize> = HashMap::new();
        for (Redirect { source_path, .. }, number) in redirects.iter().zip(1_usize..) {
            if let Some(first) = first.insert(source_path, number) {
                let rule = format!("is the same path as in entry {first}");
                return Err(in_entry("redirects", number, Problem::invalid("source_path", rule)));
            }
        }
        Ok(Self { domain: fields.domain("domain")?, redirects })
    }
}

fn redirect(fields: &Fields) -> Result<Redirect, Problem> {
    let source_path = RequestPath::parse("source_path", fields.text("source_path")?)?;
    if let Some(own) = OWN_PATHS.iter().find(|own| format!("{}/", source_path.as_str()).starts_with(*own)) {
        return Err(Problem::invalid(
            "source_path",
            format!("must not be below {own}, which the Agent answers itself"),
        ));
    }
    let kinds = [("301", RedirectKind::Permanent), ("302", RedirectKind::Temporary)];
    Ok(Redirect {
        source_path,
        destination: Address::parse("destination", fields.text("destination")?)?,
        kind: fields.one_of("type", &kinds)?,
    })
}
