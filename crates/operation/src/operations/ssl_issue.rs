//! `/ssl/issue`: gets a certificate for a site, unless it has an issued one that does not expire soon. An uploaded
//! certificate is replaced.

use serde_json::Value;

use crate::perform::{Context, Perform};
use crate::transaction::lock;
use crate::web::certificate::certbot::CertificateRequest;
use crate::web::certificate::names;
use crate::web::certificate::obtain::obtain;
use crate::web::site::Site;
use opterius_host::problem::Problem;
use opterius_host::request::ssl_issue::IssueCertificate;

impl Perform for IssueCertificate {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let IssueCertificate { domain, email, username } = self;
        let site = match username {
            Some(username) => Site::find_of(host, domain, username)?,
            None => Site::find(host, domain)?,
        };
        let _certbot = lock::certificates(host, deadline)?;
        let names = names::of_site(&site, host);
        let names::Names { requested, warnings } = names;
        let request = CertificateRequest { site: domain, names: &requested, email: Some(email), force: false };
        obtain(host, &request, warnings, deadline)
    }
}
