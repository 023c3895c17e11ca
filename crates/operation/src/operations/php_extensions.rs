//! `/php/extensions`: loads an extension in a version of PHP, or no longer. This concerns the sites of all accounts.

use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use crate::servers::php::{extensions, versions};
use crate::transaction::Transaction;
use opterius_host::problem::Problem;
use opterius_host::request::php_extensions::SetPhpExtension;

impl Perform for SetPhpExtension {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { version, extension, enable } = self;
        let name = extension.as_str();
        versions::check(host, version)?;
        if !extensions::available(host, version).contains(name) {
            return Err(Problem::NotFound(format!(
                "The extension “{name}” of PHP {version} is not installed. Its package is probably php{version}-{name}: \
                 apt-get install php{version}-{name}"
            )));
        }
        if !host.is_machine() {
            let sentence = "Extensions can only be changed on the machine itself, not in a directory tree (host_root).";
            return Err(Problem::Unavailable(sentence.to_owned()));
        }
        // Debian's programs and the masters take no part in a transaction's rollback, but nothing else may change meanwhile.
        Transaction::run(host, deadline, |_| {
            let was_enabled = extensions::enabled(host, version).contains(name);
            extensions::set(version, name, *enable, deadline)?;
            let is_loaded = match extensions::is_loaded(version, name, deadline) {
                Ok(is_loaded) => is_loaded,
                Err(problem) => {
                    extensions::set(version, name, was_enabled, deadline)?;
                    return Err(problem);
                }
            };
            extensions::reload(host, version, deadline)?;
            let warnings: Vec<String> = (is_loaded != *enable)
                .then(|| match enable {
                    true => format!("PHP {version} does not list an extension “{name}”; it may have another name."),
                    false => format!("PHP {version} still has “{name}”: it is built in, or another file loads it."),
                })
                .into_iter()
                .collect();
            Ok(json!({"version": version, "extension": name, "enabled": enable, "warnings": warnings}))
        })
    }
}
