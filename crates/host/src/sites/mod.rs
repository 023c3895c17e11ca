//! Sites: published records, certificate status, and sites that the Agent does not manage.

pub mod certificate;
pub mod mark;
pub mod public_suffix;
pub mod site_record;
pub mod site_settings;
pub mod unmanaged_sites;
