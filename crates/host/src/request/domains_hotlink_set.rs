//! `/domains/hotlink/set`: keeps other sites from showing files of a site.

use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::url::Address;
use crate::request::values::{Domain, Username};

/// The most domains that may show the files.
const MAX_DOMAINS: usize = 100;

/// The most kinds of files.
const MAX_EXTENSIONS: usize = 50;

/// Longest extension, in characters.
const MAX_EXTENSION: usize = 16;

/// Sets or ends the protection of a site.
#[derive(Serialize)]
pub struct SetHotlinkProtection {
    /// The site.
    pub domain: Domain,
    /// The account that owns the site.
    pub username: Username,
    /// Whether it is on.
    pub enabled: bool,
    /// What it protects, if it is on.
    #[serde(flatten)]
    pub protection: Option<HotlinkProtection>,
}

/// Which files of a site no other site may show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HotlinkProtection {
    /// The domains that may, with those below them.
    pub allowed_domains: Vec<Domain>,
    /// The kinds of files. The Panel's name for them is misleading.
    pub allowed_extensions: Vec<String>,
    /// Whether requests without a referrer are answered.
    pub allow_direct: bool,
    /// Where the others are led, if they are not refused.
    pub redirect_url: Option<Address>,
}

impl Operation for SetHotlinkProtection {
    const PATHS: &'static [&'static str] = &["/domains/hotlink/set"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let enabled = fields.boolean("enabled")?;
        Ok(Self {
            domain: fields.domain("domain")?,
            username: fields.username()?,
            enabled,
            // What the Panel still sends of a protection that is off does not keep it on.
            protection: enabled.then(|| protection(fields)).transpose()?,
        })
    }
}

fn protection(fields: &Fields) -> Result<HotlinkProtection, Problem> {
    let mut allowed_domains = fields.texts("allowed_domains", MAX_DOMAINS, allowed_domain)?;
    let mut allowed_extensions = fields.texts("allowed_extensions", MAX_EXTENSIONS, extension)?;
    if allowed_extensions.is_empty() {
        return Err(Problem::invalid(
            "allowed_extensions",
            "must name at least one kind of file to protect, such as jpg",
        ));
    }
    allowed_domains.sort();
    allowed_domains.dedup();
    allowed_extensions.sort();
    allowed_extensions.dedup();
    let redirect_url = fields.optional_text("redirect_url")?;
    Ok(HotlinkProtection {
        allowed_domains,
        allowed_extensions,
        allow_direct: fields.boolean("allow_direct")?,
        redirect_url: redirect_url.map(|text| Address::parse("redirect_url", text)).transpose()?,
    })
}

/// A domain, as people type it: also as an address, or with `*.` for those below it, which may show the files anyway.
fn allowed_domain(text: &str) -> Result<Domain, Problem> {
    let name = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
    let name = name.strip_suffix('/').unwrap_or(name);
    Domain::parse("allowed_domains", name.strip_prefix("*.").unwrap_or(name))
}

fn extension(text: &str) -> Result<String, Problem> {
    let extension = text.strip_prefix('.').unwrap_or(text).to_ascii_lowercase();
    let is_word = extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_word && (1..=MAX_EXTENSION).contains(&extension.len()) {
        return Ok(extension);
    }
    let rule = format!("must be the end of file names, such as jpg: 1 to {MAX_EXTENSION} letters and digits");
    Err(Problem::invalid("allowed_extensions", rule))
}
