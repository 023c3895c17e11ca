//! What may be asked of the host: one file for each operation, and the table of all of them.
//!
//! An operation is added in three places: its file here, with its path and the rules of its fields; its row in
//! [`operations`](crate::operations!); and the file in the helper's package that performs it. What is missing, the compiler
//! names. The daemon reads a request once, so that a bad one is answered at once, and hands on what it has read; the helper
//! reads that by the same rules again, because it has the privileges and believes nobody.

pub mod account_delete;
pub mod account_password;
pub mod account_suspend;
pub mod dns_create_zone;
pub mod domains_create;
pub mod domains_delete;
pub mod fields;
pub mod logs_tail;
pub mod metrics_top_processes;
pub mod operation;
pub mod php_list_versions;
pub mod services_action;
pub mod services_list;
pub mod ssl_delete;
pub mod ssl_issue;
pub mod ssl_renew;
pub mod ssl_upload;
pub mod stats_account;
pub mod system_time;
pub mod system_timezone;
pub mod values;

use serde_json::Value;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;

/// Hands the table of all operations to the macro `$with`: for each its module here, and its type.
#[macro_export]
macro_rules! operations {
    ($with:ident) => {
        $with! {
            account_delete::DeleteAccount,
            account_password::SetPassword,
            account_suspend::SuspendAccount,
            dns_create_zone::CreateZone,
            domains_create::CreateSite,
            domains_delete::DeleteSite,
            logs_tail::TailLog,
            metrics_top_processes::TopProcesses,
            php_list_versions::ListPhpVersions,
            services_action::ServiceAction,
            services_list::ListServices,
            ssl_delete::DeleteCertificate,
            ssl_issue::IssueCertificate,
            ssl_renew::RenewCertificate,
            ssl_upload::UploadCertificate,
            stats_account::AccountStats,
            system_time::SystemTime,
            system_timezone::SetTimezone,
        }
    };
}

macro_rules! define_request {
    ($($module:ident::$operation:ident,)*) => {
        /// One request, whole and valid.
        #[allow(missing_docs, reason = "each is explained at its own type")]
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
                Err(Problem::NotFound("There is no such operation.".to_owned()))
            }

            /// Whether it waits for other machines, for minutes perhaps.
            pub fn waits_for_others(&self) -> bool {
                match self {
                    $(Self::$operation(_) => $module::$operation::WAITS_FOR_OTHERS,)*
                }
            }

            /// The JSON that reads as this request.
            ///
            /// # Errors
            /// It cannot be written, which does not happen to types of ours.
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
    /// Reads the request to `path`.
    ///
    /// # Errors
    /// The path is none of [`PATHS`], or a field breaks its rule.
    pub fn parse(path: &str, body: &[u8]) -> Result<Self, Problem> {
        Self::read(path, &Fields::parse(body)?)
    }

    /// The same of a document that has been read.
    ///
    /// # Errors
    /// As with [`Self::parse`].
    pub fn of_json(path: &str, body: Option<Value>) -> Result<Self, Problem> {
        Self::read(path, &Fields::of_json(body)?)
    }
}

/// Whether there is an operation for this path.
pub fn is_operation(path: &str) -> bool {
    PATHS.iter().any(|paths| paths.contains(&path))
}
