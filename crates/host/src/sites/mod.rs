//! Sites: what is published of each, what the Panel sees of its certificate, and those that others have written.

pub mod certificate;
pub mod site_record;
pub mod unmanaged_sites;
