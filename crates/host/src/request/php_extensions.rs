//! `/php/extensions`: loads an extension in a version of PHP, or no longer.

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::PhpVersion;

/// Longest name of an extension, in bytes.
const MAX_NAME: usize = 64;

/// Enables or disables an extension for all accounts.
#[derive(Serialize)]
pub struct SetPhpExtension {
    /// The version.
    pub version: PhpVersion,
    /// The extension, as its file in `mods-available` is named.
    pub extension: ExtensionName,
    /// Whether it is loaded.
    pub enable: bool,
}

/// The name of an extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExtensionName(String);

impl ExtensionName {
    /// Parses a name.
    ///
    /// # Errors
    /// It is not a plain name.
    pub fn parse(field: &str, text: &str) -> Result<Self, Problem> {
        let is_sign = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
        let begins = text.starts_with(|sign: char| sign.is_ascii_lowercase());
        if begins && text.len() <= MAX_NAME && text.bytes().all(is_sign) {
            return Ok(Self(text.to_owned()));
        }
        let rule = format!(
            "must be the name of an extension, such as opcache: at most {MAX_NAME} lowercase letters, digits, _ and -"
        );
        Err(Problem::invalid(field, rule))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Operation for SetPhpExtension {
    const PATHS: &'static [&'static str] = &["/php/extensions"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self {
            version: PhpVersion::parse("version", fields.text("version")?)?,
            extension: ExtensionName::parse("extension", fields.text("extension")?)?,
            enable: fields.boolean("enable")?,
        })
    }
}
