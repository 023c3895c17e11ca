//! `/php/list-extensions`: lists the extensions of a version of PHP, and whether FPM loads them.

use serde::Serialize;
use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use crate::servers::php::{extensions, versions};
use opterius_host::problem::Problem;
use opterius_host::request::php_list_extensions::ListPhpExtensions;

#[derive(Serialize)]
struct Extension<'a> {
    name: &'a str,
    installed: bool,
}

impl Perform for ListPhpExtensions {
    fn perform(&self, Context { host, .. }: Context<'_>) -> Result<Value, Problem> {
        versions::check(host, &self.version)?;
        let enabled = extensions::enabled(host, &self.version);
        let available = extensions::available(host, &self.version);
        let rows: Vec<Extension<'_>> =
            available.iter().map(|name| Extension { name, installed: enabled.contains(name) }).collect();
        Ok(json!({"extensions": rows}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Tree;
    use opterius_host::request::values::PhpVersion;

    #[test]
    fn an_extension_is_installed_if_fpm_loads_it() {
        let tree = Tree::new();
        let version = |text: &str| PhpVersion::parse("version", text).unwrap();
        assert!(tree.perform(&ListPhpExtensions { version: version("8.2") }).is_err());
        tree.directory("/etc/php/8.2/fpm/pool.d");
        for file in
            ["mods-available/pdo.ini", "mods-available/apcu.ini", "mods-available/x.txt", "fpm/conf.d/10-pdo.ini"]
        {
            tree.write(&format!("/etc/php/8.2/{file}"), "");
        }
        // Loaded for the command line only.
        tree.write("/etc/php/8.2/cli/conf.d/20-apcu.ini", "");
        let expected = json!([{"name": "apcu", "installed": false}, {"name": "pdo", "installed": true}]);
        assert_eq!(tree.perform(&ListPhpExtensions { version: version("8.2") }).unwrap()["extensions"], expected);
    }
}
