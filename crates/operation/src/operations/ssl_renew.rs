//! `/ssl/renew`: immediately replaces a site's certificate with a new one for the same names.

use serde_json::Value;

use crate::perform::{Context, Perform};
use crate::transaction::lock;
use crate::web::certificate::certbot::CertificateRequest;
use crate::web::certificate::current;
use crate::web::certificate::inspect::inspect;
use crate::web::certificate::obtain::obtain;
use crate::web::site::Site;
use opterius_host::problem::Problem;
use opterius_host::request::ssl_renew::RenewCertificate;
use opterius_host::request::values::Domain;
use opterius_host::sites::site_record::Source;

impl Perform for RenewCertificate {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { domain } = self;
        Site::find(host, domain)?;
        let _certbot = lock::certificates(host, deadline)?;
        let found = current::find(host, domain)
            .ok_or_else(|| Problem::NotFound(format!("The site “{domain}” has no certificate. Issue one first.")))?;
        if found.source == Source::Upload {
            return Err(Problem::Conflict(format!(
                "The certificate of “{domain}” was uploaded, so only its issuer can renew it. Upload the new certificate, or \
                 issue one here to replace it."
            )));
        }
        let names: Result<Vec<Domain>, Problem> =
            inspect(&found.fullchain, deadline)?.names.iter().map(|name| provable(domain, name)).collect();
        let request = CertificateRequest { site: domain, names: &names?, email: None, force: true };
        obtain(host, &request, Vec::new(), deadline)
    }
}

/// Refuses names that cannot be validated over HTTP, which are wildcards.
fn provable(domain: &Domain, name: &str) -> Result<Domain, Problem> {
    Domain::parse("domain", name).map_err(|_| {
        Problem::Conflict(format!(
            "The certificate of “{domain}” also covers “{name}”, which cannot be validated over HTTP. Delete it and issue a \
             new one."
        ))
    })
}
