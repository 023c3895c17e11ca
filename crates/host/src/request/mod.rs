//! The requests: one file for each operation, and the table of all operations.
//!
//! To add an operation, add its file here, with its path and the rules of its fields; its row in
//! [`operations`](crate::operations!); and the file in the helper's package that performs it. The compiler reports what is
//! missing. The daemon parses a request, so that an invalid one fails early, and forwards the result; the helper parses it
//! again by the same rules, because it has root privileges and does not trust the daemon.

pub mod account_delete;
pub mod account_password;
pub mod account_suspend;
pub mod backup;
pub mod backup_browse;
pub mod backup_create;
pub mod backup_delete;
pub mod backup_download;
pub mod backup_list;
pub mod backup_restore;
pub mod backup_restore_files;
pub mod cron;
pub mod cron_create;
pub mod cron_delete;
pub mod cron_toggle;
pub mod databases_create;
pub mod databases_delete;
pub mod databases_info;
pub mod databases_repair;
pub mod databases_user_create;
pub mod databases_user_delete;
pub mod databases_user_password;
pub mod dns_add_record;
pub mod dns_create_zone;
pub mod dns_delete_record;
pub mod dns_list_records;
pub mod domains_alias_add;
pub mod domains_alias_remove;
pub mod domains_create;
pub mod domains_custom_nginx;
pub mod domains_delete;
pub mod domains_hotlink_set;
pub mod domains_protected_dir_add;
pub mod domains_protected_dir_remove;
pub mod domains_redirect_sync;
pub mod domains_toggle_htaccess;
pub mod fields;
pub mod files_archive;
pub mod files_chmod;
pub mod files_delete;
pub mod files_list;
pub mod files_mkdir;
pub mod files_read;
pub mod files_rename;
pub mod files_upload;
pub mod files_upload_finish;
pub mod files_write;
pub mod home_path;
pub mod logs_tail;
pub mod metrics_top_processes;
pub mod operation;
pub mod php_config;
pub mod php_extensions;
pub mod php_install;
pub mod php_list_extensions;
pub mod php_list_versions;
pub mod php_settings;
pub mod php_switch_version;
pub mod postgres_create;
pub mod postgres_delete;
pub mod postgres_info;
pub mod postgres_user_create;
pub mod postgres_user_delete;
pub mod postgres_user_password;
pub mod prefixed_name;
pub mod protected_directory;
pub mod record;
pub mod services_action;
pub mod services_list;
pub mod ssh_delete_key;
pub mod ssh_generate_key;
pub mod ssh_import_key;
pub mod ssh_key;
pub mod ssh_list_keys;
pub mod ssh_toggle_shell;
pub mod ssl_delete;
pub mod ssl_issue;
pub mod ssl_renew;
pub mod ssl_upload;
pub mod stats_account;
pub mod system_ntp_sync;
pub mod system_time;
pub mod system_timezone;
pub mod url;
pub mod values;

use std::time::Duration;

use serde_json::Value;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;

