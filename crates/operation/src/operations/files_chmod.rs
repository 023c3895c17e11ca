//! `/files/chmod`: changes the permissions of a file or directory, never of what a link leads to.

use std::os::fd::AsRawFd;

use rustix::fs::{AtFlags, CWD, Mode, chmodat, fstat};
use rustix::io::Errno;
use serde_json::{Value, json};

use crate::files::home::Home;
use crate::files::owner::{Owner, SHORT};
use crate::perform::{Context, Perform};
use opterius_host::problem::Problem;
use opterius_host::request::files_chmod::ChangePermissions;
use opterius_host::request::home_path::HomePath;

impl Perform for ChangePermissions {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { username, path, permissions } = self;
        let (at, mode) = (path.clone(), permissions.bits());
        Owner::of(host, username)?.run(deadline.sooner(SHORT), move |home| change(home, &at, mode))?;
        Ok(json!({"path": path, "permissions": permissions}))
    }
}

fn change(home: &Home, path: &HomePath, mode: u32) -> Result<(), Problem> {
    let place = home.place(path)?;
    let found = place.find()?;
    if !found.is_directory() && !found.is_file() {
        let sentence = format!("{} is a link or a special file. Its permissions are not changed.", place.shown);
        return Err(Problem::Conflict(sentence));
    }
    // A file that its owner may not open can only be named, and this is how a descriptor that names it is passed.
    let named = format!("/proc/self/fd/{}", found.descriptor.as_raw_fd());
    chmodat(CWD, named, Mode::from_raw_mode(mode), AtFlags::empty()).map_err(|error| match error {
        Errno::PERM => Problem::Conflict(format!("{} does not belong to the account.", place.shown)),
        error => place.obstacle(error),
    })?;
    let now = fstat(&found.descriptor).map_err(|error| place.obstacle(error))?.st_mode & 0o7777;
    if now == mode { Ok(()) } else { Err(place.obstacle(Errno::AGAIN)) }
}
