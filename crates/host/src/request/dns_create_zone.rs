//! `/dns/create-zone`: creates a DNS zone with the records that a new site needs.

use std::net::IpAddr;

use serde::Serialize;

use crate::problem::Problem;
use crate::request::fields::Fields;
use crate::request::operation::Operation;
use crate::request::values::Domain;

/// Creates a zone.
#[derive(Serialize)]
pub struct CreateZone {
    /// The zone's name.
    pub domain: Domain,
    /// The address of this server.
    pub server_ip: IpAddr,
    /// The first name server.
    pub ns1: Domain,
    /// The second name server.
    pub ns2: Domain,
}

impl Operation for CreateZone {
    const PATHS: &'static [&'static str] = &["/dns/create-zone"];

    fn parse(fields: &Fields) -> Result<Self, Problem> {
        let address = fields.text("server_ip")?.parse();
        Ok(Self {
            domain: fields.domain("domain")?,
            server_ip: address
                .map_err(|_| Problem::invalid("server_ip", "must be an IP address such as 203.0.113.5"))?,
            ns1: fields.domain("ns1")?,
            ns2: fields.domain("ns2")?,
        })
    }
}