/// Passes the table of all operations to the macro `$with`: the module and type of each.
#[macro_export]
macro_rules! operations {
    ($with:ident) => {
        $with! {
            account_delete::DeleteAccount,
            account_password::SetPassword,
            account_suspend::SuspendAccount,
            backup_browse::BrowseBackup,
            backup_create::CreateBackup,
            backup_delete::DeleteBackup,
            backup_download::DownloadBackup,
            backup_list::ListBackups,
            backup_restore::RestoreBackup,
            backup_restore_files::RestoreFiles,
            databases_create::CreateMariaDbDatabase,
            databases_delete::DeleteMariaDbDatabase,
            databases_info::DescribeMariaDbDatabase,
            databases_repair::RepairMariaDbDatabase,
            databases_user_create::CreateMariaDbUser,
            databases_user_delete::DeleteMariaDbUser,
            databases_user_password::SetMariaDbPassword,
            cron_create::CreateCronJob,
            cron_delete::DeleteCronJob,
            cron_toggle::ToggleCronJob,
            dns_add_record::AddRecord,
            dns_create_zone::CreateZone,
            dns_delete_record::DeleteRecord,
            dns_list_records::ListRecords,
            domains_alias_add::AddAlias,
            domains_alias_remove::RemoveAlias,
            domains_create::CreateSite,
            domains_custom_nginx::SetDirectives,
            domains_delete::DeleteSite,
            files_archive::ArchiveFile,
            files_chmod::ChangePermissions,
            files_delete::DeleteFile,
            files_list::ListFiles,
            files_mkdir::MakeDirectory,
            files_read::ReadFile,
            files_rename::RenameFile,
            files_write::WriteFile,
            files_upload::OpenUpload,
            files_upload_finish::FinishUpload,
            domains_hotlink_set::SetHotlinkProtection,
            domains_protected_dir_add::ProtectDirectory,
            domains_protected_dir_remove::UnprotectDirectory,
            domains_redirect_sync::SyncRedirects,
            domains_toggle_htaccess::ToggleHtaccess,
            logs_tail::TailLog,
            metrics_top_processes::TopProcesses,
            php_config::PhpConfig,
            php_extensions::SetPhpExtension,
            php_install::InstallPhp,
            php_list_extensions::ListPhpExtensions,
            php_list_versions::ListPhpVersions,
            postgres_create::CreatePostgresqlDatabase,
            postgres_delete::DeletePostgresqlDatabase,
            postgres_info::DescribePostgresqlDatabase,
            postgres_user_create::CreatePostgresqlUser,
            postgres_user_delete::DeletePostgresqlUser,
            postgres_user_password::SetPostgresqlPassword,
            php_switch_version::SwitchPhpVersion,
            services_action::ServiceAction,
            services_list::ListServices,
            ssh_delete_key::DeleteKey,
            ssh_generate_key::GenerateKey,
            ssh_import_key::ImportKey,
            ssh_list_keys::ListKeys,
            ssh_toggle_shell::ToggleShell,
            ssl_delete::DeleteCertificate,
            ssl_issue::IssueCertificate,
            ssl_renew::RenewCertificate,
            ssl_upload::UploadCertificate,
            stats_account::AccountStats,
            system_ntp_sync::SynchronizeClock,
            system_time::SystemTime,
            system_timezone::SetTimezone,
        }
    };
}

macro_rules! define_request {
    ($($module:ident::$operation:ident,)*) => {
        /// A valid request.
        #[allow(missing_docs, reason = "each variant is documented at its type")]
        pub enum Request {
            $($operation($module::$operation),)*
        }

        /// The paths of all operations.
        pub const PATHS: &[&[&str]] = &[$($module::$operation::PATHS,)*];

        impl Request {
            fn read(path: &str, fields: &Fields) -> Result<Self, Problem> {
                $(if $module::$operation::PATHS.contains(&path) {
                    return Ok(Self::$operation(Operation::parse(fields)?));
                })*
                Err(Problem::NotFound("This operation does not exist.".to_owned()))
            }

            /// Whether it takes long: see [`Operation::WAITS_FOR_OTHERS`].
            pub fn waits_for_others(&self) -> bool {
                match self {
                    $(Self::$operation(_) => $module::$operation::WAITS_FOR_OTHERS,)*
                }
            }

            /// How long it may take.
            pub fn longest(&self) -> Duration {
                match self {
                    $(Self::$operation(_) => $module::$operation::LONGEST,)*
                }
            }

            /// The request as JSON, which parses as the same request.
            ///
            /// # Errors
            /// Serialization failed, which does not happen with our own types.
            pub fn to_json(&self) -> Result<Value, serde_json::Error> {
                match self {
                    $(Self::$operation(request) => serde_json::to_value(request),)*
                }
            }
        }
    };
}

operations!(define_request);

impl Request {
    /// Parses the request to `path`.
    ///
    /// # Errors
    /// The path is not in [`PATHS`], or a field is invalid.
    pub fn parse(path: &str, body: &[u8]) -> Result<Self, Problem> {
        Self::read(path, &Fields::parse(body)?)
    }

    /// Parses the request to `path` from a JSON document.
    ///
    /// # Errors
    /// Those of [`Self::parse`].
    pub fn from_json(path: &str, body: Option<Value>) -> Result<Self, Problem> {
        Self::read(path, &Fields::from_json(body)?)
    }
}

/// Whether `path` belongs to an operation.
pub fn is_operation(path: &str) -> bool {
    PATHS.iter().any(|paths| paths.contains(&path))
}
