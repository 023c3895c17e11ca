//! The settings of PHP that the owner of a site can change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bytes of a MiB.
const MIB: u64 = 1024 * 1024;

/// Longest list of functions, in bytes. It is in the first line of the site's nginx file.
const MAX_FUNCTIONS: usize = 2000;

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PhpKey {
    /// The memory of a script.
    MemoryLimit,
    /// The time of a script, in seconds.
    MaxExecutionTime,
    /// The size of an uploaded file.
    UploadMaxFilesize,
    /// The size of a request's body.
    PostMaxSize,
    /// The number of variables in a request.
    MaxInputVars,
    /// Whether visitors see errors.
    DisplayErrors,
    /// Whether scripts open addresses like files.
    AllowUrlFopen,
    /// Functions that scripts cannot call. No boundary: PHP has other ways to do the same.
    DisableFunctions,
}

impl PhpKey {
    /// All settings.
    pub const ALL: [Self; 8] = [
        Self::MemoryLimit,
        Self::MaxExecutionTime,
        Self::UploadMaxFilesize,
        Self::PostMaxSize,
        Self::MaxInputVars,
        Self::DisplayErrors,
        Self::AllowUrlFopen,
        Self::DisableFunctions,
    ];

    /// Its name in php.ini.
    pub fn name(self) -> &'static str {
        match self {
            Self::MemoryLimit => "memory_limit",
            Self::MaxExecutionTime => "max_execution_time",
            Self::UploadMaxFilesize => "upload_max_filesize",
            Self::PostMaxSize => "post_max_size",
            Self::MaxInputVars => "max_input_vars",
            Self::DisplayErrors => "display_errors",
            Self::AllowUrlFopen => "allow_url_fopen",
            Self::DisableFunctions => "disable_functions",
        }
    }

    /// The setting with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }

    /// The value in the form in which it is stored.
    ///
    /// # Errors
    /// It is not one that can be set; the text continues a sentence that starts with the setting's name.
    fn parse(self, text: &str) -> Result<String, String> {
        match self {
            Self::MemoryLimit if text == "-1" => {
                Err("must not be unlimited: one script could take the memory of the whole server".to_owned())
            }
            Self::MemoryLimit => size(text, 16, 4096),
            Self::UploadMaxFilesize | Self::PostMaxSize => size(text, 1, 1024),
            // A request of more than 300 s is ended in any case.
            Self::MaxExecutionTime => number(text, 1, 300),
            Self::MaxInputVars => number(text, 100, 100_000),
            Self::DisplayErrors | Self::AllowUrlFopen => on_off(text),
            Self::DisableFunctions => functions(text),
        }
    }
}

fn number(text: &str, min: u64, max: u64) -> Result<String, String> {
    let is_number = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<u64>().ok().filter(|number| is_number && (min..=max).contains(number));
    number.map(|number| number.to_string()).ok_or_else(|| format!("must be a whole number from {min} to {max}"))
}

fn size(text: &str, min: u64, max: u64) -> Result<String, String> {
    let upper = text.trim().to_ascii_uppercase();
    let is_size = bytes(&upper).is_some_and(|size| (min.saturating_mul(MIB)..=max.saturating_mul(MIB)).contains(&size));
    if is_size { Ok(upper) } else { Err(format!("must be a size such as {min}M, from {min}M to {max}M")) }
}

/// The bytes of a size such as `128M`.
fn bytes(text: &str) -> Option<u64> {
    let units = [("K", 1024), ("M", MIB), ("G", 1024 * MIB)];
    let unit = units.into_iter().find_map(|(end, unit)| Some((text.strip_suffix(end)?, unit)));
    let (digits, unit) = unit.unwrap_or((text, 1));
    let is_number = (1..=12).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { digits.parse::<u64>().ok()?.checked_mul(unit) } else { None }
}

fn on_off(text: &str) -> Result<String, String> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "1" | "true" | "yes" => Ok("On".to_owned()),
        "off" | "0" | "false" | "no" => Ok("Off".to_owned()),
        _ => Err("must be On or Off".to_owned()),
    }
}

