//! The operations: one file for each, named after its path, and three that are only available on the command line.

mod account_delete;
mod account_password;
mod account_suspend;
pub mod adopt;
mod backup_browse;
mod backup_create;
mod backup_delete;
mod backup_download;
mod backup_list;
mod backup_restore;
mod backup_restore_files;
pub mod certificate_renewed;
pub mod check;
mod cron_create;
mod cron_delete;
mod cron_toggle;
mod databases_create;
mod databases_delete;
mod databases_info;
mod databases_repair;
mod databases_user_create;
mod databases_user_delete;
mod databases_user_password;
mod dns_add_record;
mod dns_create_zone;
mod dns_delete_record;
mod dns_list_records;
mod domains_alias_add;
mod domains_alias_remove;
mod domains_create;
mod domains_custom_nginx;
mod domains_delete;
mod domains_hotlink_set;
mod domains_protected_dir_add;
mod domains_protected_dir_remove;
mod domains_redirect_sync;
mod domains_toggle_htaccess;
mod files_archive;
mod files_chmod;
mod files_delete;
mod files_list;
mod files_mkdir;
mod files_read;
mod files_rename;
mod files_upload;
mod files_upload_finish;
mod files_write;
mod logs_tail;
mod metrics_top_processes;
mod php_config;
mod php_extensions;
mod php_install;
mod php_list_extensions;
mod php_list_versions;
mod php_switch_version;
mod postgres_create;
mod postgres_delete;
mod postgres_info;
mod postgres_user_create;
mod postgres_user_delete;
mod postgres_user_password;
mod services_action;
mod services_list;
mod ssh_delete_key;
mod ssh_generate_key;
mod ssh_import_key;
mod ssh_list_keys;
mod ssh_toggle_shell;
mod ssl_delete;
mod ssl_issue;
mod ssl_renew;
mod ssl_upload;
mod stats_account;
mod system_ntp_sync;
mod system_time;
mod system_timezone;

use serde_json::Value;

use crate::perform::{Context, Perform};
use opterius_host::problem::Problem;
use opterius_host::request::Request;

macro_rules! define_dispatch {
    ($($module:ident::$operation:ident,)*) => {
        /// Performs a request.
        ///
        /// # Errors
        /// Those of [`Perform::perform`].
        pub fn perform(request: &Request, context: Context<'_>) -> Result<Value, Problem> {
            match request {
                $(Request::$operation(request) => request.perform(context),)*
            }
        }
    };
}

opterius_host::operations!(define_dispatch);
