//! The operands and options of a command, with typed access.

use std::ffi::OsString;
use std::net::IpAddr;

use crate::commands::values::{self, LicenseRef, printable};

/// The arguments of a command, without the words that name it.
#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub(super) operands: Vec<OsString>,
    pub(super) options: Vec<(&'static str, Option<OsString>)>,
}

impl Arguments {
    /// Whether the option was given.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.options.iter().any(|(given, _)| *given == name)
    }

    /// The value of the option, as it was typed.
    pub(super) fn raw(&self, name: &str) -> Option<&OsString> {
        self.options.iter().find(|(given, _)| *given == name).and_then(|(_, value)| value.as_ref())
    }

    /// The value of the option, if it was given.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>, String> {
        let utf8 = |value: &OsString| value.to_str().map(str::to_owned).ok_or_else(|| format!("--{name} is not UTF-8"));
        self.raw(name).map(utf8).transpose()
    }

    /// The value of a required option.
    pub(super) fn required(&self, name: &str) -> Result<String, String> {
        self.text(name)?.ok_or_else(|| format!("--{name} is missing"))
    }

    /// The operand with this index, from 0.
    pub(super) fn operand(&self, index: usize) -> Result<String, String> {
        let word = self.operands.get(index).ok_or("an operand is missing")?;
        word.to_str().map(str::to_owned).ok_or_else(|| format!("“{}” is not UTF-8", printable(&word.to_string_lossy())))
    }

    /// The license that the first operand names.
    pub(super) fn license(&self) -> Result<LicenseRef, String> {
        values::license_ref(&self.operand(0)?)
    }

    /// The operand with this index, as an IP address.
    pub(super) fn ip(&self, index: usize) -> Result<IpAddr, String> {
        values::ip(&self.operand(index)?)
    }
}
