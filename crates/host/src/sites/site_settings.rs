//! What the owner of a site has set beyond what the first line of its nginx file says. It can be long, and nginx's file is
//! read at every look for a site, so it has a file of its own, which only root can read.

use serde::{Deserialize, Serialize};

use crate::request::domains_hotlink_set::HotlinkProtection;
use crate::request::domains_redirect_sync::Redirect;
use crate::request::protected_directory::{DirectoryPath, Label};

/// The settings of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SiteSettings {
    /// Redirects of paths.
    pub redirects: Vec<Redirect>,
    /// Directories that ask for a password.
    pub protected: Vec<ProtectedDirectory>,
    /// Files that no other site may show.
    pub hotlink: Option<HotlinkProtection>,
    /// Directives for nginx, as they were written.
    pub directives: String,
}

/// A directory that asks for a password. The passwords are in a file for the web server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectedDirectory {
    /// The directory below the document root.
    pub path: DirectoryPath,
    /// What browsers show.
    pub label: Label,
}
