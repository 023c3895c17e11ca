//! `/ssl/renew`: a new certificate at once in the place of the one that a site has, for the same names.

use serde_json::Value;

use crate::perform::{Context, Perform};
use crate::transaction::lock;
use crate::web::certificate::certbot::CertificateOrder;
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
                "The certificate of “{domain}” was uploaded, and only whoever has issued it can renew it. Upload the new one, \
                 or issue one here in its place."
            )));
        }
        let names: Result<Vec<Domain>, Problem> =
            inspect(&found.fullchain, deadline)?.names.iter().map(|name| provable(domain, name)).collect();
        obtain(host, &CertificateOrder { site: domain, names: &names?, email: None, anew: true }, deadline)
    }
}

/// A name that can be proved over HTTP, as every domain and no wildcard can.
fn provable(domain: &Domain, name: &str) -> Result<Domain, Problem> {
    Domain::parse("domain", name).map_err(|_| {
        Problem::Conflict(format!(
            "The certificate of “{domain}” is good for “{name}”, too, which cannot be proved over HTTP. Delete it and issue \
             a new one."
        ))
    })
}
