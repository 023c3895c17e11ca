//! `/domains/protected-dir/add`: asks visitors of a directory for a password.

use serde_json::{Value, json};

use crate::perform::{Context, Perform};
use crate::transaction::Transaction;
use crate::web::change_settings::change_settings;
use crate::web::protected_directories;
use crate::web::site::Site;
use opterius_host::problem::Problem;
use opterius_host::request::domains_protected_dir_add::ProtectDirectory;
use opterius_host::sites::site_settings::ProtectedDirectory;
use opterius_host::users::register::Register;

/// The most protected directories of a site.
const MAX_DIRECTORIES: usize = 100;

impl Perform for ProtectDirectory {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { domain, username, document_root, path, label, users } = self;
        Transaction::run(host, deadline, |transaction| {
            let site = Site::find_of(host, domain, username)?;
            if site.document_root != document_root.from_home() {
                let root = site.absolute_document_root();
                return Err(Problem::Conflict(format!("The files of the site “{domain}” are in {root}.")));
            }
            let group = Register::read(host)?.web_group()?.gid;
            protected_directories::write_passwords(transaction, domain, path, users, group)?;
            let mut is_full = false;
            let warnings = change_settings(transaction, &site, deadline, |settings| {
                settings.protected.retain(|known| known.path != *path);
                is_full = settings.protected.len() >= MAX_DIRECTORIES;
                settings.protected.push(ProtectedDirectory { path: path.clone(), label: label.clone() });
            })?;
            if is_full {
                let sentence =
                    format!("The site “{domain}” has {MAX_DIRECTORIES} protected directories, the most possible.");
                return Err(Problem::Conflict(sentence));
            }
            Ok(json!({"domain": domain, "path": path, "users": users.len(), "warnings": warnings}))
        })
    }
}
