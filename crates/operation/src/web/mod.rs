//! Sites as the web server has them, ours and others', and their certificates.

pub mod apply;
pub mod certificate;
pub mod foreign;
pub mod site;
pub mod site_file;
