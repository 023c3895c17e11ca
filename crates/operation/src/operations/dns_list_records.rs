//! `/dns/list-records`: lists the records of a zone of an account.

use serde_json::{Value, json};

use crate::dns::owner;
use crate::dns::records::{self, Record};
use crate::perform::{Context, Perform};
use crate::servers::powerdns::PowerDns;
use opterius_host::problem::Problem;
use opterius_host::request::dns_list_records::ListRecords;

impl Perform for ListRecords {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let server = PowerDns::new(host)?;
        owner::check(host, &server, &self.domain, deadline)?;
        let records = records::parse(&server.list(&self.domain, deadline)?);
        Ok(json!({"records": records.iter().map(Record::to_json).collect::<Vec<Value>>()}))
    }
}
