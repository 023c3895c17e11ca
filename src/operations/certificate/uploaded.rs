//! Where uploaded certificates are: one directory for each site, which comes and goes as a whole.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::files::{self, Rights};
use crate::operations::certificate::{OnDisk, UPLOADED};
use crate::operations::facts::Source;
use crate::operations::fields::Domain;
use crate::operations::host::Host;
use crate::operations::problem::Problem;
use crate::secret::Secret;

/// The uploaded certificate of a site.
pub(super) fn find(host: &Host, domain: &Domain) -> Option<OnDisk> {
    OnDisk::below(Place::of(host, domain).directory, Source::Upload)
}

/// Deletes the uploaded certificate of a site.
///
/// # Errors
/// It cannot be deleted.
pub(super) fn forget(host: &Host, domain: &Domain) -> Result<(), Problem> {
    let place = Place::of(host, domain);
    remove(&place.directory).and_then(|()| remove(&place.aside)).map_err(|error| place.failed(error))
}

/// A certificate that has just taken its place, and may have to give it up again.
pub(super) struct Placed {
    place: Place,
    replaced: bool,
}

/// Puts a certificate in its place: at every moment, and after any crash, the old pair is there or the new one.
///
/// # Errors
/// It cannot be written; what was there still is.
pub(super) fn put(host: &Host, domain: &Domain, fullchain: &str, key: &Secret) -> Result<Placed, Problem> {
    let place = Place::of(host, domain);
    let written = place.write_aside(fullchain, key).and_then(|()| place.swap());
    match written {
        Ok(replaced) => Ok(Placed { place, replaced }),
        Err(error) => {
            let _ = remove(&place.aside);
            Err(place.failed(error))
        }
    }
}

impl Placed {
    /// It stays; what it has replaced is deleted.
    pub(super) fn keep(self) -> Result<(), Problem> {
        remove(&self.place.aside).map_err(|error| self.place.failed(error))
    }

    /// It goes; what it has replaced is there again.
    pub(super) fn take_back(self) -> Result<(), Problem> {
        let back = if self.replaced { self.place.exchange() } else { Ok(()) };
        let gone = if self.replaced { &self.place.aside } else { &self.place.directory };
        back.and_then(|()| remove(gone)).map_err(|error| self.place.failed(error))
    }
}

struct Place {
    /// Where the site's certificate is.
    directory: PathBuf,
    /// Where one waits that is to take its place, or has lost it. No domain begins with a dot.
    aside: PathBuf,
}

impl Place {
    fn of(host: &Host, domain: &Domain) -> Self {
        let all = host.path(UPLOADED);
        Self { directory: all.join(domain.as_str()), aside: all.join(format!(".{domain}")) }
    }

    fn failed(&self, error: io::Error) -> Problem {
        Problem::failed(&self.directory.display().to_string(), error)
    }

    fn write_aside(&self, fullchain: &str, key: &Secret) -> io::Result<()> {
        remove(&self.aside)?;
        fs::DirBuilder::new().mode(0o700).recursive(true).create(&self.aside)?;
        files::replace(&self.aside.join("fullchain.pem"), fullchain.as_bytes(), Rights::mode(0o644))?;
        files::replace(&self.aside.join("privkey.pem"), key.expose().as_bytes(), Rights::mode(0o600))
    }

    /// Whether one was there before.
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

fn remove(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    use crate::operations::host::Acme;

    fn read(host: &Host, domain: &Domain) -> Option<(String, String)> {
        let found = find(host, domain)?;
        Some((fs::read_to_string(found.fullchain).unwrap(), fs::read_to_string(found.key).unwrap()))
    }

    #[test]
    fn a_pair_comes_and_goes_as_a_whole() {
        let root = std::env::temp_dir().join(format!("opterius-uploaded-{}", std::process::id()));
        let host = Host::new(root.clone(), Acme { server: String::new(), authority: None }, PathBuf::new());
        let domain = Domain::parse("domain", "a.example").unwrap();
        let put = |chain: &str| put(&host, &domain, chain, &Secret::new(format!("key of {chain}"))).unwrap();
        let pair = |chain: &str| Some((chain.to_owned(), format!("key of {chain}")));

        put("one").take_back().unwrap();
        assert_eq!(read(&host, &domain), None);
        put("one").keep().unwrap();
        assert_eq!(read(&host, &domain), pair("one"));
        let two = put("two");
        assert_eq!(read(&host, &domain), pair("two"));
        two.take_back().unwrap();
        assert_eq!(read(&host, &domain), pair("one"));
        // What a process that was killed has left is in nobody's way.
        drop(put("three"));
        put("four").keep().unwrap();
        assert_eq!(read(&host, &domain), pair("four"));

        let mode = |name: &str| fs::metadata(host.path(UPLOADED).join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("a.example"), mode("a.example/privkey.pem")), (0o700, 0o600));
        forget(&host, &domain).unwrap();
        forget(&host, &domain).unwrap();
        assert_eq!(fs::read_dir(host.path(UPLOADED)).unwrap().count(), 0);
        fs::remove_dir_all(root).unwrap();
    }
}
