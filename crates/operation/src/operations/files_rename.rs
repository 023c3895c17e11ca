//! `/files/rename`: gives a file or directory another name in the same directory. Nothing is replaced.

use std::ffi::CString;

use rustix::fs::{RenameFlags, renameat_with};
use rustix::io::Errno;
use serde_json::{Value, json};

use crate::files::home::{Home, shown};
use crate::files::owner::{Owner, SHORT};
use crate::files::site_directories::SiteDirectories;
use crate::perform::{Context, Perform};
use opterius_host::problem::Problem;
use opterius_host::request::files_rename::RenameFile;
use opterius_host::request::home_path::HomePath;

impl Perform for RenameFile {
    fn perform(&self, Context { host, deadline, .. }: Context<'_>) -> Result<Value, Problem> {
        let Self { username, path, new_name } = self;
        let sites = SiteDirectories::of(host, username)?;
        let (from, to) = (path.clone(), new_name.as_str().to_owned());
        Owner::of(host, username)?.run(deadline.sooner(SHORT), move |home| rename(home, &from, &to, &sites))?;
        Ok(json!({"path": path.beside(new_name)}))
    }
}

fn rename(home: &Home, from: &HomePath, to: &str, sites: &SiteDirectories) -> Result<(), Problem> {
    let place = home.place(from)?;
    let found = place.find()?;
    sites.refuse(home, from, &found)?;
    let new_name = CString::new(to).map_err(|_| place.obstacle(Errno::INVAL))?;
    let directory = &place.directory;
    match renameat_with(directory, &place.name, directory, &new_name, RenameFlags::NOREPLACE) {
        Err(Errno::EXIST) => {
            let sentence = format!("“{}” exists already in the same directory. Delete or rename it first.", shown(to));
            Err(Problem::Conflict(sentence))
        }
        Err(error) => Err(place.obstacle(error)),
        Ok(()) if found.is_at(directory, &new_name) => Ok(()),
        Ok(()) => Err(place.obstacle(Errno::AGAIN)),
    }
}
