//! `init` and `check`.

use std::path::Path;

use crate::PROGRAM;
use crate::commands::failure::Failure;
use crate::commands::files::files;
use crate::commands::finding::{Finding, failed, passed};
use crate::commands::listing::{Listing, emit};
use crate::commands::progress::Progress;
use crate::commands::remedies;
use crate::commands::session::{Session, Target};
use crate::config::{self, Loaded};
use crate::installation::DataDir;
use crate::keys::SigningKeys;
use crate::mail;
use crate::store;
use opterius_base::dates::counted;
use opterius_daemon::output::complain;

pub(super) fn init(config_file: &Path) -> Result<(), Failure> {
    let target = Target::new(config_file)?;
    let installation = target.data_dir.create(Session::now())?;
    let program = target.program();
    emit(&format!(
        "Created {} and {}. Back up both: without the keys, Agents trust no response.\n\n\
         Add this line to the agent.conf of every Agent:\n\
         license_public_key={}\n\n\
         Next steps:\n  \
         {program} user add NAME --administrator\n  \
         {program} user add OWNER\n  \
         {program} license create --owner OWNER --plan free\n  \
         {program} serve        (or: systemctl enable --now opterius-license-server)\n",
        target.data_dir.database(),
        target.data_dir.keys_path().display(),
        installation.keys.public_keys()
    ))?;
    Ok(())
}

pub(super) fn check(config_file: &Path, json: bool) -> Result<(), Failure> {
    let mut findings = findings(config_file);
    for finding in &mut findings {
        finding.message = remedies::for_installation(config_file, &finding.message);
    }
    let mut listing = Listing::new(json, &["CHECK", "RESULT", "WHAT"]);
    if json {
        listing.add(&findings, |_| Vec::new(), Finding::clone)?;
        listing.end("")?;
    } else {
        let line = |finding: &Finding| {
            let result = if finding.ok { "ok" } else { "FAILED" };
            format!("{:<10}{result:<8}{}\n", finding.check, finding.message)
        };
        emit(&findings.iter().map(line).collect::<String>())?;
    }
    match findings.iter().find(|finding| !finding.ok) {
        None => Ok(()),
        Some(first) => Err(Failure { code: first.code, sentence: String::new() }),
    }
}

fn findings(config_file: &Path) -> Vec<Finding> {
    let Loaded { config, warnings } = match config::load(config_file) {
        Ok(loaded) => loaded,
        Err(error) => return vec![failed("settings", error)],
    };
    for warning in &warnings {
        complain(PROGRAM.name, &format!("warning: {warning}"));
    }
    let suffix = if warnings.is_empty() { "" } else { ", with warnings" };
    let data_dir = DataDir::of(&config);
    let mut findings = vec![passed("settings", format!("{}{suffix}", config_file.display()))];
    findings.extend(files(&config.data_dir, &data_dir));
    let database =
        data_dir.check_not_restoring().map_or_else(|error| failed("database", error), |()| database(&data_dir));
    let keys = match SigningKeys::load(&data_dir.keys_path()) {
        Ok(keys) => {
            let count = counted(keys.keys().len(), "key");
            passed("keys", format!("{}: {count}", data_dir.keys_path().display()))
        }
        Err(error) => failed("keys", error),
    };
    let both_passed = database.ok && keys.ok;
    let renamed = if database.ok { store::renamed_users(data_dir.database()).unwrap_or_default() } else { Vec::new() };
    findings.extend([database, keys]);
    if both_passed {
        findings.push(match data_dir.check_keys_belong() {
            Ok(()) => passed("together", "the keys belong to the database".to_owned()),
            Err(error) => failed("together", error),
        });
    }
    // The server works without mail, too.
    findings.push(passed("mail", mail::describe(&config)));
    // These users can sign in by these names, so that nothing has failed.
    findings.extend(renamed.iter().map(|name| {
        passed(
            "users",
            format!(
                "“{name}” had the same name as another user, but for its case or form, and was renamed. Give the user \
                 another name: opterius-license-server user set {name} --name NEW"
            ),
        )
    }));
    findings
}

fn database(data_dir: &DataDir) -> Finding {
    let location = data_dir.database();
    let _progress = Progress::start("Checking the database", None);
    let checked = store::check(location).and_then(|defects| Ok((defects, store::schema(location)?)));
    match checked {
        Err(error) => failed("database", error),
        Ok((defects, _)) if !defects.is_empty() => failed(
            "database",
            Failure::refused(format!(
                "{}: the database is damaged: {}. Stop the server, move the file away and restore a backup to this path",
                location,
                defects.join("; ")
            )),
        ),
        Ok((_, (schema, newest))) if schema < newest => {
            passed("database", format!("{}: intact (schema {schema}; serve upgrades it to {newest})", location))
        }
        Ok((_, (schema, _))) => passed("database", format!("{}: intact (schema {schema})", location)),
    }
}
