//! `keys …`: the keys that sign responses.

use serde::Serialize;

use crate::commands::failure::Failure;
use crate::commands::listing::{Listing, emit, table};
use crate::commands::session::Session;
use crate::factor_seal;
use crate::installation::SIGNING_KEYS;
use crate::keys::{CHANGE_TIME, SigningKeys};
use crate::model::Action;
use opterius_base::clock::Timestamp;

/// A key in JSON.
#[derive(Serialize)]
struct KeyView {
    id: String,
    public_key: String,
    created_at: Timestamp,
    current: bool,
}

fn views(keys: &SigningKeys) -> Vec<KeyView> {
    let view = |(index, key): (usize, &crate::keys::SigningKey)| KeyView {
        id: key.id(),
        public_key: key.public(),
        created_at: key.created_at(),
        current: index == 0,
    };
    keys.keys().iter().enumerate().map(view).collect()
}

pub(super) fn show(session: &Session, json: bool) -> Result<(), Failure> {
    let views = views(&session.keys);
    let mut listing = Listing::new(json, &["ID", "CREATED", "STATE", "PUBLIC KEY"]);
    if json {
        listing.add(&views, |_| Vec::new(), |view| view)?;
        listing.end("")?;
        return Ok(());
    }
    let retirable_from = views.first().map(|current| current.created_at.plus(CHANGE_TIME));
    let rows = views.iter().map(|view| {
        let state = match retirable_from {
            Some(ends) if !view.current => format!("can be retired from {ends} on"),
            _ => "current".to_owned(),
        };
        vec![view.id.clone(), view.created_at.to_string(), state, view.public_key.clone()]
    });
    emit(&table(&["ID", "CREATED", "STATE", "PUBLIC KEY"], rows.collect()))?;
    emit(&format!("\nFor agent.conf:\nlicense_public_key={}\n", session.keys.public_keys()))?;
    Ok(())
}

pub(super) fn rotate(session: &mut Session, json: bool) -> Result<(), Failure> {
    change(session, |keys| Ok(keys.rotate(Session::now())?), "a new key was added")?;
    if json {
        return show(session, json);
    }
    let days = CHANGE_TIME.as_secs() / 86_400;
    emit(&format!(
        "New signing key added. To start signing with both keys and to distribute the new one:\n\
         1. Run: systemctl reload opterius-license-server\n\
         2. Within {days} days, set this line in the agent.conf of every Agent and run systemctl reload opterius-agent there:\n\
         license_public_key={}\n\
         3. After {days} days, run: {} keys retire\n\
         4. Run again: systemctl reload opterius-license-server\n",
        session.keys.public_keys(),
        session.target.program()
    ))?;
    Ok(())
}

pub(super) fn retire(session: &mut Session, forced: bool, json: bool) -> Result<(), Failure> {
    change(session, |keys| Ok(keys.retire(Session::now(), forced)?), "the old key was ended")?;
    if json {
        return show(session, json);
    }
    emit(&format!(
        "Old signing key retired. To stop signing with it, run: systemctl reload opterius-license-server\n\
         license_public_key={}\n",
        session.keys.public_keys()
    ))?;
    Ok(())
}

/// Changes the keys under the changes lock, starting from the current file.
fn change(
    session: &mut Session,
    work: impl FnOnce(&mut SigningKeys) -> Result<(), Failure>,
    what: &str,
) -> Result<(), Failure> {
    let data_dir = session.target.data_dir.clone();
    let _changes_lock = data_dir.lock_changes()?;
    let before = SigningKeys::load(&data_dir.keys_path())?;
    let mut keys = SigningKeys::load(&data_dir.keys_path())?;
    work(&mut keys)?;
    session.change(|transaction, actor| {
        data_dir.check_named_keys(transaction.setting(SIGNING_KEYS)?.as_deref(), &before)?;
        // What only a retired key can open gets the key that stays.
        for factor in transaction.second_factors()? {
            if factor_seal::open(&keys, factor.user, &factor.sealed).is_none()
                && let Some(secret) = factor_seal::open(&before, factor.user, &factor.sealed)
            {
                let sealed = factor_seal::seal(&keys, factor.user, &secret)?;
                transaction.reseal_second_factor(factor.user, &sealed)?;
            }
        }
        transaction.put_setting(SIGNING_KEYS, &keys.public_keys())?;
        transaction.add_event(None, actor, Action::KeysChanged, &format!("{what}: {}", keys.public_keys()))?;
        // Last, so that a failed write rolls the history entry back.
        Ok(keys.store(&data_dir.keys_path())?)
    })?;
    session.keys = keys;
    Ok(())
}