fn functions(text: &str) -> Result<String, String> {
    let is_name = |name: &&str| {
        (1..=100).contains(&name.len())
            && !name.starts_with(|sign: char| sign.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let mut names: Vec<&str> = text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    names.dedup();
    let list = names.join(",");
    if names.iter().all(is_name) && list.len() <= MAX_FUNCTIONS {
        return Ok(list);
    }
    Err(format!("must be names of functions, separated by commas, of at most {MAX_FUNCTIONS} bytes"))
}

/// Settings of a site. What is not in it is as in php.ini.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<PhpKey, String>")]
pub struct PhpSettings(BTreeMap<PhpKey, String>);

impl PhpSettings {
    /// Sets a value; an empty one is as in php.ini.
    ///
    /// # Errors
    /// It is not a value of this setting; the text continues a sentence that starts with the setting's name.
    pub fn set(&mut self, key: PhpKey, text: &str) -> Result<(), String> {
        let value = if text.trim().is_empty() { String::new() } else { key.parse(text.trim())? };
        if value.is_empty() {
            self.0.remove(&key);
        } else {
            self.0.insert(key, value);
        }
        Ok(())
    }

    /// A value, if it is set.
    pub fn get(&self, key: PhpKey) -> Option<&str> {
        self.0.get(&key).map(String::as_str)
    }

    /// Whether nothing is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The settings that are set, in a fixed order.
    pub fn keys(&self) -> impl Iterator<Item = PhpKey> {
        self.0.keys().copied()
    }

    /// The size of a setting in MiB, rounded up.
    pub fn mebibytes(&self, key: PhpKey) -> Option<u64> {
        Some(bytes(self.get(key)?)?.div_ceil(MIB))
    }
}

impl TryFrom<BTreeMap<PhpKey, String>> for PhpSettings {
    type Error = String;

    fn try_from(values: BTreeMap<PhpKey, String>) -> Result<Self, String> {
        let mut settings = Self::default();
        for (key, text) in values {
            settings.set(key, &text).map_err(|rule| format!("{} {rule}", key.name()))?;
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts, and how they are stored if they are accepted.
    type Rows = [(&'static str, Option<&'static str>)];

    #[test]
    fn each_setting_has_its_form_and_bounds() {
        let table: [(&str, &Rows); 8] = [
            (
                "memory_limit",
                &[
                    ("128M", Some("128M")),
                    (" 1g ", Some("1G")),
                    ("134217728", Some("134217728")),
                    ("16384K", Some("16384K")),
                    ("-1", None),
                    ("8M", None),
                    ("5G", None),
                    ("0", None),
                    ("128MB", None),
                    ("+16M", None),
                    ("99999999999999999999G", None),
                ],
            ),
            (
                "max_execution_time",
                &[("1", Some("1")), ("0300", Some("300")), ("301", None), ("0", None), ("+5", None)],
            ),
            ("upload_max_filesize", &[("1024M", Some("1024M")), ("1G", Some("1G")), ("1025M", None), ("1K", None)]),
            ("post_max_size", &[("64M", Some("64M")), ("0", None), ("64 M", None)]),
            ("max_input_vars", &[("100", Some("100")), ("100000", Some("100000")), ("99", None), ("1e4", None)]),
            ("display_errors", &[("On", Some("On")), ("0", Some("Off")), ("TRUE", Some("On")), ("stderr", None)]),
            ("allow_url_fopen", &[("off", Some("Off")), ("On\nx=1", None)]),
            (
                "disable_functions",
                &[
                    ("exec, system ,exec,", Some("exec,system")),
                    ("a b", None),
                    ("exec;system", None),
                    ("exec\n", Some("exec")),
                    ("a\nphp_admin_value[x] = y", None),
                    ("7up", None),
                ],
            ),
        ];
        for (name, rows) in table {
            let key = PhpKey::named(name).unwrap();
            for (text, expected) in rows {
                let mut settings = PhpSettings::default();
                let set = settings.set(key, text);
                assert_eq!(set.ok().and(settings.get(key)), *expected, "{name} {text:?}");
                let written = serde_json::to_string(&settings).unwrap();
                assert_eq!(serde_json::from_str::<PhpSettings>(&written).unwrap(), settings);
            }
        }
        let mut settings = PhpSettings::default();
        settings.set(PhpKey::PostMaxSize, "1025K").unwrap();
        assert_eq!(settings.mebibytes(PhpKey::PostMaxSize), Some(2));
        settings.set(PhpKey::PostMaxSize, " ").unwrap();
        assert!(settings.is_empty());
        assert!(serde_json::from_str::<PhpSettings>(r#"{"memory_limit":"-1"}"#).is_err());
        assert!(serde_json::from_str::<PhpSettings>(r#"{"extension":"x.so"}"#).is_err());
    }
}
