//! `/php/config`: shows or changes the settings of PHP for a site. The Panel asks with GET and changes with POST.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::php_settings::{PhpKey, PhpSettings};
use crate::request::values::{Domain, PhpVersion};

/// Shows the settings of a site, or changes some.
#[derive(Serialize)]
pub struct PhpConfig {
    /// The site.
    pub domain: Domain,
    /// The version of PHP that the site must have.
    pub version: PhpVersion,
    /// Whether they are only shown. The Agent sets this for GET.
    pub read: bool,
    /// What is changed; an empty value is as in php.ini.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<PhpKey, String>,
}

impl Operation for PhpConfig {
    const PATHS: &'static [&'static str] = &["/php/config"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let read = fields.has("read") && fields.boolean("read")?;
        Ok(Self {
            domain: fields.domain("domain")?,
            version: PhpVersion::parse("version", fields.text("version")?)?,
            read,
            values: if read { BTreeMap::new() } else { values(fields)? },
        })
    }
}

/// The values, which are those of [`PhpSettings`].
fn values(fields: &Fields) -> Result<BTreeMap<PhpKey, String>, Problem> {
    let refuse = |rule: String| Problem::invalid("values", rule);
    let mut values = BTreeMap::new();
    let mut checked = PhpSettings::default();
    for (name, text) in fields.texts_by_name("values")? {
        let key = PhpKey::named(&name)
            .ok_or_else(|| refuse(format!("can only have these: {}", PhpKey::ALL.map(PhpKey::name).join(", "))))?;
        checked.set(key, &text).map_err(|rule| refuse(format!("is invalid: {} {rule}", key.name())))?;
        values.insert(key, checked.get(key).unwrap_or_default().to_owned());
    }
    if values.is_empty() {
        return Err(refuse("must have at least one setting".to_owned()));
    }
    Ok(values)
}
