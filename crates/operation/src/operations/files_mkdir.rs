//! `/files/mkdir`: creates a directory in an account's home. One that is there already is left as it is: imports create theirs
//! each time.

use rustix::fs::{Mode, mkdirat};
use rustix::io::Errno;
use serde_json::{Value, json};

use crate::files::home::Home;
use crate::files::owner::{Owner, SHORT};
use crate::perform::{Context, Perform};
use opterius_host::problem::Problem;
use opterius_host::request::files_mkdir::MakeDirectory;
use opterius_host::request::home_path::HomePath;

/// The mode of a new directory: the web server reads what it serves as another user.
const MODE: u32 = 0o755;

impl Perform for MakeDirectory {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let path = self.path.clone();
        let is_new = Owner::of(host, &self.username)?.run(deadline.sooner(SHORT), move |home| make(home, &path))?;
        Ok(json!({"path": self.path, "created": is_new}))
    }
}

/// Creates the directory, and returns whether it is new.
fn make(home: &Home, path: &HomePath) -> Result<bool, Problem> {
    let place = home.place(path)?;
    let is_new = match mkdirat(&place.directory, &place.name, Mode::from_raw_mode(MODE)) {
        Ok(()) => true,
        Err(Errno::EXIST) => false,
        Err(error) => return Err(place.obstacle(error)),
    };
    // Something else may have its name.
    if place.find()?.is_directory() { Ok(is_new) } else { Err(place.obstacle(Errno::EXIST)) }
}
