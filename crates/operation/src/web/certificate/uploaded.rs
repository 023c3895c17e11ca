//! Uploaded certificates: one directory per site, which is installed and deleted atomically.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::tree;
use crate::web::certificate::files::CertificateFiles;
use opterius_base::deadline::Deadline;
use opterius_base::files::{self, FileMode};
use opterius_base::secret::Secret;
use opterius_host::host::Host;
use opterius_host::layout::UPLOADED;
use opterius_host::problem::Problem;
use opterius_host::request::values::Domain;
use opterius_host::sites::site_record::Source;

/// The uploaded certificate of a site.
pub(crate) fn find(host: &Host, domain: &Domain) -> Option<CertificateFiles> {
    CertificateFiles::below(Directories::new(host, domain).directory, Source::Upload)
}

/// Deletes the uploaded certificate of a site.
///
/// # Errors
/// A file cannot be deleted.
pub(crate) fn forget(host: &Host, domain: &Domain, deadline: Deadline) -> Result<(), Problem> {
    let Directories { directory, aside } = Directories::new(host, domain);
    tree::remove(&directory, deadline)?;
    tree::remove(&aside, deadline)
}

/// A newly installed certificate, which can still be rolled back.
pub(crate) struct Installed {
    place: Directories,
    replaced: bool,
}

/// Installs a certificate atomically: at any moment, and after any crash, either the old pair or the new one is in place.
///
/// # Errors
/// The files cannot be written; the old pair is then unchanged.
pub(crate) fn install(
    host: &Host,
    domain: &Domain,
    (fullchain, key): (&str, &Secret),
    deadline: Deadline,
) -> Result<Installed, Problem> {
    let place = Directories::new(host, domain);
    // A killed helper may have left files.
    tree::remove(&place.aside, deadline)?;
    match place.write_aside(fullchain, key).and_then(|()| place.swap()) {
        Ok(replaced) => Ok(Installed { place, replaced }),
        Err(error) => {
            let _ = tree::remove(&place.aside, deadline);
            Err(Problem::at(&place.directory, error))
        }
    }
}

impl Installed {
    /// Keeps the new certificate and deletes the old one.
    pub(crate) fn keep(self, deadline: Deadline) -> Result<(), Problem> {
        tree::remove(&self.place.aside, deadline)
    }

    /// Deletes the new certificate and restores the old one.
    pub(crate) fn roll_back(self, deadline: Deadline) -> Result<(), Problem> {
        let Directories { directory, aside } = &self.place;
        if !self.replaced {
            return tree::remove(directory, deadline);
        }
        self.place.exchange().map_err(|error| Problem::at(directory, error))?;
        tree::remove(aside, deadline)
    }
}

struct Directories {
    /// The site's certificate.
    directory: PathBuf,
    /// A new certificate before the exchange, or the old one after it. No domain starts with a dot.
    aside: PathBuf,
}

impl Directories {
    fn new(host: &Host, domain: &Domain) -> Self {
        let all = host.path(UPLOADED);
        Self { directory: all.join(domain.as_str()), aside: all.join(format!(".{domain}")) }
    }

    fn write_aside(&self, fullchain: &str, key: &Secret) -> io::Result<()> {
        fs::DirBuilder::new().mode(0o700).recursive(true).create(&self.aside)?;
        files::replace(&self.aside.join("fullchain.pem"), fullchain.as_bytes(), FileMode::mode(0o644))?;
        files::replace(&self.aside.join("privkey.pem"), key.expose().as_bytes(), FileMode::mode(0o600))
    }

    /// Puts the new certificate in place; true if it replaced an old one.
    fn swap(&self) -> io::Result<bool> {
        let replaced = self.directory.is_dir();
        if replaced {
            self.exchange()?
        } else {
            fs::rename(&self.aside, &self.directory)?
        }
        Ok(replaced)
    }

    fn exchange(&self) -> io::Result<()> {
        Ok(renameat_with(CWD, &self.aside, CWD, &self.directory, RenameFlags::EXCHANGE)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use opterius_host::host::Acme;

    fn soon() -> Deadline {
        Deadline::within(Duration::from_secs(20))
    }

    fn read(host: &Host, domain: &Domain) -> Option<(String, String)> {
        let found = find(host, domain)?;
        Some((fs::read_to_string(found.fullchain).unwrap(), fs::read_to_string(found.key).unwrap()))
    }

    #[test]
    fn a_pair_is_installed_and_deleted_atomically() {
        let root = std::env::temp_dir().join(format!("opterius-uploaded-{}", std::process::id()));
        let host = Host::new(root.clone(), Acme { server: String::new(), authority: None }, PathBuf::new());
        let domain = Domain::parse("domain", "a.example").unwrap();
        let install =
            |chain: &str| install(&host, &domain, (chain, &Secret::new(format!("key of {chain}"))), soon()).unwrap();
        let pair = |chain: &str| Some((chain.to_owned(), format!("key of {chain}")));

        install("one").roll_back(soon()).unwrap();
        assert_eq!(read(&host, &domain), None);
        install("one").keep(soon()).unwrap();
        assert_eq!(read(&host, &domain), pair("one"));
        let two = install("two");
        assert_eq!(read(&host, &domain), pair("two"));
        two.roll_back(soon()).unwrap();
        assert_eq!(read(&host, &domain), pair("one"));
        // Files left by a killed process do not matter.
        drop(install("three"));
        install("four").keep(soon()).unwrap();
        assert_eq!(read(&host, &domain), pair("four"));

        let mode = |name: &str| fs::metadata(host.path(UPLOADED).join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("a.example"), mode("a.example/privkey.pem")), (0o700, 0o600));
        forget(&host, &domain, soon()).unwrap();
        forget(&host, &domain, soon()).unwrap();
        assert_eq!(fs::read_dir(host.path(UPLOADED)).unwrap().count(), 0);
        fs::remove_dir_all(root).unwrap();
    }
}
