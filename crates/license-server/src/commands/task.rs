//! Parsed commands.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::actions::{LicenseTerms, NewUser, TokenTerms, UserChange};
use crate::commands::values::LicenseRef;
use crate::model::{Change, EventType, LinkPurpose, Plan};
use crate::store::{Filter, Location};

/// A database that a command names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatabasePlace {
    /// By the path of its file or its connection string.
    Location(Location),
    /// By a configuration file.
    Config(PathBuf),
}

/// A parsed command.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the command specs describe each variant, and the fields are its arguments")]
pub enum Task {
    Init,
    Check { json: bool },
    ShowStatistics { json: bool },
    Backup { file: PathBuf },
    RepeatedBackup { directory: PathBuf, every: Duration, keep: u32 },
    Restore { file: PathBuf, undecided: Duration, confirmed: bool },
    MoveDatabase { from: DatabasePlace, to: DatabasePlace },
    CreateLicense { terms: LicenseTerms, json: bool },
    ListLicenses { owner: Option<String>, filter: Box<Filter>, limit: Option<u64>, json: bool },
    ShowLicense { license: LicenseRef, reveal_key: bool, json: bool },
    ChangeLicense { license: LicenseRef, change: Change },
    TransferLicense { license: LicenseRef, owner: String },
    DeleteLicense { license: LicenseRef, confirmed: bool },
    Revoke { license: LicenseRef, ip: IpAddr, block: Option<Duration> },
    Unblock { license: LicenseRef, ip: IpAddr },
    Move { license: LicenseRef, from: IpAddr, to: IpAddr },
    History { license: Option<LicenseRef>, all: bool, json: bool },
    ListPlans { json: bool },
    SetPlan { plan: Plan, confirmed: bool },
    ListUsers { json: bool },
    ShowUser { name: String, json: bool },
    AddUser { new: NewUser, invite: bool, mail: bool, json: bool },
    ChangeUser { name: String, change: UserChange },
    SetPassword { name: String },
    MakePasswordLink { name: String, purpose: LinkPurpose, mail: bool, json: bool },
    ResetSecondFactor { name: String },
    ListSessions { name: String, json: bool },
    EndSessions { name: String },
    DisableUser { name: String },
    EnableUser { name: String },
    DeleteUser { name: String, heir: Option<String>, confirmed: bool },
    AddToken { terms: TokenTerms, json: bool },
    ListTokens { json: bool },
    RevokeToken { name: String },
    AddWebhook { url: String, events: Option<Vec<EventType>>, json: bool },
    ListWebhooks { json: bool },
    ShowWebhook { webhook: i64, json: bool },
    RemoveWebhook { webhook: i64 },
    RotateWebhook { webhook: i64, json: bool },
    TestWebhook { webhook: i64 },
    ReplayEvents { webhook: i64, event: Option<String> },
    ShowKeys { json: bool },
    RotateKeys { json: bool },
    RetireKeys { forced: bool, json: bool },
}
