//! Sites as the web server has them, ours and others', and their certificates.

pub mod apply;
pub mod certificate;
pub mod site;
pub mod site_file;
pub mod unmanaged_sites;
