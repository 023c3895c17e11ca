//! `/files/delete`: deletes a file, a link, or a directory with everything in it, without following links and without
//! entering other file systems. If it times out, repeating the request continues it.

use rustix::io::Errno;
use serde_json::{Value, json};

use crate::files::home::{Home, Place};
use crate::files::owner::{LONG, Owner};
use crate::files::site_directories::SiteDirectories;
use crate::perform::{Context, Perform};
use crate::tree;
use opterius_base::deadline::Deadline;
use opterius_host::problem::Problem;
use opterius_host::request::files_delete::DeleteFile;
use opterius_host::request::home_path::HomePath;

impl Perform for DeleteFile {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let sites = SiteDirectories::of(host, &self.username)?;
        let (path, deadline) = (self.path.clone(), deadline.sooner(LONG));
        let owner = Owner::of(host, &self.username)?;
        owner.run(deadline, move |home| delete(home, &path, &sites, deadline))?;
        Ok(json!({"path": self.path, "deleted": true}))
    }
}

fn delete(home: &Home, path: &HomePath, sites: &SiteDirectories, deadline: Deadline) -> Result<(), Problem> {
    let place = home.place(path)?;
    let found = place.find()?;
    sites.refuse(home, path, &found)?;
    tree::remove_at(&place.directory, &place.name, deadline).map_err(|error| problem(&place, error))?;
    match place.look()? {
        None => Ok(()),
        Some(_) => Err(place.obstacle(Errno::AGAIN)),
    }
}

fn problem(place: &Place, error: Errno) -> Problem {
    let shown = &place.shown;
    match error {
        Errno::BUSY | Errno::XDEV => Problem::Conflict(format!(
            "Another file system is mounted at or below {shown}. Everything else is deleted."
        )),
        Errno::ACCESS | Errno::PERM => Problem::Conflict(format!(
            "{shown} contains a directory or file that the account itself may not delete: its permissions, its owner or an \
             attribute are in the way. Everything else is deleted. Correct that, then repeat the operation."
        )),
        Errno::TIMEDOUT => Problem::TimedOut(format!(
            "{shown} has more files than can be deleted within the time limit. Repeat the operation to continue."
        )),
        error => place.obstacle(error),
    }
}
